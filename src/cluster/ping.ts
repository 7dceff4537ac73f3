/** Asking a worker how it is. */
import { get } from 'node:http';
import { PING_BYTES_MAX, PING_WAIT_MS } from '../config/limits.ts';
import { errnoOf } from '../lib/errno.ts';
import { type Address, reachable } from './fleet.ts';

/** A sandbox as a worker tells of it. */
export interface SandboxStatus {
  lambda: string;
  instance: number;
  engine: string;
  state: string;
  memory_bytes: number;
}

/** What `GET /status` with `Accept: application/json` answers; older or other servers may lack anything. */
export interface WorkerStatus {
  state?: string;
  engine?: string;
  python?: string;
  weaker?: string[];
  sandboxes?: SandboxStatus[];
}

export type Ping =
  | { kind: 'answer'; httpStatus: number; httpReason: string; status: WorkerStatus }
  | { kind: 'silent'; reason: string };

/** Never rejects: that a worker is silent is an answer too. */
export function ping(address: Address): Promise<Ping> {
  return new Promise((resolve) => {
    const silent = (reason: string) => resolve({ kind: 'silent', reason });
    const { host, port } = reachable(address);
    const request = get({ host, port, path: '/status', agent: false, headers: { accept: 'application/json' } });
    const timer = setTimeout(() => {
      silent(`no answer within ${PING_WAIT_MS / 1_000} s`);
      request.destroy();
    }, PING_WAIT_MS);
    request.once('error', (error) => {
      clearTimeout(timer);
      silent(errnoOf(error) === 'ECONNREFUSED' ? 'nobody listens there' : error.message);
    });
    request.once('response', (response) => {
      const pieces: Buffer[] = [];
      let bytes = 0;
      response.on('data', (piece: Buffer) => {
        bytes += piece.length;
        if (bytes > PING_BYTES_MAX) request.destroy(new Error('it answers more than a worker would'));
        else pieces.push(piece);
      });
      response.on('error', (error) => silent(error.message));
      response.once('end', () => {
        clearTimeout(timer);
        const httpReason = response.statusMessage ?? '';
        resolve({
          kind: 'answer',
          httpStatus: response.statusCode ?? 0,
          httpReason,
          status: parseStatus(Buffer.concat(pieces).toString('utf8')),
        });
      });
    });
  });
}

/** Whoever answers with something else than our JSON has a word to say all the same. */
function parseStatus(body: string): WorkerStatus {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed as WorkerStatus;
  } catch {
    // Not JSON: text.
  }
  return { state: body.trim().split('\n')[0]?.slice(0, 80) ?? '' };
}
