/**
 * The packages of a worker's lambdas: which set belongs to which, what is being installed, and what could not be.
 * A set that is known costs a look into a map; nothing here runs a process unless one is missing.
 */
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../config/failure.ts';
import { makeUnpackerCode } from './copying.ts';
import type { Declared } from './declared.ts';
import type { OnProgress } from './fetching.ts';
import type { InstalledSet, InstallerOptions } from './installation.ts';
import { Installer } from './installer.ts';
import { type Interpreter, parseInterpreter } from './interpreter.ts';
import { FAILURES_MAX, RETRY_MS } from './limits.ts';
import { writeResolutionFlushedLater } from './resolution.ts';
import { shownLines, wantedBy } from './wanted.ts';

export interface PackagesOptions extends InstallerOptions {
  /** Directory of what this worker's lambdas resolved to, one file each. */
  stateDir: string;
  /** Told how far an installation has got. */
  onProgress?: (lambda: string, ...how: Parameters<OnProgress>) => void;
}

interface Installing {
  done: Promise<void>;
  startedMs: number;
  /** What is going on, in words. */
  progress: string;
}

interface Failed {
  failure: Failure;
  /** Monotonic. */
  againMs: number;
}

export class Packages {
  readonly #options: PackagesOptions;
  readonly #installer: Installer;
  /** By the digest of requirements. */
  readonly #sets = new Map<string, InstalledSet>();
  readonly #installing = new Map<string, Installing>();
  readonly #failed = new Map<string, Failed>();
  /** The digest that each lambda's file speaks of. */
  readonly #written = new Map<string, string>();
  readonly #closing = new AbortController();
  #interpreter: Promise<Interpreter> | undefined;

  constructor(options: PackagesOptions) {
    this.#options = options;
    this.#installer = new Installer(options);
  }

  /** The set, if it is known to be there. */
  ready(lambda: string, declared: Declared): InstalledSet | undefined {
    const set = this.#sets.get(declared.digest);
    if (set !== undefined) this.#write(lambda, declared, set);
    return set;
  }

  /**
   * Resolves when the set is there. Rejects with Failure `packages-installing` if that takes longer than `waitMs`,
   * if that is given, and goes on; `packages-failed` if it cannot be had, which is tried again after a while.
   */
  async obtain(lambda: string, declared: Declared, waitMs: number | undefined): Promise<void> {
    const failed = this.#failed.get(declared.digest);
    if (failed !== undefined && performance.now() < failed.againMs) throw this.#named(lambda, declared, failed.failure);
    const job = this.#installing.get(declared.digest) ?? this.#begin(lambda, declared);
    try {
      await this.#within(waitMs, job, lambda);
    } catch (error) {
      throw error instanceof Failure && error.code === 'packages-failed' ? this.#named(lambda, declared, error) : error;
    }
  }

