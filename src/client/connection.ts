/** Requests to one gateway, signed, over connections that are kept; and its streams, which are WebSockets. */
import http from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { Failure } from '../config/failure.ts';
import { errnoWords } from '../lib/errno.ts';
import type { Access } from './access.ts';
import { ANSWER_BYTES_MAX, CONNECT_MS, MESSAGE_BYTES_MAX, SENT_PIECE_BYTES } from './limits.ts';
import { ProblemError } from './problem.ts';
import { signedHeaders } from './signing.ts';

export interface Ask {
  method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  /** From the endpoint on, percent-encoded, with its query. */
  path: string;
  /** Sent as JSON. */
  json?: unknown;
  /** Sent as it is. */
  body?: { type: string; bytes: Uint8Array };
  /** Called as the body goes: how much of it has gone. */
  onSent?: ((bytes: number) => void) | undefined;
  /** Called as the answer comes: how much of it is there, and how much it will be, if it says so. */
  onReceived?: ((bytes: number, of: number | undefined) => void) | undefined;
  signal?: AbortSignal | undefined;
}

export interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  bytes: Buffer;
}

export class Connection {
  readonly endpoint: URL;
  readonly #access: Access;
  readonly #agent: http.Agent;

  constructor(access: Access) {
    this.#access = access;
    this.endpoint = access.endpoint;
    // A program that has nothing else to do may end: idle connections do not hold it.
    this.#agent = new (this.#isSecure ? https : http).Agent({ keepAlive: true });
  }

  /** The answer's JSON; undefined if it is empty. Throws ProblemError, Failure `unreachable`, or the signal's reason. */
  async json<T>(ask: Ask): Promise<T> {
    const { bytes, status } = await this.ask(ask);
    if (bytes.length === 0) return undefined as T;
    const parsed = parsedJson(bytes);
    if (parsed === undefined)
      throw new ProblemError(status, { body: `${this.endpoint.origin} does not answer with JSON` });
    return parsed as T;
  }

  /** Throws as `json` does; whatever is not 2xx is a ProblemError. */
  async ask(ask: Ask): Promise<Answer> {
    const answer = await this.#send(ask);
    if (answer.status >= 200 && answer.status < 300) return answer;
    throw problemOf(answer);
  }

  /** Resolves when the stream is open, and paused: `resume()` once somebody listens. Throws as `json` does. */
  async stream(path: string, signal?: AbortSignal): Promise<{ socket: WebSocket; transport: Socket }> {
    const { WebSocket } = await import('ws');
    signal?.throwIfAborted();
    const url = this.#url(path);
    const headers = this.#headers('GET', url, undefined);
    url.protocol = this.#isSecure ? 'wss:' : 'ws:';
    const socket = new WebSocket(url, {
      headers,
      handshakeTimeout: CONNECT_MS,
      maxPayload: MESSAGE_BYTES_MAX,
      perMessageDeflate: false,
    });
    let transport: Socket;
    socket.once('upgrade', (response) => {
      transport = response.socket;
    });
    // It may break between two who listen; whoever listens next finds it closed.
    socket.on('error', () => {});
    return new Promise((resolve, reject) => {
      const give = () => socket.terminate();
      signal?.addEventListener('abort', give, { once: true });
      socket.once('unexpected-response', (request, response) => {
        collect(response).then((answer) => reject(problemOf(answer)), reject);
        request.on('error', () => {}); // It is refused; how it ends says nothing more.
      });
      socket.once('error', (error) => reject(signal?.aborted ? signal.reason : this.#unreachable(error)));
      socket.once('open', () => {
        signal?.removeEventListener('abort', give);
        // What came along with the answer would be told before whoever waits for this can listen.
        socket.pause();
        resolve({ socket, transport });
      });
    });
  }

  /** Ends kept connections; requests in flight go on. */
  close(): void {
    this.#agent.destroy();
  }

  get #isSecure(): boolean {
    return this.endpoint.protocol === 'https:';
  }

  #url(path: string): URL {
    return new URL(`${this.endpoint.pathname.replace(/\/$/, '')}${path}`, this.endpoint);
  }

  #headers(method: string, url: URL, contentType: string | undefined): Record<string, string> {
    const target = `${url.pathname}${url.search}`;
    return {
      Host: url.host,
      ...(contentType !== undefined && { 'Content-Type': contentType }),
      ...signedHeaders({ method, target, host: url.host, contentType, at: new Date() }, this.#access.credentials),
    };
  }

  #send(ask: Ask, isSecondTry = false): Promise<Answer> {
    const { method, path, signal } = ask;
    const body =
      ask.json === undefined ? ask.body : { type: 'application/json', bytes: Buffer.from(JSON.stringify(ask.json)) };
    const url = this.#url(path);
    const headers = {
      ...this.#headers(method, url, body?.type),
      ...(body !== undefined && { 'Content-Length': String(body.bytes.length) }),
    };
    const options = { method, headers, agent: this.#agent, ...(signal && { signal }) };
    return new Promise((resolve, reject) => {
      const request = (this.#isSecure ? https : http).request(url, options, (response) => {
        collect(response, ask.onReceived).then(resolve, (error) => reject(this.#unreachable(error)));
      });
      request.once('error', (error: NodeJS.ErrnoException) => {
        if (signal?.aborted) return reject(signal.reason);
        // The gateway had closed a kept connection just as it was used again: it has seen nothing of this.
        const isStale = request.reusedSocket && error.code === 'ECONNRESET' && method === 'GET' && !isSecondTry;
        if (isStale) this.#send(ask, true).then(resolve, reject);
        else reject(this.#unreachable(error));
      });
      if (body !== undefined) writePieces(request, body.bytes, ask.onSent);
      request.end();
    });
  }

  #unreachable(error: unknown): Error {
    if (error instanceof ProblemError || error instanceof Failure) return error;
    return new Failure('unreachable', `the gateway at ${this.endpoint.origin} does not answer: ${errnoWords(error)}`, {
      cause: error,
    });
  }
}

/** How they end is the request's to say. */
function writePieces(request: http.ClientRequest, bytes: Uint8Array, onSent: Ask['onSent']): void {
  for (let at = 0; at < bytes.length; at += SENT_PIECE_BYTES) {
    const end = Math.min(at + SENT_PIECE_BYTES, bytes.length);
    request.write(bytes.subarray(at, end), (error) => {
      if (!error) onSent?.(end);
    });
  }
}

async function collect(response: http.IncomingMessage, onReceived?: Ask['onReceived']): Promise<Answer> {
  const announced = response.headers['content-length'];
  const of = announced === undefined ? undefined : Number(announced);
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of response as AsyncIterable<Buffer>) {
    length += piece.length;
    if (length > ANSWER_BYTES_MAX)
      throw new Failure('unreachable', `an answer has more than ${ANSWER_BYTES_MAX} bytes`);
    pieces.push(piece);
    onReceived?.(length, of);
  }
  return { status: response.statusCode ?? 0, headers: response.headers, bytes: Buffer.concat(pieces) };
}

function problemOf({ status, headers, bytes }: Answer): ProblemError {
  const body = parsedJson(bytes) ?? bytes.toString('utf8');
  return new ProblemError(status, { body, retryAfter: headers['retry-after'] });
}

function parsedJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined; // Whoever asked says what it means that it is none.
  }
}
