/** A request as an event: that of AWS's Function URLs, payload version 2.0. */
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import type { Trace } from '../http/trace.ts';
import type { LambdaName } from '../registry/source.ts';

export interface HttpEventFacts {
  lambda: LambdaName;
  requestId: string;
  trace: Trace | undefined;
  /** What of the path is the function's own, as it was sent: `/my/path`. */
  path: string;
  /** As it was sent, without the question mark. */
  query: string;
  /** What of the path is not the function's own. */
  prefix: string;
  body: Buffer;
  nowMs: number;
}

const TEXT_TYPE =
  /^(text\/|application\/(json|javascript|xml|x-www-form-urlencoded|graphql|[a-z0-9.+-]+\+(json|xml))\b)/i;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const ROUTE = '$default';

/** The event's JSON. */
export function httpEvent(incoming: IncomingMessage, facts: HttpEventFacts): Buffer {
  const { lambda, requestId, path, query, body, nowMs } = facts;
  const { method = 'GET', httpVersion } = incoming;
  const { cookies, headers } = headersOf(incoming, facts);
  const parameters = parametersOf(query);
  const event = {
    version: '2.0',
    routeKey: ROUTE,
    rawPath: path,
    rawQueryString: query,
    ...(cookies.length > 0 ? { cookies } : {}),
    headers,
    ...(Object.keys(parameters).length > 0 ? { queryStringParameters: parameters } : {}),
    requestContext: {
      accountId: 'anonymous',
      apiId: lambda,
      domainName: (headers.host ?? '').replace(/:\d+$/, ''),
      domainPrefix: lambda,
      http: {
        method,
        path,
        protocol: `HTTP/${httpVersion}`,
        sourceIp: addressOf(incoming),
        userAgent: headers['user-agent'] ?? '',
      },
      requestId,
      routeKey: ROUTE,
      stage: ROUTE,
      time: timeText(nowMs),
      timeEpoch: nowMs,
    },
    ...bodyOf(headers, body),
  };
  return Buffer.from(JSON.stringify(event));
}

/** By lower-case name, with those that AWS adds. Cookies are apart. */
function headersOf(incoming: IncomingMessage, { trace, prefix }: HttpEventFacts) {
  const headers: Record<string, string> = {};
  let cookies: string[] = [];
  for (const [name, values = []] of Object.entries(incoming.headersDistinct)) {
    if (name === 'cookie') cookies = values.flatMap((value) => value.split(/; */)).filter((cookie) => cookie !== '');
    else headers[name] = values.join(',');
  }
  const from = addressOf(incoming);
  const before = headers['x-forwarded-for'];
  headers['x-forwarded-for'] = before === undefined ? from : `${before}, ${from}`;
  // Whoever stands before the worker knows better.
  headers['x-forwarded-proto'] ??= 'http';
  headers['x-forwarded-port'] ??= String(incoming.socket.localPort ?? '');
  headers['x-forwarded-prefix'] = prefix;
  if (trace !== undefined) headers['x-amzn-trace-id'] ??= amazonTrace(trace);
  return { headers, cookies };
}

function amazonTrace({ parent }: Trace): string {
  const [, traceId = '', parentId, flags] = parent.split('-');
  return `Root=1-${traceId.slice(0, 8)}-${traceId.slice(8)};Parent=${parentId};Sampled=${Number(flags)}`;
}

function addressOf({ socket }: IncomingMessage): string {
  return (socket.remoteAddress ?? '').replace(/^::ffff:/, '');
}

/** Those that come several times are joined with commas. */
function parametersOf(query: string): Record<string, string> {
  const parameters: Record<string, string> = {};
  for (const [name, value] of new URLSearchParams(query)) {
    parameters[name] = Object.hasOwn(parameters, name) ? `${parameters[name]},${value}` : value;
  }
  return parameters;
}

function bodyOf(headers: Readonly<Record<string, string>>, body: Buffer) {
  if (body.length === 0) return { isBase64Encoded: false };
  const plain = headers['content-encoding'] === undefined && TEXT_TYPE.test(headers['content-type'] ?? '');
  if (plain && isUtf8(body)) return { body: body.toString('utf8'), isBase64Encoded: false };
  return { body: body.toString('base64'), isBase64Encoded: true };
}

/** As in the logs of web servers: 21/Nov/2026:23:18:51 +0000 */
function timeText(nowMs: number): string {
  const iso = new Date(nowMs).toISOString();
  return `${iso.slice(8, 10)}/${MONTHS[Number(iso.slice(5, 7)) - 1]}/${iso.slice(0, 4)}:${iso.slice(11, 19)} +0000`;
}
