/**
 * What a sandbox is, for those who use one: an isolated process tree that holds one lambda's code
 * and answers one event at a time, or the kernels of a session and converses. Engines (sock, docker) make them; the worker never knows how.
 */
import type { NodeHandler } from '../config/handler-name.ts';
import type { NetworkSpec } from '../config/network.ts';
import type { Limits } from '../config/settings.ts';
import type { Conversation, Hear } from './conversation.ts';
import type { Loader, LoaderEnding, LoaderSpec } from './loader.ts';
import type { ImportCacheView } from './zygote-view.ts';

/** What a sandbox is made for. */
export interface SandboxSpec {
  lambda: string;
  /** Number of the instance; unique per lambda in the life of a worker. */
  instance: number;
  /** Absolute path of the code snapshot: a directory that never changes again. A kernel has none. */
  codeDir?: string | undefined;
  /** What runtime/kernel/runner.py is told, if it is to run kernels instead of a lambda's code. */
  kernel?: Readonly<Record<string, unknown>> | undefined;
  /** `module.function`, or `module:name`; its runtime looks for it if it is not given. */
  handler?: string | undefined;
  /** Where it is, if Node is to run it; Python is if it is not given. */
  node?: NodeHandler | undefined;
  /** What it may import besides the standard library; undefined for nothing. */
  packages: PackageSet | undefined;
  /** What it may use. `timeout_ms` and `concurrency` are the caller's affair. */
  limits: Readonly<Limits>;
  /** Whether it may be a fork of a zygote, which is fast; if not, its interpreter is started for it alone. */
  zygote: boolean;
  /** Variables on top of those that every lambda sees. */
  env: Readonly<Record<string, string>>;
  /** Names of the secrets it finds below /run/secrets. Their values are nobody's here. */
  secrets: readonly string[];
  network: NetworkSpec;
  /** What it is forked from, if that is still there: then its code has been loaded already. */
  loader?: Loader | undefined;
  /** Told what is printed: of a call before its reply, all of it before the sandbox counts as ended. Never throws. */
  onOutput?: (output: Output) => void;
  /**
   * Told what the code has imported of the packages, in words for `parseLoaded`: when it has been loaded, where that
   * is asked, and after its first call. Never throws.
   */
  onLoaded?: (said: unknown) => void;
}

/** What a lambda's code has imported so far, by the sandbox's own word. */
export interface LoadedPackages {
  /** What the lambda's own modules have asked for, in that order, with the time that it took. */
  readonly asked: readonly { readonly module: string; readonly us: number }[];
  /** What of /packages was loaded, or asked for where its zygote had it: as `Imports.units`. */
  readonly units: readonly string[];
  /** Variables that it had changed before it asked for something. */
  readonly environ: readonly string[];
  /** By how much its memory has grown meanwhile. */
  readonly grownBytes: number;
}

/** Installed packages, merged into one directory; it stands on `sys.path` as /packages. */
export interface PackageSet {
  /** Absolute path of the directory, which never changes again. */
  dir: string;
  /** Who has brought files there, sorted, each as `name==version@sha256`. */
  members: readonly string[];
}

/** What was printed on one stream in one go. */
export interface Output {
  /** Of the call that it belongs to; undefined for what threads and children printed between two calls. */
  requestId: string | undefined;
  stream: 'stdout' | 'stderr';
  /** The sandbox's own: whatever it likes. */
  bytes: Buffer;
  /** There was more than `output_kb`; the rest is lost. */
  cut: boolean;
}

/** Takes an answer that comes bit by bit, all of it before the reply, which has the end of it as its body. */
export interface PartSink {
  /** Once, before all parts: JSON of what the answer begins with, by the sandbox's own word. */
  head(said: Buffer): void;
  /** False: no more of them until `goOn` is called. */
  part(bytes: Buffer, goOn: () => void): boolean;
}

/** One call. The event's bytes pass through unparsed. */
export interface Call {
  /** Letters, digits and `._:-`. */
  requestId: string;
  /** In which trace it is: W3C's `traceparent` and `tracestate`. */
  trace?: { parent: string; state: string | undefined } | undefined;
  /** JSON of an object with what the caller says of itself. */
  clientContext?: string | undefined;
  /** What its caller said behind the name of the lambda: letters, digits and `_-$`. */
  qualifier?: string | undefined;
  event: Uint8Array;
  /** Unix time in milliseconds at which the caller stops waiting. */
  deadlineMs: number;
  /** If the caller takes an answer bit by bit. */
  parts?: PartSink | undefined;
}

