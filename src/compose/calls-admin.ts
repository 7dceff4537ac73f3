/** What `admin calls` shows: the calls that the workers of a cluster have kept, whether those run or not. */
import { existsSync } from 'node:fs';
import type { KeptCall, Usage } from '../store/calls/kept-call.ts';
import { DAY_MS } from '../store/calls/kept-call.ts';
import { readCalls } from '../store/calls/open.ts';
import { OFFERS } from '../store/calls/prices.ts';
import { findCalls, type ListedCall, type ListWish, listCalls, usageSince, versionsOf } from '../store/calls/views.ts';
import type { Database } from '../store/database.ts';

/** A worker's file. */
export interface CallsFile {
  worker: string;
  path: string;
}

export type Found = KeptCall & { worker: string };

/** The newest first. Throws Failure if a file can not be read. */
export async function listKeptCalls(
  files: readonly CallsFile[],
  wish: ListWish,
): Promise<(ListedCall & { worker: string })[]> {
  const lists = await ofEach(files, (database, worker) =>
    listCalls(database, wish).map((call) => ({ ...call, worker })),
  );
  return lists
    .flat()
    .sort((a, b) => b.startedMs + b.durationMs - (a.startedMs + a.durationMs))
    .slice(0, wish.limit);
}

/** Those whose request id begins so; the newest first. */
export async function findKeptCalls(files: readonly CallsFile[], idPrefix: string): Promise<Found[]> {
  const lists = await ofEach(files, (database, worker) =>
    findCalls(database, idPrefix).map((call) => ({ ...call, worker })),
  );
  return lists.flat().sort((a, b) => b.startedMs - a.startedMs);
}

/** Digests of the code that calls of a lambda ran on and that begin so. */
export async function versionsOfCalls(file: CallsFile, lambda: string, begin: string): Promise<string[]> {
  const [found = []] = await ofEach([file], (database) => versionsOf(database, lambda, begin));
  return found;
}

export interface CostReport {
  /** When the first of its days began: Unix time in milliseconds. */
  sinceMs: number;
  lambdas: (Omit<Usage, 'day'> & { dollars: number[] })[];
  /** Names of the offers, in the order of `dollars`. */
  offers: { name: string; source: string; dollars: number }[];
}

/** What the calls since a day would have cost elsewhere, in US dollars. */
export async function costSince(
  files: readonly CallsFile[],
  { sinceMs, lambda: only }: { sinceMs: number; lambda?: string | undefined },
): Promise<CostReport> {
  const day = Math.floor(sinceMs / DAY_MS);
  const lists = await ofEach(files, (database) => usageSince(database, day));
  const wanted = lists.flat().filter(({ lambda }) => only === undefined || lambda === only);
  const lambdas = summed(wanted).map((usage) => ({ ...usage, dollars: OFFERS.map((offer) => offer.cost(usage)) }));
  const offers = OFFERS.map(({ name, source }, at) => ({
    name,
    source,
    dollars: lambdas.reduce((sum, { dollars }) => sum + (dollars[at] ?? 0), 0),
  }));
  return { sinceMs: day * DAY_MS, lambdas, offers };
}

/** Of several workers, by lambda and memory. */
function summed(all: readonly Omit<Usage, 'day'>[]): Omit<Usage, 'day'>[] {
  const sums = new Map<string, Omit<Usage, 'day'>>();
  for (const usage of all) {
    const key = `${usage.lambda} ${usage.memoryMb}`;
    const sum = sums.get(key);
    if (sum === undefined) sums.set(key, { ...usage });
    else {
      for (const column of ['calls', 'errors', 'cold', 'ms', 'msBy100', 'usedMbMs', 'cpuMs'] as const) {
        sum[column] += usage[column];
      }
    }
  }
  return [...sums.values()].sort((a, b) => a.lambda.localeCompare(b.lambda) || a.memoryMb - b.memoryMb);
}

async function ofEach<T>(files: readonly CallsFile[], look: (database: Database, worker: string) => T): Promise<T[]> {
  const found: T[] = [];
  for (const { worker, path } of files) {
    if (!existsSync(path)) continue;
    const database = await readCalls(path);
    try {
      found.push(look(database, worker));
    } finally {
      database.close();
    }
  }
  return found;
}
