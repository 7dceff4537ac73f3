/** A queue in a real SQLite file, driven as its thread does, without the thread. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { runBatch } from '../../../src/store/batches.ts';
import { openQueue, type QueueOps, type QueueOptions } from '../../../src/store/queue/open.ts';
import { scratchDir } from '../scratch-dir.ts';

export const T0 = 1_800_000_000_000;

type OpName = keyof QueueOps;
type ArgsOf<Op extends OpName> = Parameters<QueueOps[Op]['run']>[0];

export function scratch(): string {
  const dir = mkdtempSync(join(scratchDir(), 'isla-queue-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

export class QueueFile {
  readonly #store: Awaited<ReturnType<typeof openQueue>>;
  #jobs = 0;

  static async open(options: Partial<QueueOptions> = {}): Promise<QueueFile> {
    const path = options.path ?? join(scratch(), 'queue.db');
    const store = await openQueue({ jobsMax: 1000, bytesMax: 1_000_000, deadMax: 10, ...options, path });
    onTestFinished(() => void store.database.close());
    return new QueueFile(store);
  }

  constructor(store: Awaited<ReturnType<typeof openQueue>>) {
    this.#store = store;
  }

  get database() {
    return this.#store.database;
  }

  /** Throws what it was refused with. */
  ask<Op extends OpName>(op: Op, args: ArgsOf<Op>): ReturnType<QueueOps[Op]['run']> {
    const [answer] = runBatch(this.#store as never, [{ id: 1, op, args }]);
    if (answer?.kind === 'value') return answer.value as ReturnType<QueueOps[Op]['run']>;
    if (answer?.kind === 'refused') throw Object.assign(new Error(answer.failure.message), answer.failure);
    throw new Error(answer?.message);
  }

  add(lambda = 'a', { event = '{}', key, nowMs = T0 }: { event?: string; key?: string; nowMs?: number } = {}): string {
    this.#jobs += 1;
    const id = `job-${this.#jobs}`;
    const bytes = new TextEncoder().encode(event);
    return this.ask('enqueue', { id, lambda, trigger: 'pubsub', event: bytes, key, context: undefined, nowMs }).id;
  }

  /** A session that has begun. */
  enter(session = 's1', worker = 'w1'): string {
    this.ask('enter', { session, worker, nowMs: T0 });
    return session;
  }

  take(session = 's1', { total = 100, otherRoom = 100, rooms = new Map<string, number>(), nowMs = T0 } = {}) {
    return this.ask('take', { session, total, otherRoom, rooms, nowMs });
  }
}
