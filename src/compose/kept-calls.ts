/**
 * Every call, kept in the worker's file of calls: the last ones of each lambda with event, result and output, and all of
 * them in sums by the day.
 *
 * On the path of an answer a call is only noted. What was noted is written once a second; of a lambda that has more
 * calls meanwhile than are kept, only those that would be left are.
 */
import { basename, join } from 'node:path';
import type { WorkerSettings } from '../config/settings.ts';
import type { CallHistory } from '../console/routes.ts';
import type { Log } from '../lib/log.ts';
import { addUsage, bytesOf, type KeptCall, type Usage, usageOf } from '../store/calls/kept-call.ts';
import { StoreThread } from '../store/store-thread.ts';
import type { CallRecord, CallSink, CallStart, InstanceOutput } from '../worker/call-record.ts';
import { programDir } from './program-dir.ts';

/** Undefined if none are to be kept. */
export function openKeptCalls(settings: WorkerSettings, log: Log): KeptCalls | undefined {
  const { calls_kept: keptMax, calls_mb, logs_dir, worker_dir } = settings;
  if (keptMax === 0) return undefined;
  const options = { path: join(logs_dir, `${basename(worker_dir)}.calls`), keptMax, bytesMax: calls_mb * 1_048_576 };
  const program = join(programDir(), 'store', 'thread.js');
  return new KeptCalls({ store: new StoreThread({ program, order: { store: 'calls', options }, log }), keptMax, log });
}

export interface KeptCallsOptions {
  store: Pick<StoreThread<'calls'>, 'ask' | 'close'>;
  /** Calls of each lambda that are kept. */
  keptMax: number;
  log: Log;
}

const WRITE_EVERY_MS = 1_000;

/** Longer events, results and outputs are not kept: those would push out all others. */
export const BODY_BYTES_MAX = 64 * 1024;

/** What may be noted and not yet written. Of a lambda whose calls fill it sooner, the oldest are not kept. */
const NOTED_BYTES_MAX = 16 * 1024 * 1024;

interface Noted {
  order: number;
  call: KeptCall;
}

export class KeptCalls implements CallSink, CallHistory {
  readonly #options: KeptCallsOptions;
  /** By lambda, in the order of their ends. */
  readonly #noted = new Map<string, Noted[]>();
  readonly #usage = new Map<string, Usage>();
  /** What calls in flight have printed, by instance: callers choose request ids, and two may choose the same. */
  readonly #running = new Map<string, Printed>();
  #order = 0;
  #notedBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #inTrouble = false;

  constructor(options: KeptCallsOptions) {
    this.#options = options;
  }

  onStart(start: CallStart): void {
    this.#running.set(keyOf(start), { requestId: start.requestId, pieces: [], length: 0, cut: false });
  }

  onOutput(output: InstanceOutput): void {
    const printed = this.#running.get(keyOf(output));
    // What comes after the call's end, or between calls, is in the log only.
    if (printed === undefined || printed.requestId !== output.requestId) return;
    const { bytes, cut } = output;
    const room = BODY_BYTES_MAX - printed.length;
    printed.cut ||= cut || bytes.length > room;
    if (room === 0) return;
    const piece = Buffer.from(bytes.subarray(0, room));
    printed.pieces.push(piece);
    printed.length += piece.length;
  }

  onCall(record: CallRecord): void {
    const printed = this.#takePrinted(record);
    // Nobody's, or of a lambda that does not want it.
    if (record.config === undefined || !record.config.keepCalls) return;
    const call = keptOf(record, printed);
    if (record.run !== undefined) this.#sumUp(call, record.run.memoryMb);
    this.#note(call);
    this.#timer ??= setTimeout(() => void this.#write(), WRITE_EVERY_MS);
  }

  /** What was noted is among them. */
  async list(wish: { lambda: string | undefined; failedOnly: boolean; limit: number }) {
    await this.#write();
    return this.#options.store.ask('list', wish);
  }

  async find(requestId: string) {
    const found = await this.#options.store.ask('find', { idPrefix: requestId });
    return found.map(({ event, result, output, ...facts }) => ({
      ...facts,
      event: textOf(event),
      result: textOf(result),
      output: textOf(output),
    }));
  }

