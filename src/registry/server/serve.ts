/** The registry on a TCP port. A request is believed once its signature is good; only then is its body read. */
import { createReadStream } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { ApiSection } from '../../http/endpoint.ts';
import { type Listener, openListener } from '../../http/listener.ts';
import type { Log } from '../../lib/log.ts';
import type { Credentials } from '../../lib/signature-v4.ts';
import { uuidV7 } from '../../lib/uuid-v7.ts';
import { errorAnswer, type FileBody, type S3Answer } from './answer.ts';
import { API_PREFIX, answerApi, HEALTH, json, LAMBDAS_API } from './lambdas-api.ts';
import { CONNECTIONS_MAX, HEADERS_MS_MAX, IDLE_MS_MAX, READ_BYTES } from './limits.ts';
import { readRequest } from './request.ts';
import { answerS3, BUCKET_OPERATIONS, OBJECT_OPERATIONS, SERVICE_OPERATIONS } from './routes.ts';
import { S3_CODES, type S3Code, S3Error, s3ToldOf as told } from './s3-error.ts';
import type { Store } from './store.ts';
import { verify } from './verification.ts';

/** All that a registry may be asked. */
export const REGISTRY_API: readonly ApiSection<S3Code>[] = [
  {
    title: 'Lambdas and versions',
    about: 'Signed as requests of S3 are. Errors are `{"errorType", "errorMessage", "requestId"}`.',
    tables: [LAMBDAS_API, HEALTH],
    told,
  },
  {
    title: 'S3',
    about: "Bodies, answers and errors are S3's, as XML.",
    tables: [SERVICE_OPERATIONS, BUCKET_OPERATIONS, OBJECT_OPERATIONS],
    errors: S3_CODES,
    told,
  },
];

export interface ServeOptions {
  store: Store;
  keys: Credentials;
  host: string;
  /** 0 takes a free one. */
  port: number;
  log: Log;
}

/** Rejects with a Failure if nobody can listen there. */
export function serveRegistry(options: ServeOptions): Promise<Listener> {
  const { host, port, log } = options;
  return openListener(serverFor(options, log), { host, port, hostSetting: '--host' });
}

function serverFor(options: ServeOptions, log: Log): Server {
  const server = createServer({
    headersTimeout: HEADERS_MS_MAX,
    // A large upload takes its time; one that stands still does not.
    requestTimeout: 0,
    keepAliveTimeout: IDLE_MS_MAX,
  });
  server.timeout = IDLE_MS_MAX;
  server.maxConnections = CONNECTIONS_MAX;
  const onRequest = (incoming: IncomingMessage, outgoing: ServerResponse, startBody: () => void): void => {
    if (!server.listening) outgoing.shouldKeepAlive = false;
    // What fails on the way is seen by whoever reads or writes; without listener it would end the process.
    incoming.on('error', () => {});
    outgoing.on('error', () => {});
    answer(options, { incoming, outgoing, startBody }).catch((err: unknown) => {
      if (!outgoing.destroyed) log('error', 'an answer was not sent', { err });
      outgoing.destroy();
    });
  };
  server.on('request', (incoming, outgoing) => onRequest(incoming, outgoing, () => {}));
  server.on('checkContinue', (incoming, outgoing) => onRequest(incoming, outgoing, () => outgoing.writeContinue()));
  return server;
}

const CHANGING: readonly string[] = ['PUT', 'POST', 'DELETE'];

interface Pair {
  incoming: IncomingMessage;
  outgoing: ServerResponse;
  /** Gives a client leave to send its body, if it waits for that. */
  startBody: () => void;
}

async function answer(options: ServeOptions, pair: Pair): Promise<void> {
  const { incoming, outgoing } = pair;
  const id = uuidV7();
  const said = await answerOrError(options, pair, id);
  outgoing.setHeader('x-amz-request-id', id);
  for (const [name, value] of Object.entries(said.headers)) outgoing.setHeader(name, latin1(value));
  outgoing.statusCode = said.status;
  const { body } = said;
  if (isFile(body)) return sendFile(outgoing, body);
  if (outgoing.destroyed) return;
  const silent = incoming.method === 'HEAD';
  if (!silent && said.status !== 204 && said.status !== 304) {
    outgoing.setHeader('content-length', Buffer.byteLength(body ?? ''));
  }
  outgoing.end(silent ? undefined : body);
}

async function answerOrError(options: ServeOptions, pair: Pair, id: string): Promise<S3Answer> {
  const path = pair.incoming.url?.split('?')[0] ?? '/';
  try {
    return await answerSigned(options, pair, id);
  } catch (error) {
    const known = error instanceof S3Error ? error : undefined;
    const gone = pair.incoming.destroyed && !pair.incoming.complete;
    if (known === undefined && !gone)
      options.log('error', 'a request failed unexpectedly', { requestId: id, path, err: error });
    const said =
      known ?? new S3Error('InternalError', "We encountered an internal error; the registry's log says why.");
    if (said.status === 507) options.log('error', 'the disk is full', { requestId: id, path });
    if (said.status === 403) options.log('warn', 'a request was refused', { requestId: id, path, code: said.code });
    if (!path.startsWith(API_PREFIX)) return errorAnswer(said, { resource: path, requestId: id });
    return json(said.status, { errorType: said.code, errorMessage: said.message, requestId: id });
  }
}

async function answerSigned({ store, keys }: ServeOptions, pair: Pair, id: string): Promise<S3Answer> {
  const { incoming, outgoing, startBody } = pair;
  const request = readRequest(incoming, id, () => {
    startBody();
    // Whoever stops reading answers; Node then throws away what still comes, and the connection stays good.
    return incoming.iterator({ destroyOnReturn: false });
  });
  if (request.path === HEALTH.health.path) return json(200, { state: 'ready' });
  const verified = verify(request, keys, store.now());
  const gone = new AbortController();
  outgoing.once('close', () => gone.abort());
  const exchange = { request, verified, store, gone: gone.signal };
  const before = store.lambdas.lastSeq();
  const said = await (request.path.startsWith(API_PREFIX) ? answerApi(exchange) : answerS3(exchange));
  // Whoever has changed a lambda is told so once those who follow the changes know it.
  if (CHANGING.includes(request.method) && store.lambdas.lastSeq() > before) {
    await store.followers.noted(store.lambdas.lastSeq());
  }
  return said;
}

async function sendFile(outgoing: ServerResponse, { fd, start, bytes }: FileBody): Promise<void> {
  const end = Math.max(start, start + bytes - 1);
  const stream = createReadStream('', { fd, start, end, highWaterMark: READ_BYTES });
  await pipeline(stream, outgoing, { end: false });
  // Less than was announced: the client must not wait for the rest, nor take it for all.
  if (stream.bytesRead < bytes) throw new Error(`a file has ${stream.bytesRead} bytes of ${bytes}`);
  outgoing.end();
}

function isFile(body: S3Answer['body']): body is FileBody {
  return typeof body === 'object' && !Buffer.isBuffer(body);
}

/** Node writes Latin-1; clients read the bytes as UTF-8. */
function latin1(value: string): string {
  return Buffer.from(value, 'utf8').toString('latin1');
}
