/**
 * A database in a thread of its own: what is asked of it at the same time goes into one transaction.
 *
 * While a commit waits for the disk, messages pile up; the next batch is all of them. So a thousand changes
 * at once wait for a few flushes and not for a thousand, and the main thread for none. Nothing is answered
 * before the commit that holds it.
 */
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { Failure, type FailureCode } from '../config/failure.ts';
import { assertNever } from '../lib/assert-never.ts';
import { type Database, isDamage, isDiskFull } from './database.ts';
import { holdPlace } from './place.ts';

/** One thing that can be asked of a store. Both halves are synchronous. */
export interface Op<Args = never, Result = unknown> {
  /** What can be said before the write lock is taken. Throws Failure to refuse. */
  check?(args: Args): void;
  /** Throws Failure to refuse: then only what this one wrote is taken back. */
  run(args: Args): Result;
  /** It writes nothing. */
  reads?: boolean;
}

export interface OpenStore {
  database: Database;
  ops: Readonly<Record<string, Op>>;
}

export interface Ask {
  id: number;
  op: string;
  args: unknown;
}

export type ToThread = { kind: 'asks'; asks: readonly Ask[] } | { kind: 'close' };

/** A failure as it crosses threads. */
export interface FailureFacts {
  code: FailureCode;
  message: string;
  problems: readonly string[];
}

export type Answer =
  | { id: number; kind: 'value'; value: unknown }
  | { id: number; kind: 'refused'; failure: FailureFacts }
  /** A fault of the program. */
  | { id: number; kind: 'broken'; message: string };

export type FromThread =
  | { kind: 'answers'; answers: readonly Answer[] }
  /** The thread ends without having opened its database, or because that is another now. */
  | { kind: 'unopened'; failure: FailureFacts };

/** Serves until it is told to close, its owner has gone, or the file at `path` is another: then a new thread is to open that. */
export function serveStore(port: MessagePort, { database, ops }: OpenStore, path: string): void {
  const isInPlace = holdPlace(path);
  const tell = (message: FromThread): void => port.postMessage(message);
  const listen = (first: ToThread): void => {
    const asks: Ask[] = [];
    let closing = false;
    for (let message: ToThread | undefined = first; message !== undefined; message = nextOf(port)) {
      if (message.kind === 'asks') asks.push(...message.asks);
      else closing = true;
    }
    const lost = asks.length > 0 && !isInPlace();
    if (lost) tell({ kind: 'unopened', failure: factsOf(replacedFailure(path)) });
    else if (asks.length > 0) tell({ kind: 'answers', answers: runBatch({ database, ops }, asks) });
    if (!closing && !lost) return;
    database.close();
    port.close();
  };
  port.on('message', listen);
}

function nextOf(port: MessagePort): ToThread | undefined {
  return receiveMessageOnPort(port)?.message;
}

/** Answers in the order of the asks; whatever is answered with a value is on the disk. */
export function runBatch(store: OpenStore, asks: readonly Ask[]): Answer[] {
  const answers = new Map<Ask, Answer>();
  const ready: Ask[] = [];
  for (const ask of asks) {
    const refusal = checked(store, ask);
    if (refusal === undefined) ready.push(ask);
    else answers.set(ask, refusal);
  }
  for (const [ask, answer] of commit(store, ready)) answers.set(ask, answer);
  return asks.map((ask) => answers.get(ask) as Answer);
}

function checked({ ops }: OpenStore, ask: Ask): Answer | undefined {
  const op = ops[ask.op];
  if (op === undefined) return { id: ask.id, kind: 'broken', message: `a store has no ${ask.op}` };
  try {
    op.check?.(ask.args as never);
    return undefined;
  } catch (error) {
    return notDone(ask, error);
  }
}

function commit(store: OpenStore, asks: readonly Ask[]): Map<Ask, Answer> {
  if (asks.length === 0) return new Map();
  const { database, ops } = store;
  const all = () => new Map(asks.map((ask) => [ask, runOne(store, ask)]));
  try {
    return asks.every(({ op }) => ops[op]?.reads) ? all() : database.transaction(all).immediate();
  } catch (error) {
    // What makes room may fit where the rest does not.
    if (isDiskFull(error) && asks.length > 1) return new Map(asks.flatMap((ask) => [...commit(store, [ask])]));
    return new Map(asks.map((ask) => [ask, notDone(ask, error)]));
  }
}

/** Throws what concerns the whole transaction. */
function runOne({ database, ops }: OpenStore, ask: Ask): Answer {
  const op = ops[ask.op] as Op;
  const run = () => op.run(ask.args as never);
  try {
    return { id: ask.id, kind: 'value', value: op.reads ? run() : database.transaction(run)() };
  } catch (error) {
    if (faultOf(error) === 'database') throw error;
    return notDone(ask, error);
  }
}

function notDone({ id, op }: Ask, error: unknown): Answer {
  const fault = faultOf(error);
  switch (fault) {
    case 'refusal':
      return { id, kind: 'refused', failure: factsOf(error as Failure) };
    case 'database':
      return { id, kind: 'refused', failure: factsOf(databaseFailure(error as Error)) };
    case 'program':
      return { id, kind: 'broken', message: `${op}: ${error instanceof Error ? error.stack : String(error)}` };
    default:
      return assertNever(fault);
  }
}

/** A broken constraint is a fault of whoever wrote the statement; all else that SQLite reports is the file's or the disk's. */
function faultOf(error: unknown): 'refusal' | 'database' | 'program' {
  if (error instanceof Failure) return 'refusal';
  const { name, code } = error as { name?: string; code?: string };
  return name === 'SqliteError' && !code?.startsWith('SQLITE_CONSTRAINT') && code !== 'SQLITE_ERROR'
    ? 'database'
    : 'program';
}

function databaseFailure(error: Error): Failure {
  if (isDiskFull(error)) return new Failure('store-full', 'The disk is full; nothing was written.', { cause: error });
  const hint = isDamage(error) ? ' It is damaged: move it away, and a new one is made.' : '';
  const message = `The database can not be used now: ${error.message}.${hint}`;
  return new Failure('store-unavailable', message, { cause: error });
}

function replacedFailure(path: string): Failure {
  const message = `${path} was removed or replaced while it was in use; the next try opens what is there.`;
  return new Failure('store-unavailable', message);
}

export function factsOf({ code, message, problems }: Failure): FailureFacts {
  return { code, message, problems };
}
