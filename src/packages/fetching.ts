/**
 * The worker's side of python/fetch.py: locks, then pip, then the wheels. What this process has open of the locks
 * is released by `end`, or by the kernel when it dies.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Failure } from '../config/failure.ts';
import type { PackageResolver } from '../config/settings.ts';
import { errnoWords } from '../lib/errno.ts';
import type { Interpreter } from './interpreter.ts';
import { FETCH_MS_MAX, MESSAGE_BYTES_MAX } from './limits.ts';
import type { PipSettings } from './pip-settings.ts';

export interface FetchJob {
  /** One per line, as pip takes them. */
  requirements: readonly string[];
  constraints: readonly string[];
  /** What paths in them mean: absolute ones of files that pip's user need not be able to read. */
  wheels: Readonly<Record<string, string>>;
  /** More for pip. */
  arguments: readonly string[];
  /** Whether pip may choose source distributions, and asks for what they are built to. */
  build: boolean;
  /** Who chooses versions. */
  resolver: PackageResolver;
  target: Interpreter;
  /** The user that pip runs as; null for this one. */
  id: number | null;
  files: Readonly<Record<string, string>>;
}

export type Fetched =
  /** `pip` and `uv`: versions; undefined for one that has done nothing. */
  | { kind: 'fetched'; dir: string; files: readonly string[]; pip: string; uv: string | undefined }
  | { kind: 'no-pip' }
  /** `output` is the end of what the one that failed has printed. */
  | { kind: 'failed'; output: string; by: PackageResolver }
  /** Nobody was asked, for a reason that the operator has to mend. */
  | { kind: 'refused'; reason: string };

/** What pip wants to know of a source distribution that it has fetched. */
export interface BuildQuestion {
  /** Absolute path. */
  file: string;
  /** Text of its pyproject.toml, null if it has none. */
  pyproject: string | null;
}

/** What the wheel says of itself. */
export interface BuildAnswer {
  name: string;
  version: string;
  /** Its METADATA. */
  metadata: string;
}

interface Message {
  ev: 'locked' | 'progress' | 'bytes' | 'build' | 'fetched' | 'no-pip' | 'failed' | 'refused';
  alone?: boolean;
  text?: string;
  done?: number;
  of?: number;
  file?: string;
  pyproject?: string | null;
  dir?: string;
  files?: string[];
  pip?: string;
  uv?: string | null;
  output?: string;
  by?: PackageResolver;
}

/** How much of a file is there, in bytes. */
export interface BytesDone {
  done: number;
  /** Undefined where nobody knows. */
  of: number | undefined;
}

/** `text` says what is going on, and `bytes` how far it is, several times a second. */
export type OnProgress = (text: string, bytes?: BytesDone) => void;

export interface FetchingOptions {
  /** The interpreter that runs it, and pip. */
  python: string;
  /** Directory of fetch.py. */
  scriptDir: string;
  env: PipSettings['env'];
  /** Files to lock: of the packages directory, and of the set; without the second it is about pruning. */
  locks: readonly [string] | readonly [string, string];
  onProgress: OnProgress;
}

export class Fetching {
  readonly #child: ChildProcess;
  readonly #fds: number[];
  readonly #messages: AsyncIterator<Message>;
  readonly #onProgress: OnProgress;
  readonly #exited: Promise<void>;
  #spawnError: Error | undefined;
  #stderr = '';
  /** What pip is at. */
  #step = '';

