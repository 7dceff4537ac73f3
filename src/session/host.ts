/**
 * What runs sessions, for those who use it: a session is a sandbox that keeps its channel and its interpreter's state.
 * The sessions of one machine are local-host.ts; those of another are offered by its agent as the same interface.
 *
 * Failures that every method may reject with, besides those it names: `session-missing` (there is none of that id, or
 * it has ended: the message says why if that is known), `unreachable` (the machine does not answer at the moment).
 */
import type { NetworkSpec } from '../config/network.ts';
import type { Limits } from '../config/settings.ts';
import type { Bundle, Completions, ConsoleItem, FileFact, Pty, PtySize, RaisedError } from './kernel.ts';

/** What a session is made for. */
export interface SessionSpec {
  /** A UUID of version 7 that the gateway made. */
  id: string;
  /** Name of a language, or one of its aliases. */
  language: string;
  /** As in a requirements.txt; Python only. */
  requirements?: string | undefined;
  env: Readonly<Record<string, string>>;
  /** What differs from the `limits` that lambdas have there; refused beyond `limits_max`. `timeout_ms` and `concurrency` mean nothing. */
  limits?: Partial<Limits> | undefined;
  /** Refused if the machine does not allow it; none if it is not given. */
  network?: NetworkSpec | undefined;
  /** How long it may be unused, in milliseconds; 0 for ever. */
  idleTimeoutMs: number;
  /** How long it may live, in milliseconds; 0 for ever. */
  lifetimeMs: number;
  /** How long one execution may run, waits for input aside, in milliseconds; 0 for ever. The session ends with it. */
  runTimeoutMs?: number | undefined;
  /** State before each execution is kept for `rewind`; each then costs a fork more. */
  rewindable?: boolean | undefined;
  /** A shell command that is run at once; the session ends when it has ended. */
  startupCommand?: string | undefined;
}

export type SessionState = 'creating' | 'running' | 'restarting' | 'ending' | 'ended';

/** Why a session is no more, for programs. */
export type EndReason =
  | 'user-requested'
  | 'force-terminated'
  | 'idle-timeout'
  | 'lifetime' // it has lived as long as it might
  | 'exec-timeout' // one of its executions took too long
  | 'task-finished' // its start-up command has ended
  | 'out-of-memory'
  | 'kernel-crashed' // its processes were ended by a signal, or by themselves
  | 'sandbox-lost' // what made its sandbox has died
  | 'failed-to-start'
  | 'agent-lost' // its machine has not answered for too long
  | 'agent-termination'; // its machine was told to stop

export interface SessionEnding {
  reason: EndReason;
  /** A sentence for people. */
  detail: string;
  /** Of the start-up command. */
  exitCode: number | null;
  /** Unix time in milliseconds. */
  endedMs: number;
}

/** Times ending in `Ms` with `At` before it are Unix times; all numbers are as of the answer. */
export interface SessionFacts {
  id: string;
  language: string;
  state: SessionState;
  createdAtMs: number;
  /** Executions begun so far. */
  executions: number;
  /** Id of the execution that has its turn. */
  runId: string | null;
  /** Executions that wait for theirs. */
  queued: number;
  /** Since when nobody has used it; null while something runs. */
  idleSinceMs: number | null;
  idleTimeoutMs: number;
  /** Until it ends for want of use; null if it never will, or something runs. */
  idleLeftMs: number | null;
  lifetimeMs: number;
  /** Until it ends in any case; null if there is no such time. */
  lifetimeLeftMs: number | null;
  /** Null as long as it is not known. */
  memoryBytes: number | null;
  /** The most so far. */
  memoryPeakBytes: number | null;
  /** Whether a process of it was killed for memory. */
  oomKilled: boolean | null;
  cpuMs: number | null;
  limits: Readonly<Limits>;
  network: NetworkSpec['mode'];
  /** Id of the session that it is a fork of. */
  forkOf: string | null;
  ending: SessionEnding | null;
}

export type ExecuteMode = 'query' | 'batch' | 'input' | 'continue' | 'complete';

export interface ExecuteRequest {
  mode: ExecuteMode;
  /** Source, the line that was typed, or nothing. */
  code: string;
  /** At most 64 characters; one is made if there is none. `input` and `continue` need it. */
  runId?: string | undefined;
  options?: ExecuteOptions | undefined;
}

export interface ExecuteOptions {
  /** Of a batch: shell commands; '' or null to skip, '*' for what the language does by itself. */
  clean?: string | null | undefined;
  build?: string | null | undefined;
  exec?: string | null | undefined;
  /** Of an input: instead of a line, there are no more. */
  end?: boolean | undefined;
  /** Of a completion: where the cursor is, from 0; at the end of the code if it is not said. */
  row?: number | undefined;
  col?: number | undefined;
  /** `next` of the last result that the client has. Without it, goes on behind what was last handed out. */
  after?: number | undefined;
}

