/**
 * What handlers print and what became of calls, as JSON lines below `logs`, one series of files for each worker:
 * what an entry is, and where entries lie. Whatever a handler prints, it is text in an entry of its own lambda.
 */
import { isPlain } from '../config/parse.ts';
import { NumberedFiles } from '../lib/numbered-files.ts';
import { plainJson } from '../lib/plain-text.ts';

/** Part of each entry. */
interface Stamp {
  /** ISO 8601, UTC, milliseconds. */
  time: string;
  lambda: string;
}

/** An event was given to an instance: the call's first entry. Not written of a call that is `brief`. */
export interface StartEntry extends Stamp {
  type: 'start';
  requestId: string;
  /** Digest of the code. */
  version: string;
  instance: number;
}

/** What a handler printed on one stream; cut into pieces if it is long. */
export interface OutputEntry extends Stamp {
  type: 'output';
  /** Of whose call it was; absent for what threads and children printed between two calls. */
  requestId?: string;
  /** Digest of the code. */
  version: string;
  instance: number;
  stream: 'stdout' | 'stderr';
  /** As it was printed, except that bytes that are no UTF-8 are U+FFFD. */
  text: string;
  /** After this, `output_kb` was used up, and the rest is lost. */
  cut?: true;
}

/** A call that has ended. Times are in milliseconds; those of the run are absent if no instance had it. */
export interface CallEntry extends Stamp {
  type: 'call';
  requestId: string;
  outcome: string;
  errorType?: string;
  /** When the whole event was there, as `time` is when the call ended. */
  startTime: string;
  durationMs: number;
  version?: string;
  instance?: number;
  cold?: boolean;
  queueMs?: number;
  initMs?: number;
  runMs?: number;
  /** CPU time. */
  cpuMs?: number;
  /** The most that its instance had taken by then. */
  memoryBytes?: number;
  /** It had ended before its begin was written, and printed nothing. */
  brief?: true;
}

export type LogEntry = StartEntry | OutputEntry | CallEntry;

/** The entry with all that it says: of a brief call that it began, too. */
export function unfolded(entry: LogEntry): LogEntry[] {
  if (entry.type !== 'call' || !entry.brief) return [entry];
  const { brief: _brief, ...call } = entry;
  const { lambda, requestId, version = '', instance = 0, startTime, queueMs = 0 } = call;
  const time = new Date(Date.parse(startTime) + queueMs).toISOString();
  return [{ time, type: 'start', lambda, requestId, version, instance }, call];
}

const SUFFIX = '.jsonl';

/** The files of one worker, by its name. */
export function lambdaLogFiles(logsDir: string, worker: string): NumberedFiles {
  return new NumberedFiles(logsDir, worker, SUFFIX);
}

/** Which worker's a file is; undefined if it is no file of this kind. */
export function workerOfLogFile(name: string): string | undefined {
  return /^(.+)\.[1-9][0-9]{0,14}\.jsonl$/.exec(name)?.[1];
}

/** One line, with its end, that is safe to show on a terminal. */
export function formatEntry(entry: LogEntry): string {
  return `${plainJson(entry)}\n`;
}

/** Undefined for what is no entry: half a line of a worker that was killed, or somebody else's. */
export function parseEntry(line: string): LogEntry | undefined {
  let entry: unknown;
  try {
    entry = JSON.parse(line);
  } catch {
    return undefined;
  }
  return isEntry(entry) ? entry : undefined;
}

function isEntry(entry: unknown): entry is LogEntry {
  if (!isPlain(entry) || typeof entry.time !== 'string' || typeof entry.lambda !== 'string') return false;
  if (entry.type === 'output') return typeof entry.text === 'string' && typeof entry.stream === 'string';
  if (typeof entry.requestId !== 'string') return false;
  return entry.type === 'start' || (entry.type === 'call' && typeof entry.outcome === 'string');
}
