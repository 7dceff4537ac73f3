/** One signed request to a store, and what comes of it. Connections are kept. */
import { createReadStream } from 'node:fs';
import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { pipeline } from 'node:stream/promises';
import { Failure } from '../config/failure.ts';
import { errnoOf, errnoWords } from '../lib/errno.ts';
import { EMPTY_SHA256, sha256, signedHeaders } from '../lib/signature-v4.ts';
import { STORE_SILENCE_MS } from './limits.ts';
import type { RemoteStore } from './remote-store.ts';

/** How long a body waits for the store's word that it wants it. Not every store gives it. In milliseconds. */
const CONTINUE_WAIT_MS = 1_000;

/** At the same time, to one store: more wait. A list of functions would ask for all of them at once. */
const CONNECTIONS_MAX = 128;

export interface StoreRequest {
  method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  url: URL;
  headers?: Readonly<Record<string, string>>;
  body?: string | Buffer | FileBody;
  /** The store may take so long on top of the silence that is allowed anyway, in milliseconds. */
  extraWaitMs?: number;
  signal?: AbortSignal;
}

export interface FileBody {
  file: string;
  bytes: number;
  sha256: string;
  /** Told after each piece how many bytes have gone. */
  onProgress?: (sentBytes: number) => void;
}

export class StoreRequests {
  readonly #store: RemoteStore;
  readonly #agent: HttpAgent;
  #closed = false;

  constructor(store: RemoteStore) {
    this.#store = store;
    this.#agent = new (isTls(store) ? HttpsAgent : HttpAgent)({ keepAlive: true, maxSockets: CONNECTIONS_MAX });
  }

  /** Resolves with any answer, whatever its status. Throws Failure `registry-unreachable` if there is none. */
  async send(request: StoreRequest): Promise<IncomingMessage> {
    try {
      return await this.#sendOnce(request);
    } catch (error) {
      if (request.signal?.aborted) throw request.signal.reason;
      throw this.unreachable(error);
    }
  }

  /** What a broken answer is called, too. */
  unreachable(error: unknown): Failure {
    if (error instanceof Failure) return error;
    const reason = REASONS[errnoOf(error) ?? ''] ?? errnoWords(error);
    const message = `the registry at ${this.#store.server} does not answer: ${reason}`;
    return new Failure('registry-unreachable', message, { cause: error });
  }

  /** Breaks off what is under way; nothing is sent any more. */
  close(): void {
    this.#closed = true;
    this.#agent.destroy();
  }

  async #sendOnce(request: StoreRequest): Promise<IncomingMessage> {
    if (this.#closed) throw new Error('nothing is asked of it any more');
    const asked = this.#begin(request);
    const { body } = request;
    const answer = answerTo(asked, STORE_SILENCE_MS + (request.extraWaitMs ?? 0));
    if (isFile(body)) {
      // The answer may come first: a refusal without the body.
      await Promise.race([answer, sendFile(asked, body).catch((error) => asked.destroy(error))]);
    } else asked.end(body);
    try {
      return await answer;
    } catch (error) {
      // The store has closed a connection that was kept, before it saw the request.
      const unseen = asked.reusedSocket && errnoOf(error) === 'ECONNRESET' && !isFile(body);
      if (!unseen || request.signal?.aborted) throw error;
      return this.#sendOnce(request);
    }
  }

  #begin({ method, url, headers = {}, body, signal }: StoreRequest): ClientRequest {
    const own: Record<string, string> = { ...headers };
    let payloadHash = EMPTY_SHA256;
    if (isFile(body)) {
      payloadHash = body.sha256;
      own['content-length'] = String(body.bytes);
    } else if (body !== undefined) {
      payloadHash = sha256(body);
      own['content-length'] = String(Buffer.byteLength(body));
    }
    const { credentials, region } = this.#store;
    const signed = signedHeaders({ method, url, headers: own, payloadHash, credentials, region, at: new Date() });
    if (isFile(body)) signed.expect = '100-continue';
    const begin = isTls(this.#store) ? requestHttps : requestHttp;
    return begin(url, { method, headers: signed, agent: this.#agent, signal });
  }
}

function answerTo(asked: ClientRequest, silenceMs: number): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    asked.setTimeout(silenceMs, () => asked.destroy(new Error(`it was silent for ${silenceMs / 1000} s`)));
    asked.once('response', resolve);
    // Also after the answer, which then is broken off: its reader sees that.
    asked.on('error', reject);
  });
}

async function sendFile(asked: ClientRequest, { file, onProgress }: FileBody): Promise<void> {
  asked.flushHeaders();
  await wanted(asked);
  let sent = 0;
  const counted = async function* (pieces: AsyncIterable<Buffer>) {
    for await (const piece of pieces) {
      yield piece;
      sent += piece.length;
      onProgress?.(sent);
    }
  };
  await pipeline(createReadStream(file, { highWaterMark: 262_144 }), counted, asked);
}

/** Resolves when the store asks for the body, or has said nothing for a while. */
function wanted(asked: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, CONTINUE_WAIT_MS);
    asked.once('continue', () => {
      clearTimeout(timer);
      resolve();
    });
    asked.once('close', () => clearTimeout(timer));
  });
}

function isFile(body: StoreRequest['body']): body is FileBody {
  return typeof body === 'object' && !Buffer.isBuffer(body);
}

function isTls({ server }: RemoteStore): boolean {
  return server.startsWith('https:');
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there',
  ECONNRESET: 'it has cut the connection',
  EPIPE: 'it has cut the connection',
  ENOTFOUND: 'there is no host of that name',
  EAI_AGAIN: 'the name of its host can not be looked up now',
  EHOSTUNREACH: 'there is no way to its host',
  ENETUNREACH: 'there is no way to its host',
};