/** How long the parts of a call took inside the sandbox, in microseconds. `initUs` is 0 unless this call loaded the code. */
export interface Timings {
  initUs: number;
  runUs: number;
}

/**
 * What became of a call. Bodies are JSON: the handler's result, or a typed error
 * `{errorType, errorMessage, stackTrace, requestId}` made inside the sandbox.
 */
export type Reply =
  | { kind: 'result'; body: Buffer; timings: Timings }
  | { kind: 'raised'; body: Buffer; timings: Timings }
  | { kind: 'init-failed'; body: Buffer; timings: Timings }
  | { kind: 'event-invalid'; body: Buffer; timings: Timings }
  | { kind: 'ended'; ending: Ending };

/** What became of loading the code ahead of any call. */
export type Loaded =
  /** `body` is the sandbox's own word, as JSON, for what its import has left behind: see runtime/python/findings.py. */
  | { kind: 'loaded'; body: Buffer; timings: Timings }
  /** `body` is the typed error, of no request; the first call is answered with it, too. */
  | { kind: 'init-failed'; body: Buffer; timings: Timings }
  | { kind: 'ended'; ending: Ending };

/** Why a sandbox is no more. */
export type Ending =
  | { cause: 'exit'; status: number }
  | { cause: 'signal'; signal: string }
  | { cause: 'out-of-memory' }
  | { cause: 'destroyed' }
  /** It ended before it was given any code: no event can have begun, so another sandbox may run it. */
  | { cause: 'not-started'; reason: string }
  /** The engine lost it: its zygote or the spawner died, or it spoke out of turn. */
  | { cause: 'lost'; reason: string };

export interface Sandbox {
  readonly id: string;
  /** The most memory that it has taken so far, in bytes, as far as is known; by its own word as long as it lives. */
  readonly peakBytes: number | undefined;
  /**
   * CPU time of the call in flight, or of the last one, in microseconds, as far as is known: by its own word once it has
   * answered, else as the kernel counts it.
   */
  readonly cpuUs: number | undefined;
  /**
   * Sends one event and waits for its answer; thaws the sandbox first if it is paused.
   * Never rejects: the end of the sandbox is a reply. A second call while one is in flight is a
   * programming error and throws.
   */
  call(call: Call): Promise<Reply>;
  /**
   * Waits until the code has loaded, without running an event; that call then has no `initUs`. As `call`,
   * it never rejects, and it counts as one: nothing else may be in flight.
   */
  load(): Promise<Loaded>;
  /**
   * With one that runs kernels, instead of calls, once: `hear` is told all that it says, in order, until its end. What is
   * said before it has started waits for it.
   */
  converse(hear: Hear): Conversation;
  /** Stops all its processes from running until the next call, or until it is said something. Idle sandboxes only. */
  pause(): Promise<void>;
  /** Ends every process of it and removes what it left; resolves when that is done. Idempotent. */
  destroy(): Promise<void>;
  /** Resolves when the sandbox has ended for whatever reason. Never rejects. */
  readonly ended: Promise<Ending>;
}

export interface EngineFacts {
  engine: string;
  /** Version of the Python that lambdas run, such as `3.11.2`. */
  python: string;
  /** What sandboxes are told apart and limited by on this machine, one phrase each. */
  uses: readonly string[];
  /** Walls that are weaker on this machine than promised, one sentence each. */
  weaker: readonly string[];
}

/** What an engine has done since it started, and what it keeps ready. Counts only ever grow, over restarts of its parts too. */
export interface EngineStats {
  /** Sandboxes that wait for code at the moment. */
  poolWaiting: number;
  /** How many are meant to wait at the moment. */
  poolTarget: number;
  /** Count of sandboxes asked for that were waiting already. */
  handedOverFromPool: number;
  /** Count of those that still had to be made, in part or as a whole. */
  handedOverEmpty: number;
  /** Zygotes that live at the moment, those included that are only there until their last sandbox has gone. */
  zygotes: number;
  /** Count of children that were asked of zygotes. */
  forks: number;
  /** Count of zygotes that were replaced because they had forked enough. */
  zygotesRenewed: number;
}

