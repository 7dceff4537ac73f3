/** A TCP port on which an app answers. Knows sockets and time limits, no feature. */
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { getRequestListener, RequestError } from '@hono/node-server';
import type { Log } from '../lib/log.ts';
import { uuidV7 } from '../lib/uuid-v7.ts';
import type { Answering } from './app.ts';
import type { BodyMemory } from './body-memory.ts';
import { PIPELINED_MAX } from './limits.ts';
import { type Listener, openListener } from './listener.ts';
import { type PlainHandler, sendPlain } from './plain-answer.ts';
import { type Problem, problemBody, problemOfError, problemResponse } from './problem.ts';
import { requestIdOf } from './request-id.ts';

/** Time for a request's head, in milliseconds: a client that sends a byte a minute must not hold a socket for long. */
const HEADERS_MS_MAX = 10_000;
/** Time for a whole request. */
const REQUEST_MS_MAX = 60_000;
/** How often the two above are enforced. */
const CHECK_INTERVAL_MS = 2_000;
/** Idle connections stay open longer than those of the usual load balancers, so that never both ends close at once. */
const KEEP_ALIVE_MS = 75_000;
/** One descriptor and some 20 KB each. */
const CONNECTIONS_MAX = 8_192;
/** How long a client may take to hear that its request was broken, and to close the connection. */
const LAST_WORD_MS_MAX = 2_000;
/** What is good as it is; anything else is looked at with all care. */
const PLAIN_HOST = /^[a-z0-9._-]+(?::[0-9]{2,5})?$/;
const PLAIN_TARGET = /^\/[\w./~?=&%+,:@-]*$/;

export interface ListenOptions {
  host: string;
  /** 0 takes a free one. */
  port: number;
  /** An announced body for which there is no room is refused before the client has sent it. */
  bodies: BodyMemory;
  log: Log;
  /** Where the operator has set the host; "worker_host" if it is not said. */
  hostSetting?: string;
  /** Takes requests for another protocol, such as WebSockets; without it they are answered as any other. */
  upgrade?: (incoming: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

export function listen(app: Answering, options: ListenOptions): Promise<Listener> {
  return openListener(serverFor(app, options), { hostSetting: 'worker_host', ...options });
}

function serverFor(app: Answering, options: ListenOptions): Server {
  const answer = getRequestListener(app.fetch as Parameters<typeof getRequestListener>[0], {
    hostname: options.host,
    // It would cut a connection half a second after an answer that came before the whole body, such as a 503;
    // Node reads on and throws away until the time for a whole request is over, and the connection stays good.
    autoCleanupIncoming: false,
    // Reached only by requests that the app never saw: it answers its own failures.
    errorHandler: (error) => {
      if (!(error instanceof RequestError)) options.log('error', 'a request failed unexpectedly', { err: error });
      return problemResponse(error instanceof RequestError ? badRequest(error) : problemOfError(error), uuidV7());
    },
  });
  const server = createServer({
    headersTimeout: HEADERS_MS_MAX,
    requestTimeout: REQUEST_MS_MAX,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: CHECK_INTERVAL_MS,
    // Node would refuse with an empty answer; we do so ourselves, in the one shape.
    requireHostHeader: false,
  });
  server.maxConnections = CONNECTIONS_MAX;
  const pipelines = new Pipelines();
  const onRequest = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    if (!pipelines.admit(incoming, outgoing)) return;
    if (!server.listening) outgoing.shouldKeepAlive = false;
    if (incoming.headers.host === undefined && incoming.httpVersion === '1.1') {
      refuse(incoming, outgoing, {
        status: 400,
        errorType: 'Request.Invalid',
        errorMessage: 'The Host header is missing.',
      });
      return;
    }
    const handler = plainHandlerFor(app, incoming);
    if (handler === undefined) void answer(incoming, outgoing);
    else void answerPlain(handler, incoming, outgoing);
  };
  const answerPlain = async (handler: PlainHandler, ...exchange: Parameters<PlainHandler>): Promise<void> => {
    const [, outgoing] = exchange;
    try {
      sendPlain(outgoing, await handler(...exchange));
    } catch (err) {
      options.log('error', 'an answer was not sent', { err });
      outgoing.destroy();
    }
  };
  server.on('request', onRequest);
  server.on('checkContinue', (incoming: IncomingMessage, outgoing: ServerResponse) => {
    if (options.bodies.admits(incoming)) outgoing.writeContinue();
    onRequest(incoming, outgoing);
  });
  server.on('checkExpectation', (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const errorMessage = 'Expect can only be 100-continue.';
    refuse(incoming, outgoing, { status: 417, errorType: 'Request.Invalid', errorMessage });
  });
  server.on('clientError', refuseBrokenRequest);
  if (options.upgrade !== undefined) server.on('upgrade', options.upgrade);
  // Before Node's own listener, which ends our side too.
  server.on('connection', (socket) => socket.prependListener('end', () => tellHalfClosed(socket)));
  return server;
}

/** Counts the requests of each connection that wait for the answer to an earlier one. */
class Pipelines {
  readonly #waiting = new WeakMap<Socket, number>();

