/** One question to a worker over HTTP, on a connection of its own, and what came of it. */
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { errnoOf } from '../lib/errno.ts';
import { type Address, reachable } from './fleet.ts';

/** A larger body is sent only once the worker has said that it wants it. */
const UNASKED_BYTES_MAX = 65_536;

export interface Question {
  method?: 'GET' | 'POST';
  path: string;
  headers?: Readonly<Record<string, string>>;
  body?: Uint8Array;
  /** Longest wait for the end of the answer, in milliseconds; for ever if it is not given. */
  waitMs?: number | undefined;
  /** A longer answer is not listened to. */
  bytesMax: number;
}

export interface Answer {
  kind: 'answer';
  httpStatus: number;
  httpReason: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

export interface Silence {
  kind: 'silent';
  /** `closed`: nobody listens there, so the question was never asked. `late`: the wait was over first. */
  cause: 'closed' | 'late' | 'broken';
  reason: string;
}

/** Never rejects: that a worker is silent is an answer too. */
export function ask(address: Address, question: Question): Promise<Answer | Silence> {
  const { method = 'GET', path, body, waitMs, bytesMax } = question;
  return new Promise((resolve) => {
    const asked = request({ ...reachable(address), method, path, agent: false, headers: headersOf(question) });
    const settle = (outcome: Answer | Silence): void => {
      clearTimeout(timer);
      resolve(outcome);
      asked.destroy();
    };
    const broken = (error: Error): void => settle(silenceOf(error));
    const timer =
      waitMs === undefined
        ? undefined
        : setTimeout(
            () => settle({ kind: 'silent', cause: 'late', reason: `no answer within ${waitMs / 1_000} s` }),
            waitMs,
          );
    asked.on('error', broken);
    asked.once('response', (response) => {
      collect(response, bytesMax).then((text) => settle(answerOf(response, text)), broken);
    });
    if (isLarge(body)) asked.once('continue', () => asked.end(body)).flushHeaders();
    else asked.end(body);
  });
}

function headersOf({ headers, body }: Question): Record<string, string> {
  const own: Record<string, string> = {};
  if (body !== undefined) own['Content-Length'] = String(body.length);
  if (isLarge(body)) own.Expect = '100-continue';
  return { ...headers, ...own };
}

function isLarge(body: Uint8Array | undefined): body is Uint8Array {
  return body !== undefined && body.length > UNASKED_BYTES_MAX;
}

async function collect(response: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of response as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > bytesMax) throw new Error('it answers more than a worker would');
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

function answerOf(response: IncomingMessage, body: Buffer): Answer {
  const { statusCode = 0, statusMessage = '', headers } = response;
  return { kind: 'answer', httpStatus: statusCode, httpReason: statusMessage, headers, body };
}

function silenceOf(error: Error): Silence {
  if (errnoOf(error) === 'ECONNREFUSED') return { kind: 'silent', cause: 'closed', reason: 'nobody listens there' };
  return { kind: 'silent', cause: 'broken', reason: error.message };
}