  /** Resolves when all that was noted is written. */
  async close(): Promise<void> {
    await this.#write();
    await this.#options.store.close();
  }

  #takePrinted({ lambda, run }: CallRecord): Printed | undefined {
    if (run === undefined) return undefined;
    const key = keyOf({ lambda, instance: run.instance });
    const printed = this.#running.get(key);
    this.#running.delete(key);
    return printed;
  }

  #note(call: KeptCall): void {
    let calls = this.#noted.get(call.lambda);
    if (calls === undefined) {
      calls = [];
      this.#noted.set(call.lambda, calls);
    }
    this.#order += 1;
    calls.push({ order: this.#order, call });
    this.#notedBytes += bytesOf(call);
    // Twice as many, so that they are not moved with every call.
    if (calls.length > 2 * this.#options.keptMax) this.#forgetSurplus(calls);
    while (this.#notedBytes > NOTED_BYTES_MAX && calls.length > 0) this.#forgetOldest(calls, 1);
  }

  #forgetSurplus(calls: Noted[]): void {
    this.#forgetOldest(calls, Math.max(0, calls.length - this.#options.keptMax));
  }

  #forgetOldest(calls: Noted[], count: number): void {
    for (const { call } of calls.splice(0, count)) this.#notedBytes -= bytesOf(call);
  }

  #sumUp(call: KeptCall, memoryMb: number): void {
    const usage = usageOf(call, memoryMb);
    if (usage === undefined) return;
    const key = `${usage.day} ${memoryMb} ${usage.lambda}`;
    const sum = this.#usage.get(key);
    if (sum === undefined) this.#usage.set(key, usage);
    else addUsage(sum, usage);
  }

  #write(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    // One after the other, so that `close` has waited for all.
    this.#writing = this.#writing.then(() => this.#writeNoted());
    return this.#writing;
  }

  async #writeNoted(): Promise<void> {
    const { store, log } = this.#options;
    for (const calls of this.#noted.values()) this.#forgetSurplus(calls);
    const calls = [...this.#noted.values()].flat().sort((a, b) => a.order - b.order);
    const usage = [...this.#usage.values()];
    if (usage.length === 0 && calls.length === 0) return;
    this.#noted.clear();
    this.#usage.clear();
    this.#notedBytes = 0;
    try {
      await store.ask('keep', { calls: calls.map(({ call }) => call), usage });
      if (this.#inTrouble) log('info', 'calls are kept again');
      this.#inTrouble = false;
    } catch (error) {
      if (!this.#inTrouble) log('error', 'calls are not kept: they can not be written', { err: error });
      this.#inTrouble = true;
    }
  }
}

interface Printed {
  requestId: string;
  pieces: Buffer[];
  length: number;
  cut: boolean;
}

function keyOf({ lambda, instance }: { lambda: string; instance: number }): string {
  return `${lambda}/${instance}`;
}

function keptOf(record: CallRecord, printed: Printed | undefined): KeptCall {
  const { requestId, lambda, outcome, errorType, startedMs, durationMs, run, event, body } = record;
  return {
    requestId,
    lambda,
    version: run?.version ?? null,
    instance: run?.instance ?? null,
    cold: run?.cold ?? null,
    outcome,
    errorType: errorType ?? null,
    startedMs,
    durationMs,
    queueMs: run?.queueMs ?? null,
    initMs: run?.initMs ?? null,
    runMs: run?.runMs ?? null,
    cpuMs: run?.cpuMs ?? null,
    memoryBytes: run?.memoryBytes ?? null,
    event: copyOf(event),
    eventBytes: event.length,
    result: body === undefined ? null : copyOf(body),
    resultBytes: body?.length ?? 0,
    output: printed === undefined || printed.length === 0 ? null : Buffer.concat(printed.pieces, printed.length),
    outputCut: printed?.cut ?? false,
  };
}

function textOf(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString('utf8');
}

/** The memory is a reader's, who goes on with it. */
function copyOf(bytes: Uint8Array): Uint8Array | null {
  return bytes.length > BODY_BYTES_MAX ? null : Uint8Array.prototype.slice.call(bytes);
}
