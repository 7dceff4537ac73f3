/** Calls and what they printed, from the worker to its log files. */
import { formatEntry, lambdaLogFiles, type OutputEntry } from '../cluster/lambda-log.ts';
import { LOG_TEXT_BYTES, LOG_WAITING_BYTES_MAX } from '../config/limits.ts';
import { IsoTimes } from '../lib/iso-times.ts';
import type { Log } from '../lib/log.ts';
import { RotatingLines } from '../lib/rotating-lines.ts';
import type { CallRecord, CallSink, CallStart, InstanceOutput } from '../worker/call-record.ts';

export interface CallLogOptions {
  logsDir: string;
  /** The worker's name. */
  worker: string;
  fileBytesMax: number;
  filesMax: number;
  log: Log;
}

/** About what the entries of a call have, of its begin and of its end. */
const START_BYTES = 200;
const CALL_BYTES = 400;
/** About what an entry has besides its line. */
const OUTPUT_BYTES = 200;
const EOL = 0x0a;

export class CallLog implements CallSink {
  readonly #lines: RotatingLines;
  readonly #times = new IsoTimes();
  /**
   * Calls whose begin has not been written, by lambda and instance. One that has ended stays until it would have been,
   * or the next takes its place: a Map that grows and shrinks with each call costs as much as its entry.
   */
  readonly #begun = new Map<string, Map<number, Begun>>();

  constructor({ logsDir, worker, fileBytesMax, filesMax, log }: CallLogOptions) {
    this.#lines = new RotatingLines({
      files: lambdaLogFiles(logsDir, worker),
      fileBytesMax,
      filesMax,
      waitingBytesMax: LOG_WAITING_BYTES_MAX,
      onTrouble: (trouble) => {
        if ('error' in trouble)
          log('error', 'what handlers print is lost: it can not be written', { err: trouble.error });
        else log('info', 'what handlers print is written again', { lostEntries: trouble.lost });
      },
    });
  }

  onStart(start: CallStart): void {
    const { lambda, instance } = start;
    const ofLambda = this.#begun.get(lambda) ?? new Map<number, Begun>();
    if (ofLambda.size === 0) this.#begun.set(lambda, ofLambda);
    const before = ofLambda.get(instance);
    const begun: Begun = { startedMs: Date.now(), isTold: false, hasEnded: false, before: undefined };
    if (before?.hasEnded === false) begun.before = before;
    ofLambda.set(instance, begun);
    this.#lines.append(START_BYTES, (lines) => {
      if (ofLambda.get(instance) === begun) ofLambda.delete(instance);
      if (!begun.hasEnded) begun.isTold = true;
      if (begun.isTold) lines.push(startLine(start, this.#times.of(begun.startedMs)));
    });
  }

  onCall(record: CallRecord): void {
    // Names that callers made up are no lambdas, and would push out the entries of those that are.
    if (record.errorType === 'Lambda.NotFound') return;
    const endedMs = Date.now();
    const brief = this.#endsBrief(record);
    this.#lines.append(CALL_BYTES, (lines) => lines.push(callLine(record, endedMs, brief, this.#times)));
  }

  onOutput(output: InstanceOutput): void {
    const toldMs = Date.now();
    const begun = output.requestId === undefined ? undefined : this.#begun.get(output.lambda)?.get(output.instance);
    if (begun?.hasEnded === false) begun.isTold = true;
    this.#lines.append(OUTPUT_BYTES + output.bytes.length, (lines) => {
      for (const entry of outputEntries(output, toldMs)) lines.push(formatEntry(entry));
    });
  }

  /** Whether the call has ended before its begin was written, and has printed nothing: then that never is. */
  #endsBrief({ lambda, run }: CallRecord): boolean {
    if (run === undefined) return false;
    const newest = this.#begun.get(lambda)?.get(run.instance);
    const begun = newest?.before ?? newest;
    if (newest === undefined || begun === undefined || begun.hasEnded) return false;
    begun.hasEnded = true;
    newest.before = undefined;
    return !begun.isTold;
  }

  /** Resolves when everything is written. */
  close(): Promise<void> {
    return this.#lines.close();
  }
}

interface Begun {
  startedMs: number;
  /** Whether its begin is an entry of its own. */
  isTold: boolean;
  hasEnded: boolean;
  /** The one before, if the instance got this call before that one's end was told. */
  before: Begun | undefined;
}

/**
 * A `StartEntry` and a `CallEntry` as `formatEntry` has them. Written out, for there is one of each for every call:
 * nothing in them can be unsafe to show, as names, ids and the types of errors have all been checked.
 */
function startLine({ lambda, version, instance, requestId }: CallStart, time: string): string {
  return (
    `{"time":"${time}","type":"start","lambda":"${lambda}","requestId":"${requestId}",` +
    `"version":"${version}","instance":${instance}}\n`
  );
}

function callLine(record: CallRecord, endedMs: number, brief: boolean, times: IsoTimes): string {
  const { lambda, requestId, startedMs, durationMs, outcome, errorType, run } = record;
  const error = errorType === undefined ? '' : `,"errorType":"${errorType}"`;
  return (
    `{"time":"${times.of(endedMs)}","type":"call","lambda":"${lambda}","requestId":"${requestId}",` +
    `"outcome":"${outcome}"${error},"startTime":"${times.of(startedMs)}",` +
    `"durationMs":${toMicroseconds(durationMs)}${run === undefined ? '' : runPart(run)}${brief ? ',"brief":true' : ''}}\n`
  );
}

function runPart(run: NonNullable<CallRecord['run']>): string {
  const { version, instance, cold, queueMs, initMs, runMs, memoryBytes, cpuMs } = run;
  const memory = memoryBytes === undefined ? '' : `,"memoryBytes":${memoryBytes}`;
  const cpu = cpuMs === undefined ? '' : `,"cpuMs":${toMicroseconds(cpuMs)}`;
  const init = initMs === undefined ? '' : `"initMs":${toMicroseconds(initMs)},`;
  return (
    `,"version":"${version}","instance":${instance},"cold":${cold},"queueMs":${toMicroseconds(queueMs)},` +
    `${init}"runMs":${toMicroseconds(runMs)}${cpu}${memory}`
  );
}

function toMicroseconds(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

function outputEntries(output: InstanceOutput, toldMs: number): OutputEntry[] {
  const { lambda, version, instance, requestId, stream, bytes, cut } = output;
  const time = new Date(toldMs).toISOString();
  const call = requestId === undefined ? {} : { requestId };
  const entries = pieces(bytes).map(
    (text): OutputEntry => ({ time, type: 'output', lambda, ...call, version, instance, stream, text }),
  );
  const last = entries.at(-1);
  if (cut && last !== undefined) last.cut = true;
  return entries;
}

/** Text in pieces of a bearable length, whole lines where that can be. */
function pieces(bytes: Buffer): string[] {
  const texts: string[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end =
      bytes.length - start <= LOG_TEXT_BYTES ? bytes.length : placeToCut(bytes, start, start + LOG_TEXT_BYTES);
    texts.push(bytes.toString('utf8', start, end));
    start = end;
  }
  return texts;
}

function placeToCut(bytes: Buffer, start: number, end: number): number {
  const eol = bytes.lastIndexOf(EOL, end - 1);
  if (eol >= start) return eol + 1;
  for (let at = end; at > end - 4; at -= 1) {
    // Before the first byte of a character, if this is UTF-8 at all.
    if (((bytes[at] as number) & 0xc0) !== 0x80) return at;
  }
  return end;
}