  /** The lambda is no more, or needs nothing any more. */
  forget(lambda: string): void {
    if (!this.#written.delete(lambda)) return;
    rmSync(this.#stateFile(lambda), { force: true });
  }

  /** To be asked when a sandbox could not be given a set: whether it has vanished from the disk. It is installed again then. */
  hasVanished(dir: string): boolean {
    if (existsSync(dir)) return false;
    for (const [digest, set] of this.#sets) if (set.dir === dir) this.#sets.delete(digest);
    return true;
  }

  /** Ends what is being installed; who waits for it is told. Idempotent. */
  async close(): Promise<void> {
    if (!this.#closing.signal.aborted)
      this.#closing.abort(new Failure('stopping', 'The worker is stopping; the event was not run.'));
    await Promise.allSettled([...this.#installing.values()].map((job) => job.done));
  }

  #begin(lambda: string, declared: Declared): Installing {
    const job: Installing = { done: Promise.resolve(), startedMs: performance.now(), progress: 'looking' };
    job.done = this.#install(lambda, declared, job).finally(() => this.#installing.delete(declared.digest));
    job.done.catch(() => {}); // Who waits is told; perhaps nobody does any more.
    this.#installing.set(declared.digest, job);
    return job;
  }

  async #install(lambda: string, declared: Declared, job: Installing): Promise<void> {
    const { log } = this.#options;
    const { signal } = this.#closing;
    try {
      const wanted = wantedBy(declared);
      const interpreter = await this.#askInterpreter();
      let set = this.#installer.find(wanted, interpreter);
      if (set === undefined) {
        log('info', 'packages are being installed', { lambda, requirements: shownLines(wanted) });
        const onProgress: OnProgress = (text, bytes): void => {
          job.progress = text;
          if (bytes === undefined) log('debug', 'packages', { lambda, progress: text });
          this.#options.onProgress?.(lambda, text, bytes);
        };
        set = await this.#installer.install(wanted, { interpreter, signal, onProgress });
        const { members } = set.resolution;
        const packages = members.map(({ name, version }) => `${name} ${version}`);
        log('info', 'packages are installed', {
          lambda,
          packages,
          durationMs: Math.round(performance.now() - job.startedMs),
        });
      }
      this.#sets.set(declared.digest, set);
      this.#failed.delete(declared.digest);
    } catch (error) {
      signal.throwIfAborted();
      throw this.#remember(lambda, declared, error);
    }
  }

  #remember(lambda: string, { digest }: Declared, error: unknown): Failure {
    const known = error instanceof Failure;
    const failure = known
      ? error
      : new Failure('packages-failed', 'its worker failed at it; its log says why', { cause: error });
    this.#options.log(known ? 'warn' : 'error', 'packages cannot be installed', {
      lambda,
      ...(known ? { reason: failure.message } : { err: error }),
    });
    // Of a sandbox that could not be made another call may find the contrary.
    if (failure.code !== 'packages-failed') return failure;
    const oldest = this.#failed.keys().next().value;
    if (this.#failed.size >= FAILURES_MAX && oldest !== undefined) this.#failed.delete(oldest);
    this.#failed.set(digest, { failure, againMs: performance.now() + RETRY_MS });
    return failure;
  }

  #within(waitMs: number | undefined, job: Installing, lambda: string): Promise<void> {
    const { signal } = this.#closing;
    return new Promise((resolve, reject) => {
      const seconds = () => Math.round((performance.now() - job.startedMs) / 1_000);
      const late = (): void => {
        const message = `The packages of lambda ${lambda} are being installed (${job.progress}, since ${seconds()} s); the event was not run.`;
        settle(() => reject(new Failure('packages-installing', message)));
      };
      const stopped = (): void => settle(() => reject(signal.reason));
      const timer = waitMs === undefined ? undefined : setTimeout(late, waitMs);
      const settle = (how: () => void): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', stopped);
        how();
      };
      signal.addEventListener('abort', stopped);
      job.done.then(
        () => settle(resolve),
        (error: unknown) => settle(() => reject(error)),
      );
    });
  }

  /** Asked of the base's own interpreter, once, in a sandbox. */
  #askInterpreter(): Promise<Interpreter> {
    this.#interpreter ??= this.#ask().catch((error: unknown) => {
      this.#interpreter = undefined;
      throw error;
    });
    return this.#interpreter;
  }

  async #ask(): Promise<Interpreter> {
    const { stateDir, programDir, startUnpacker } = this.#options;
    mkdirSync(stateDir, { recursive: true });
    const code = await mkdtemp(join(stateDir, '.asking-'));
    try {
      await makeUnpackerCode(programDir, code);
      const unpacker = await startUnpacker(code);
      try {
        return parseInterpreter(await unpacker.ask({ op: 'facts' }));
      } finally {
        await unpacker.close();
      }
    } finally {
      await rm(code, { recursive: true, force: true });
    }
  }

  /** Before the set is used: who removes old sets looks here first. */
  #write(lambda: string, { file, digest }: Declared, { dir, resolution }: InstalledSet): void {
    if (this.#written.get(lambda) === digest) return;
    const { stateDir, log } = this.#options;
    mkdirSync(stateDir, { recursive: true });
    // A call waits for this; after a power cut it is written again.
    const flushed = writeResolutionFlushedLater(this.#stateFile(lambda), { lambda, file, set: dir, ...resolution });
    flushed.catch((error: unknown) =>
      log('warn', 'the packages of a lambda are not on the disk', { lambda, err: error }),
    );
    this.#written.set(lambda, digest);
  }

  #stateFile(lambda: string): string {
    return join(this.#options.stateDir, `${lambda}.json`);
  }

  #named(lambda: string, { file }: Declared, failure: Failure): Failure {
    return new Failure(
      failure.code,
      `The packages of lambda ${lambda} (${file}) cannot be installed: ${failure.message}`,
      {
        cause: failure,
      },
    );
  }
}
