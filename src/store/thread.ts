/** Runs in a thread: one of the stores that there are. */
import { parentPort, workerData } from 'node:worker_threads';
import { Failure } from '../config/failure.ts';
import { type FromThread, factsOf, type OpenStore, serveStore } from './batches.ts';
import { openCalls } from './calls/open.ts';
import { openKeyValue } from './key-value/open.ts';
import { openQueue } from './queue/open.ts';

/** By name, each with the options that its `open` takes. */
const STORES = { queue: openQueue, calls: openCalls, keyValue: openKeyValue };

export type StoreName = keyof typeof STORES;
export type StoreOptions<Name extends StoreName> = Parameters<(typeof STORES)[Name]>[0];
export type StoreOps<Name extends StoreName> = Awaited<ReturnType<(typeof STORES)[Name]>>['ops'];

export interface ThreadOrder<Name extends StoreName = StoreName> {
  store: Name;
  options: StoreOptions<Name>;
}

async function main(): Promise<void> {
  if (parentPort === null) throw new Error('store/thread.ts runs in a thread');
  const { store, options } = workerData as ThreadOrder;
  try {
    const open = STORES[store] as (options: unknown) => Promise<OpenStore>;
    serveStore(parentPort, await open(options), options.path);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    parentPort.postMessage({ kind: 'unopened', failure: factsOf(error) } satisfies FromThread);
    parentPort.close();
  }
}

await main();