  /** False if there are too many: the connection is cut then, and whatever Node has read of it already comes to nothing. */
  admit({ socket }: IncomingMessage, outgoing: ServerResponse): boolean {
    if (outgoing.socket !== null) return true;
    const waiting = this.#waiting.get(socket) ?? 0;
    if (waiting >= PIPELINED_MAX) socket.destroy();
    if (socket.destroyed) return false;
    this.#waiting.set(socket, waiting + 1);
    outgoing.once('close', () => this.#waiting.set(socket, (this.#waiting.get(socket) as number) - 1));
    return true;
  }
}

/** Undefined for the app's other routes, and for requests whose target or Host is not plain. */
function plainHandlerFor(app: Answering, { url = '', headers }: IncomingMessage): PlainHandler | undefined {
  if (!PLAIN_TARGET.test(url) || (headers.host !== undefined && !PLAIN_HOST.test(headers.host))) return undefined;
  for (const [prefix, handler] of app.plain) if (url.startsWith(prefix)) return handler;
  return undefined;
}

function refuse(incoming: IncomingMessage, outgoing: ServerResponse, problem: Problem): void {
  const requestId = requestIdOf(incoming);
  outgoing.writeHead(problem.status, headersOf(requestId)).end(problemBody(problem, requestId));
}

/** What was sent is not HTTP, too large or too slow: there is no request that an app could answer. */
function refuseBrokenRequest(error: NodeJS.ErrnoException, socket: Duplex): void {
  const answering = answerOf(socket);
  if (!socket.writable || error.code === 'ECONNRESET' || answering?.headersSent) {
    socket.destroy();
    return;
  }
  socket.end(rawAnswer(brokenRequestProblem(error.code), uuidV7()));
  // Node waits for the client to close its side, without a limit once it could not read a request.
  (socket as Socket).setTimeout(LAST_WORD_MS_MAX);
}

/**
 * The client has closed its side before it was answered. It has gone away, as far as one can know, and
 * is treated so; but if it listens still, it hears why there will be no answer. See decision 010.
 */
function tellHalfClosed(socket: Socket): void {
  const answering = answerOf(socket);
  if (answering === undefined || answering.headersSent || !answering.req.complete || !socket.writable) return;
  const errorMessage =
    'The connection was closed for writing before the answer, which counts as going away: a waiting call is dropped. Close it after the answer.';
  socket.write(rawAnswer({ status: 400, errorType: 'Request.HalfClosed', errorMessage }, requestIdOf(answering.req)));
}

/** The answer that is being made on the connection. */
function answerOf(socket: Duplex): ServerResponse | undefined {
  return (socket as { _httpMessage?: ServerResponse | null })._httpMessage ?? undefined;
}

/** What goes out where no app answers: the connection ends with it. */
function rawAnswer(problem: Problem, requestId: string): string {
  const body = problemBody(problem, requestId);
  const head = [`HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`, 'Connection: close'];
  for (const [name, value] of Object.entries(headersOf(requestId))) head.push(`${name}: ${value}`);
  head.push(`Content-Length: ${Buffer.byteLength(body)}`);
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}

function brokenRequestProblem(code: string | undefined): Problem {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return {
        status: 431,
        errorType: 'Request.HeadersTooLarge',
        errorMessage: "The request's headers are too large.",
      };
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { status: 408, errorType: 'Request.Timeout', errorMessage: 'The request took too long to arrive.' };
    default:
      return { status: 400, errorType: 'Request.Invalid', errorMessage: 'The request is not valid HTTP.' };
  }
}

function headersOf(requestId: string): Record<string, string> {
  return { 'Content-Type': 'application/json', 'X-Request-Id': requestId };
}

function badRequest(error: RequestError): Problem {
  return { status: 400, errorType: 'Request.Invalid', errorMessage: `The request is not valid: ${error.message}.` };
}
