/** WebSockets of clients: who may have one, and what it is for. */
import type { IncomingMessage } from 'node:http';
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { WebSocketServer } from 'ws';
import { rawPath } from '../../http/app.ts';
import { requestIdOf } from '../../http/request-id.ts';
import type { SessionHost } from '../../session/host.ts';
import type { ApiCall } from '../api-call.ts';
import { ApiProblem, apiProblemOf, problemBody, type Slug } from '../api-problem.ts';
import type { Major } from '../api-version.ts';
import { ownerKeyOf, ownerOf } from '../authentication.ts';
import { checkToken } from '../create-params.ts';
import { SOCKET_MESSAGE_BYTES_MAX } from '../limits.ts';
import { ANONYMOUS_RATE } from '../rate-limit.ts';
import { admitted, commonHeaders, type Exchange, type Gate, type ToldRoute } from '../route.ts';
import type { SessionRouteOptions } from '../session-routes.ts';
import { streamExecution } from './execute.ts';
import type { OpenStreams } from './open-streams.ts';
import { streamPty } from './pty.ts';
import { clientSocket } from './socket.ts';

export interface UpgradeOptions extends SessionRouteOptions {
  gate: Gate;
  streams: OpenStreams;
}

export type Upgrade = (incoming: IncomingMessage, socket: Duplex, head: Buffer) => void;

const MAJORS_OF_STREAMS = [2, 3, 4] as const;

const stream = (kind: string, answers: string, error: Slug = 'instance-not-available'): ToldRoute => ({
  method: 'WebSocket',
  path: `/stream/kernel/:token/${kind}`,
  also: [`/stream/session/:token/${kind}`],
  majors: MAJORS_OF_STREAMS,
  need: 'key',
  answers,
  errors: ['kernel-not-found', error],
});

const NO_PORTS = 'nothing: sessions have no service ports';

/** By the end of their paths. */
export const STREAMS = {
  execute: stream('execute', '101, then [executions](../gateway.md#streams)'),
  pty: stream('pty', '101, then [a login shell](../gateway.md#streams)'),
  httpproxy: stream('httpproxy', NO_PORTS, 'app-not-found'),
  tcpproxy: stream('tcpproxy', NO_PORTS, 'app-not-found'),
} as const;

const VERSIONS = MAJORS_OF_STREAMS.join('');
const KINDS = Object.keys(STREAMS).join('|');
const TARGET = new RegExp(`^(?:/v([${VERSIONS}]))?/stream/(?:kernel|session)/([^/]+)/(${KINDS})$`);

/** Loads what is needed for it. */
export async function openUpgrades(options: UpgradeOptions): Promise<Upgrade> {
  const { WebSocketServer: Server } = await import('ws');
  const server = new Server({
    noServer: true,
    maxPayload: SOCKET_MESSAGE_BYTES_MAX,
    perMessageDeflate: false,
    clientTracking: false,
  });
  return (incoming, socket, head) => {
    socket.on('error', () => {}); // Its end says the same.
    const exchange = { incoming, requestId: requestIdOf(incoming), rate: ANONYMOUS_RATE };
    open(server, options, { exchange, socket, head }).catch((error: unknown) => {
      const problem = apiProblemOf(error);
      if (problem.status === 500) {
        const { requestId } = exchange;
        options.gate.log('error', 'an upgrade failed', { requestId, err: problem.cause ?? problem });
      }
      refuse(socket, problem, exchange);
    });
  };
}

interface Asking {
  exchange: Exchange;
  socket: Duplex;
  head: Buffer;
}

async function open(server: WebSocketServer, options: UpgradeOptions, asking: Asking): Promise<void> {
  const { exchange, socket, head } = asking;
  const { incoming, requestId } = exchange;
  const [, prefix, name = '', kind] = TARGET.exec(rawPath(incoming.url ?? '/')) ?? [];
  if (kind === undefined) throw new ApiProblem('generic-not-found');
  const major = prefix === undefined ? undefined : (Number(prefix) as Major);
  const names = { token: decoded(name) };
  const asked = { incoming, requestId, ending: socket, names };
  const call = await admitted(asked, { route: { need: 'key' }, major, gate: options.gate }, exchange);
  const { id, host } = await sessionOf(call, options);
  if (kind === 'httpproxy' || kind === 'tcpproxy') throw new ApiProblem('app-not-found');
  if (incoming.headers['sec-websocket-key'] === undefined) {
    throw new ApiProblem('generic-bad-request', 'This is a WebSocket');
  }
  server.once('headers', (lines: string[]) => {
    for (const [header, value] of commonHeaders(exchange)) lines.push(`${header}: ${value}`);
  });
  // `ws` answers broken handshakes by itself; `headers` is emitted in the same turn, or never.
  server.handleUpgrade(incoming, socket, head, (webSocket) => {
    const client = clientSocket(webSocket);
    const leave = options.streams.add(() => {
      client.send({ status: 'server-restarting', msg: 'The gateway is stopping; come back in a moment.' });
      client.close(1012, 'the gateway is stopping');
    });
    client.onClosed(leave);
    if (kind === 'pty') streamPty(client, { id, host });
    else streamExecution(client, { id, host, version: call.version });
  });
  server.removeAllListeners('headers');
}

async function sessionOf(
  call: ApiCall,
  { keys, sessions }: SessionRouteOptions,
): Promise<{ id: string; host: SessionHost }> {
  const session = sessions.find(ownerOf(call.pair, ownerKeyOf(call), keys), checkToken(call.names.token ?? ''));
  await session.started;
  return { id: session.record.id, host: sessions.host };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** There is no answer object of an upgrade: the head is written by hand, and the connection ends with it. */
function refuse(socket: Duplex, problem: ApiProblem, exchange: Exchange): void {
  const { incoming, requestId } = exchange;
  const body = problemBody(problem, { instance: rawPath(incoming.url ?? '/'), requestId });
  const headers: [string, string][] = [
    ['Connection', 'close'],
    ['Content-Type', 'application/problem+json'],
    ['Content-Length', String(Buffer.byteLength(body))],
    ...commonHeaders(exchange),
    ...Object.entries(problem.facts.headers ?? {}),
  ];
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    ...headers.map((pair) => pair.join(': ')),
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