  constructor({ python, scriptDir, env, locks, onProgress }: FetchingOptions) {
    this.#onProgress = onProgress;
    this.#fds = locks.map((path) => openSync(path, constants.O_RDWR | constants.O_CREAT, 0o644));
    // What is imported from there is imported at once: pip looks into all of sys.path, as a user that may have no way there.
    const start = `import sys; sys.path.insert(0, ${JSON.stringify(scriptDir)}); import fetch; del sys.path[0]; fetch.main()`;
    const words = locks.length === 1 ? ['prune'] : [];
    this.#child = spawn(python, ['-I', '-B', '-c', start, ...words], {
      env,
      cwd: '/',
      stdio: ['pipe', 'pipe', 'pipe', ...this.#fds],
      // Ctrl-C is for the worker: this one ends when its input does.
      detached: true,
    });
    this.#exited = new Promise((resolve) => {
      this.#child.once('error', (error) => {
        this.#spawnError = error;
        resolve();
      });
      this.#child.once('close', () => resolve());
    });
    this.#child.stdin?.on('error', () => {}); // It went away: its silence says so.
    this.#child.stderr?.setEncoding('utf8').on('data', (piece: string) => {
      this.#stderr = (this.#stderr + piece).slice(-MESSAGE_BYTES_MAX);
    });
    this.#messages = messagesOf(this.#child)[Symbol.asyncIterator]();
  }

  /** Resolves when it holds the locks: whether nobody else installs anything at the moment. */
  async locked(): Promise<boolean> {
    const message = await this.#next();
    if (message.ev !== 'locked') throw this.#broken(`it said ${message.ev} before it was locked`);
    return message.alone === true;
  }

  /** The files stay until `end`. `build` answers what a job with `build` asks; what it rejects with ends the fetching. */
  async fetch(job: FetchJob, build: (question: BuildQuestion) => Promise<BuildAnswer>): Promise<Fetched> {
    this.#say(job);
    for (let leftMs = FETCH_MS_MAX; ; ) {
      const sinceMs = performance.now();
      const message = await this.#within(leftMs);
      leftMs -= performance.now() - sinceMs;
      switch (message.ev) {
        case 'build':
          this.#say(await build({ file: message.file ?? '', pyproject: message.pyproject ?? null }));
          break;
        case 'progress':
          this.#step = message.text ?? '';
          this.#onProgress(this.#step);
          break;
        case 'bytes':
          this.#onProgress(this.#step, { done: message.done ?? 0, of: message.of || undefined });
          break;
        case 'fetched':
          return fetched(message);
        case 'no-pip':
          return { kind: 'no-pip' };
        case 'failed':
          return { kind: 'failed', output: message.output ?? '', by: message.by ?? 'pip' };
        case 'refused':
          return { kind: 'refused', reason: message.text ?? '' };
        default:
          throw this.#broken(`it said ${message.ev} twice`);
      }
    }
  }

  #say(what: object): void {
    this.#child.stdin?.write(`${JSON.stringify(what)}\n`);
  }

  async #within(ms: number): Promise<Message> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#child.stdin?.end();
    }, ms);
    try {
      return await this.#next();
    } catch (error) {
      if (!late) throw error;
      throw new Failure('packages-failed', `pip was not done within ${FETCH_MS_MAX / 60_000} minutes`);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Resolves when the process and what it fetched are gone; the locks are still held. */
  async letGo(): Promise<void> {
    this.#child.stdin?.end();
    await this.#exited;
  }

  /** Resolves when the locks are gone, too. Idempotent. */
  async end(): Promise<void> {
    await this.letGo();
    for (const fd of this.#fds.splice(0)) closeSync(fd);
  }

  async #next(): Promise<Message> {
    const { value, done } = await this.#messages.next();
    if (!done) return value;
    await this.#exited;
    throw this.#broken(this.#spawnError === undefined ? 'it ended early' : errnoWords(this.#spawnError));
  }

  #broken(what: string): Failure {
    const said = this.#stderr.trim().split('\n').at(-1);
    const more = said === undefined || said === '' ? '' : ` (${said})`;
    return new Failure('packages-failed', `the process that runs pip failed: ${what}${more}`);
  }
}

function fetched({ dir = '', files = [], pip = '', uv }: Message): Fetched {
  return { kind: 'fetched', dir, files, pip, uv: uv ?? undefined };
}

async function* messagesOf(child: ChildProcess): AsyncGenerator<Message> {
  if (child.stdout === null) return;
  for await (const line of createInterface({ input: child.stdout })) yield JSON.parse(line) as Message;
}
