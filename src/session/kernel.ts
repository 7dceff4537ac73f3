/**
 * A kernel, for those who run sessions: the interpreter of one language with its state, in a sandbox that lives as long
 * as its last kernel does. sandbox-kernel.ts makes them out of an engine's sandboxes.
 *
 * Methods that return a promise reject with Failure `session-missing` once the kernel has ended.
 */
import type { NetworkSpec } from '../config/network.ts';
import type { Limits } from '../config/settings.ts';
import type { PackageSet } from '../sandbox/sandbox.ts';

export interface KernelSpec {
  /** Letters, digits and `._-`, 64 at most, unlike any lambda's name: its scratch is found as `handlers/<session>/1`. */
  session: string;
  /** An id of languages.ts, such as `python`. */
  language: string;
  /** On top of what every session sees. */
  env: Readonly<Record<string, string>>;
  packages: PackageSet | undefined;
  /**
   * `output_kb` holds for the text of one run, `response_kb` for each thing displayed and, eight times that, for all that
   * one run displays. `timeout_ms` and `concurrency` are the caller's affair.
   */
  limits: Readonly<Limits>;
  network: NetworkSpec;
  /** State before each cell is kept for `rewind`, as a process of its own; each cell then costs a fork more. */
  rewindable?: boolean;
}

/**
 * What a console shows, as version 4 of the API has it. `media` of a text type, svg among them, is the text itself;
 * other data are a `data:` URI.
 */
export type ConsoleItem =
  | readonly ['stdout' | 'stderr' | 'html' | 'log', string]
  | readonly ['media', readonly [mime: string, data: string]];

/** MIME types and their data; base64 where those are no text. */
export type Bundle = Readonly<Record<string, string>>;

export interface RaisedError {
  /** Of the exception's class. */
  name: string;
  message: string;
  /** As it was printed, line by line. */
  traceback: readonly string[];
}

export type KernelEvent =
  /** In the order in which it came; `cut` says that there was more than the limit, once, with the last of it. */
  | { kind: 'output'; items: readonly ConsoleItem[]; cut: boolean }
  /** Something displayed, as a whole; an `output` just before has the console form of it. `execution`: the cell's value. */
  | { kind: 'display'; bundle: Bundle; execution: boolean }
  /** The program reads a line; `input` answers. */
  | { kind: 'waiting-input'; isPassword: boolean }
  /** A stage of a batch; also told of one that was skipped, as 0. */
  | { kind: 'stage'; stage: 'clean-finished' | 'build-finished'; exitCode: number }
  /** The last one of a run. An exception is exit code 0 with `error`; a kernel that ended meanwhile is 130. */
  | { kind: 'finished'; exitCode: number; error?: RaisedError };

export type RunRequest =
  | { mode: 'query'; code: string }
  /** Shell commands; '' to skip a stage, '*' for what the language does by itself. */
  | { mode: 'batch'; clean: string; build: string; exec: string };

export interface Completions {
  completions: readonly string[];
  /** Which characters of the code they replace, counted in UTF-16 units as JavaScript does. */
  start: number;
  end: number;
}

export interface FileFact {
  filename: string;
  /** As `ls -l` writes it, such as `-rw-r--r--`. */
  mode: string;
  /** In bytes. */
  size: number;
  /** Unix times in seconds. */
  mtime: number;
  ctime: number;
  atime: number;
}

/**
 * Files of the working directory. Paths are relative to it, or absolute below /home/work; Failure `path-invalid` if one
 * leads out of it, by a link as well, and `file-missing` if there is none.
 */
export interface KernelFiles {
  /** Makes the directories that are missing; an existing file is replaced. */
  write(path: string, bytes: Uint8Array): Promise<void>;
  /** A tar archive of the file, or of the directory and all in it. */
  read(path: string): Promise<Buffer>;
  /** Of a directory, sorted by name; of a file, itself alone. */
  list(path: string): Promise<FileFact[]>;
  /** A directory goes with all in it. */
  remove(path: string): Promise<void>;
}

export interface PtySize {
  rows: number;
  columns: number;
}

/** A login shell on a terminal, beside the interpreter and in the same sandbox. */
export interface Pty {
  write(bytes: Uint8Array): void;
  resize(size: PtySize): void;
  /** One listener; what came before it was there is told first. */
  onData(hear: (bytes: Buffer) => void): void;
  /** Nothing more is read of it until `resume`: its programs then wait; a little may still come. */
  pause(): void;
  resume(): void;
  /** Hangs up. */
  close(): void;
  /** Exit code of the shell; 129 if it was hung up, 130 with the kernel's end. Never rejects. */
  readonly ended: Promise<number>;
}

/** Why a kernel is no more. `reason` is a sentence for people. */
export interface KernelEnding {
  cause:
    | 'exit' // its process ended by itself
    | 'signal' // its process was ended by a signal: a crash, or somebody's kill
    | 'out-of-memory'
    | 'destroyed' // it was asked for
    | 'lost'; // the engine lost the sandbox, or the sandbox spoke out of turn
  reason: string;
}

export interface KernelUsage {
  /** Of the sandbox, or of a fork alone where that has control groups of its own. Undefined where nobody counts it. */
  memoryBytes: number | undefined;
  /** The most so far, by the kernel's own count. */
  peakBytes: number | undefined;
  cpuMs: number | undefined;
  /** Whether the kernel has killed a process of it for memory. */
  oomKilled: boolean | undefined;
}

export interface Kernel {
  /** One at a time: a second one before `finished` is a programming error and throws. After the end nothing is told. */
  run(request: RunRequest, hear: (event: KernelEvent) => void): void;
  /**
   * A line without its end, for whoever waits for input; kept for the next who does if nobody waits. Undefined: there are
   * no more, as ctrl-D says it; cells of bash and Node, whose input is that of all that follow, are interrupted.
   */
  input(line: string | undefined): void;
  /** As ctrl-C in a terminal; nothing happens if nothing runs. */
  interrupt(): void;
  /** `cursor` is counted in UTF-16 units. While a cell runs: what can be said without its state. */
  complete(request: { code: string; cursor: number }): Promise<Completions>;
  /** A fresh interpreter in the same sandbox with the same files. A run in flight is finished with 130. */
  restart(): Promise<void>;
  /**
   * A second kernel with the same state, of a session of that id, going on from here by itself, with a copy of the working
   * directory. It lies in the same sandbox, whose end is its own, too; limits on memory, processes and CPU hold for it alone
   * where there are control groups. Failure `cannot-fork` says what stands in the way: not Python, a run in flight, other
   * threads, open sockets.
   */
  fork(session: string): Promise<Kernel>;
  /** Keeps the state as it is for one `rewind`; it replaces what was kept before. Failure `cannot-fork` as above. */
  checkpoint(): Promise<void>;
  /**
   * Back to the last checkpoint, or, if the kernel is rewindable, to before the last cell. Files stay as they are.
   * Failure `cannot-fork` if nothing is kept.
   */
  rewind(): Promise<void>;
  readonly files: KernelFiles;
  pty(size: PtySize): Promise<Pty>;
  /** Never rejects. */
  readonly ended: Promise<KernelEnding>;
  usage(): Promise<KernelUsage>;
  /** Ends its processes, and the sandbox with its last kernel. Resolves when that is done. Idempotent. */
  destroy(): Promise<void>;
}