/** A zygote that is to be: what it has imported when it is ready. */
export interface ZygoteSpec {
  /** What it is forked from; undefined for one that has imported no packages. */
  parent: Zygote | undefined;
  packages: PackageSet;
  /** Names as in an import statement, in the order in which they are imported. */
  modules: readonly string[];
  memoryMb: number;
}

/** What a zygote says of its imports, those of its parent not included. */
export interface Imports {
  /** For each of its modules, in microseconds. */
  readonly tookUs: ReadonlyMap<string, number>;
  /** What was loaded: the first part of each file's path below /packages, the first two of a shared name space. */
  readonly units: readonly string[];
  /**
   * What was looked for in vain: modules, and `<package>.dist-info`. `*` is anything. Whoever has such a thing would
   * find it, and must not start from here.
   */
  readonly vain: readonly string[];
  /** Environment variables that were read; `*` is any. */
  readonly environ: readonly string[];
}

export type ZygoteEnding =
  | { cause: 'retired' }
  /** With its parent, or the spawner; or there was no time to make it. */
  | { cause: 'lost'; reason: string }
  /** `module` is whose import did it, if that is known. */
  | { cause: 'failed'; reason: string; module: string | null };

/** A process with packages imported, from which sandboxes can be made that have those. */
export interface Zygote {
  readonly number: number;
  readonly imports: Imports;
  /** Sandboxes that were asked of it so far. */
  readonly forks: number;
  /** Those that wait for code. */
  readonly waiting: number;
  /** It makes no more sandboxes, and ends when the last of them, and of those of its descendants, has gone. */
  retire(): void;
  /** Never rejects. */
  readonly ended: Promise<ZygoteEnding>;
}

/** An engine that can be told which zygotes there should be. */
export interface ZygoteEngine extends Engine {
  /** As Engine's; from this zygote, or from one without packages if it is no more. */
  create(spec: SandboxSpec, zygote?: Zygote): Promise<Sandbox>;
  /** Resolves when it is ready, or with why it never will be. */
  grow(spec: ZygoteSpec): Promise<Zygote | ZygoteEnding>;
  load(spec: LoaderSpec): Promise<Loader | LoaderEnding>;
  /** Memory of each that lives, with its part of what it shares with others, in bytes. */
  measure(): Promise<ReadonlyMap<Zygote, number>>;
  /** Called when the zygote without packages has been followed by a fresh one: those that it made should be, too. */
  onRenewed: () => void;
}

/** Where an engine tells what its callers are not told. */
export type EngineLog = (level: 'info' | 'warn' | 'error', message: string, facts?: Record<string, unknown>) => void;

export interface Engine {
  /**
   * Makes a sandbox and hands the lambda's code over. Resolves once the sandbox can be called,
   * which may be before the code has loaded: a failure to load is the first call's reply.
   * Rejects with Failure `sandbox-failed`, whose `step` says where, leaving nothing behind.
   */
  create(spec: SandboxSpec): Promise<Sandbox>;
  /** Somebody may ask for such sandboxes: what takes long to start begins to be kept ready. */
  expect?(spec: Pick<SandboxSpec, 'node' | 'limits' | 'network'>): void;
  /** Sandboxes for kernels may be asked for from now on. */
  expectSessions?(): void;
  /** Makes a loader, where there are such. Resolves when it is ready, or with why it never will be. */
  load?(spec: LoaderSpec): Promise<Loader | LoaderEnding>;
  facts(): EngineFacts;
  /** Whether sandboxes can be made at the moment; asked when they can not, it begins another try after a while. */
  ready(): boolean;
  /** Costs nothing but the copying of a few numbers. */
  stats(): EngineStats;
  /** Memory charged to each live sandbox in bytes, by id; to `only` that one if it is named, which takes less. */
  memory(only?: string): Promise<ReadonlyMap<string, number>>;
  /** Memory of all sandboxes and of what the engine keeps ready, in bytes; undefined where nobody counts it together. */
  memoryInUse(): number | undefined;
  /** The zygotes with packages, if it has an import cache. */
  imports?(): ImportCacheView;
  /** Gives back what it can do without, as far as that is quickly done: in bytes. */
  relieve?(): number;
  /** Ends all sandboxes and the engine's own processes; resolves when they are gone. Idempotent. */
  close(): Promise<void>;
}