export type ResultStatus =
  | 'continued'
  | 'waiting-input'
  | 'clean-finished'
  | 'build-finished'
  | 'finished'
  | 'exec-timeout';

/** The `result` of the version 4 API, and what goes beyond it behind `next`. */
export interface ExecuteResult {
  status: ResultStatus;
  runId: string;
  exitCode: number | null;
  options: { is_password: boolean } | null;
  files: readonly never[];
  /** Streams that follow each other are one item; none of them has more than 524,288 characters in all. */
  console: readonly ConsoleItem[];
  /** Where the next result begins: see ExecuteOptions.after. */
  next: number;
  /** What the code raised. Its traceback is in `console` as well. */
  error?: RaisedError;
  /** Whole bundles of MIME types that were displayed; `console` has one form of each as well. */
  displays?: readonly Display[];
  /** Of mode `complete` alone. */
  completions?: readonly string[];
  /** Which characters of the code they replace. */
  completed?: { start: number; end: number };
}

export interface Display {
  bundle: Bundle;
  /** It is the value of the last expression. */
  execution: boolean;
}

/** An execution that somebody watches. */
export interface RunStream {
  readonly runId: string;
  /** The line that the program waits for. */
  input(line: string): void;
  interrupt(): void;
  /** After `hear` has returned false. */
  goOn(): void;
  /** Stops watching; the execution goes on, and can be watched again by its id. Idempotent. */
  leave(): void;
  /** Resolves when the last frame was told, or nobody watches. Rejects if the session is lost. */
  readonly done: Promise<void>;
}

export interface StreamRequest extends ExecuteRequest {
  mode: 'query' | 'batch' | 'continue';
}

export type HostEvent =
  | { kind: 'created'; session: string }
  | { kind: 'started'; session: string }
  | { kind: 'restarted'; session: string }
  /** `facts` are the last of it; its console text can be asked for a while longer. */
  | { kind: 'ended'; session: string; facts: SessionFacts & { ending: SessionEnding } };

export interface LanguageFacts {
  id: string;
  /** As the interpreter or compiler says it, such as `3.11.2`. */
  version: string;
  aliases: readonly string[];
}

export interface SessionHost {
  /**
   * Resolves when it runs. Rejects with `conflict` (there is one of that id), `sessions-full`, `language-missing`,
   * `session-invalid` (what the spec asks for is not allowed here), `packages-failed`, `sandbox-failed`.
   */
  create(spec: SessionSpec): Promise<SessionFacts>;
  /** Resolves to its last facts when nothing is left of it. */
  destroy(id: string, reason: EndReason): Promise<SessionFacts>;
  /** A fresh interpreter with the same files. What runs or waits finishes with exit code 130. */
  restart(id: string): Promise<void>;
  /** As ctrl-C; nothing if nothing runs. */
  interrupt(id: string): Promise<void>;
  /** Of one that has ended, too, for a while. Asking is no use of it. */
  info(id: string): Promise<SessionFacts>;
  /** Those that have not ended; memory and CPU time are those that `info` was last told. */
  list(): Promise<readonly SessionFacts[]>;
  /**
   * Resolves after `flushMs`, or sooner when there is more to say than output. Rejects with `run-missing`,
   * `run-conflict`, `session-invalid`. Whoever goes away aborts the signal: then nothing counts as handed out.
   */
  execute(id: string, request: ExecuteRequest, flushMs: number, signal?: AbortSignal): Promise<ExecuteResult>;
  /** `hear` is told a frame at least every 0.2 s in which there is something to say; false for no more until `goOn`. */
  stream(id: string, request: StreamRequest, hear: (frame: ExecuteResult) => boolean): Promise<RunStream>;
  complete(id: string, request: { code: string; cursor: number }): Promise<Completions>;
  /** Paths are relative to /home/work; `path-invalid` if they lead out of it, `file-missing`. */
  upload(id: string, path: string, bytes: Uint8Array): Promise<void>;
  /** A tar archive of the file or directory. */
  download(id: string, path: string): Promise<Uint8Array>;
  files(id: string, path: string): Promise<readonly FileFact[]>;
  removeFile(id: string, path: string): Promise<void>;
  /** All text of its console, the last megabyte of it; of one that has ended, too, for a while. */
  logs(id: string): Promise<string>;
  /** A second session with the same state: `spec` is that of the new one, whose language, packages and limits are the first's. */
  fork(id: string, spec: ForkSpec): Promise<SessionFacts>;
  /** Back to before the last execution. Rejects with `cannot-fork` if that is not to be had. */
  rewind(id: string): Promise<void>;
  pty(id: string, size: PtySize): Promise<Pty>;
  /** What can be run here. */
  languages(): Promise<readonly LanguageFacts[]>;
  /** Tells what happens from now on; returns how to stop that. */
  onEvent(hear: (event: HostEvent) => void): () => void;
}

export type ForkSpec = Pick<SessionSpec, 'id' | 'idleTimeoutMs' | 'lifetimeMs'>;
