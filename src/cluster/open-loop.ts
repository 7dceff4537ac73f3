/**
 * Calls of a lambda at times that are settled beforehand, whatever has become of the calls before: an open loop. How long
 * a call took is counted from the time at which it was due, so that a worker that stands still is not spared the calls
 * that would have come meanwhile.
 */
import { Agent, type IncomingMessage, request } from 'node:http';
import { errnoOf } from '../lib/errno.ts';
import { type Address, reachable } from './fleet.ts';

export interface LoadOrder {
  address: Address;
  path: string;
  event: Uint8Array;
  perSecond: number;
  forMs: number;
  /** Random gaps, as independent callers have them; else all are the same. */
  gaps: 'random' | 'even';
  /** Calls under way at the same time; one that is due beyond that is not sent. */
  openMax: number;
  /** Longest wait for an answer. */
  waitMs: number;
  /** Ends it early; calls under way are waited for. */
  signal: AbortSignal;
}

/** One call that was answered with 200. Times are in milliseconds. */
export interface Served {
  /** From when it was due to the end of its answer. */
  tookMs: number;
  /** It loaded the code. */
  cold: boolean;
  /** The worker's own times, by name: `queue`, `init`, `run`. */
  parts: Readonly<Record<string, number>>;
}

export interface LoadResult {
  served: readonly Served[];
  /** By what was said: an `errorType`, a status, or what the socket failed of. */
  failed: ReadonlyMap<string, number>;
  /** Due when `openMax` others were under way. */
  unsent: number;
  /** How late calls were sent, each in milliseconds: this program's own fault. */
  lateMs: readonly number[];
  /** From the first call to the last answer. */
  tookMs: number;
}

export async function openLoop(order: LoadOrder): Promise<LoadResult> {
  return new OpenLoop(order).run();
}

class OpenLoop {
  readonly #order: LoadOrder;
  readonly #agent: Agent;
  readonly #served: Served[] = [];
  readonly #failed = new Map<string, number>();
  readonly #lateMs: number[] = [];
  readonly #open = new Set<Promise<void>>();
  #unsent = 0;

  constructor(order: LoadOrder) {
    this.#order = order;
    this.#agent = new Agent({ keepAlive: true, maxSockets: order.openMax });
  }

  async run(): Promise<LoadResult> {
    const beganMs = performance.now();
    await this.#sendAll(beganMs);
    await Promise.all(this.#open);
    this.#agent.destroy();
    const tookMs = performance.now() - beganMs;
    return { served: this.#served, failed: this.#failed, unsent: this.#unsent, lateMs: this.#lateMs, tookMs };
  }

  /** Timers come a millisecond late or more: what has become due by then goes out at once, and counts from when it was due. */
  #sendAll(beganMs: number): Promise<void> {
    const { forMs, signal } = this.#order;
    return new Promise((resolve) => {
      let begun = 0;
      /** Of the next one, from the beginning. */
      let dueMs = 0;
      let timer: NodeJS.Timeout | undefined;
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        resolve();
      };
      const wake = (): void => {
        const nowMs = performance.now() - beganMs;
        while (dueMs <= nowMs && dueMs < forMs) {
          this.#send(beganMs + dueMs);
          begun += 1;
          dueMs = this.#nextMs(begun, dueMs);
        }
        if (dueMs >= forMs) end();
        else timer = setTimeout(wake, Math.max(0, beganMs + dueMs - performance.now()));
      };
      signal.addEventListener('abort', end);
      wake();
    });
  }

  /** Even times are no sums of gaps: what is rounded in each would make one call more now and then. */
  #nextMs(begun: number, lastMs: number): number {
    const { perSecond, gaps } = this.#order;
    if (gaps === 'even') return (begun * 1_000) / perSecond;
    return lastMs - (Math.log(1 - Math.random()) * 1_000) / perSecond;
  }

  #send(dueMs: number): void {
    if (this.#open.size >= this.#order.openMax) {
      this.#unsent += 1;
      return;
    }
    this.#lateMs.push(performance.now() - dueMs);
    const call = this.#call(dueMs).catch((error: Error) => this.#fail(errnoOf(error) ?? error.message));
    this.#open.add(call);
    void call.then(() => this.#open.delete(call));
  }

  async #call(dueMs: number): Promise<void> {
    const { status, headers, body } = await this.#ask();
    if (status !== 200) return this.#fail(errorTypeIn(body) ?? `HTTP status ${status}`);
    const parts = timingsOf(headers['server-timing']);
    this.#served.push({ tookMs: performance.now() - dueMs, cold: parts.init !== undefined, parts });
  }

  #ask(): Promise<{ status: number; headers: IncomingMessage['headers']; body: Buffer }> {
    const { address, path, event, waitMs } = this.#order;
    return new Promise((resolve, reject) => {
      const headers = { 'Content-Length': String(event.length) };
      const asked = request({ ...reachable(address), agent: this.#agent, method: 'POST', path, headers });
      const timer = setTimeout(() => asked.destroy(new Error(`no answer within ${waitMs / 1_000} s`)), waitMs);
      asked.once('close', () => clearTimeout(timer));
      asked.once('error', reject);
      asked.once('response', (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.once('error', reject);
        response.once('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(pieces) }),
        );
      });
      asked.end(event);
    });
  }

  #fail(why: string): void {
    this.#failed.set(why, (this.#failed.get(why) ?? 0) + 1);
  }
}

/** `queue;dur=0, run;dur=1.5` as `{ queue: 0, run: 1.5 }`. */
export function timingsOf(header: string | string[] | undefined): Record<string, number> {
  const parts = String(header ?? '').matchAll(/(\w+);dur=([0-9.]+)/g);
  return Object.fromEntries([...parts].map(([, name, ms]) => [name, Number(ms)]));
}

function errorTypeIn(body: Buffer): string | undefined {
  return /"errorType": ?"([A-Za-z0-9_.]{1,100})"/.exec(body.toString('latin1', 0, 512))?.[1];
}
