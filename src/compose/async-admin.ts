/** A cluster's queue of asynchronous calls, looked at and tidied up beside its workers or without them. */
import { existsSync } from 'node:fs';
import { queueOptions } from '../async/queue.ts';
import type { Settings } from '../config/settings.ts';
import { type Answer, type Ask, type OpenStore, runBatch } from '../store/batches.ts';
import { openQueue, type QueueOps } from '../store/queue/open.ts';
import type { JobView as StoredJob } from '../store/queue/views.ts';
import { storeAnswer } from '../store/store-answer.ts';

export type JobView = StoredJob;

export interface AsyncAdmin {
  ask<Op extends keyof QueueOps>(op: Op, args: Parameters<QueueOps[Op]['run']>[0]): ReturnType<QueueOps[Op]['run']>;
}

/**
 * Runs `use` with the queue; undefined if there has never been one. Throws Failure `machine-unfit` without
 * SQLite, `config-invalid` if the file can not be opened, and whatever `use` throws.
 */
export async function withQueue<T>(settings: Settings, use: (queue: AsyncAdmin) => T): Promise<T | undefined> {
  const options = queueOptions(settings);
  if (!existsSync(options.path)) return undefined;
  const store = await openQueue(options);
  try {
    return use({ ask: (op, args) => storeAnswer(one(store as OpenStore, { id: 0, op, args })) as never });
  } finally {
    store.database.close();
  }
}

function one(store: OpenStore, ask: Ask): Answer {
  return runBatch(store, [ask])[0] as Answer;
}
