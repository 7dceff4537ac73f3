/**
 * Installs what a list of requirements asks for, once for all workers of a cluster.
 *
 * Under the lock of the list: pip fetches wheels as a user who can do nothing else, our copies of them are digested,
 * a sandbox unpacks and compiles those that are not there yet, and each becomes visible by one rename; so does the
 * set, last. Whoever is killed on the way leaves drafts, which the next to install removes when he is alone.
 * Which versions it came to is written down, and never chosen again.
 */
import { existsSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../config/failure.ts';
import { errnoOf } from '../lib/errno.ts';
import { Scope } from '../lib/scope.ts';
import { Fetching } from './fetching.ts';
import {
  Installation,
  type InstallationFacts,
  type InstalledSet,
  type InstallerOptions,
  type InstallRun,
} from './installation.ts';
import type { Interpreter } from './interpreter.ts';
import { pipSettings } from './pip-settings.ts';
import { memberWord, readResolution, setDigest } from './resolution.ts';
import type { Wanted } from './wanted.ts';

type InstallNeeded = NonNullable<InstallationFacts['install']>;
type Asked = Pick<InstallationFacts, 'wanted' | 'run' | 'install'>;

/** Starting the process that locks takes less, in milliseconds. */
const WAITING_MS = 1_000;

export class Installer {
  readonly #options: InstallerOptions;

  constructor(options: InstallerOptions) {
    this.#options = options;
  }

  /** The set, if it is there. */
  find(wanted: Wanted, interpreter: Interpreter): InstalledSet | undefined {
    const places = this.#options.places.of(interpreter.key);
    const resolution = readResolution(places.resolved(wanted.digest));
    if (resolution === undefined) return undefined;
    const dir = places.set(setDigest(resolution.members));
    if (!existsSync(dir)) return undefined;
    return { dir, members: resolution.members.map(memberWord).sort(), resolution };
  }

  /** Rejects with Failure `packages-failed` with the reason in words, or with what `signal` gives. */
  async install(wanted: Wanted, run: InstallRun): Promise<InstalledSet> {
    return this.#install(wanted, run, (needed) => this.#install(needed, run, undefined));
  }

  /** `forBuilds` installs what a build needs, from wheels only: so who waits for such a list never holds one. */
  async #install(wanted: Wanted, run: InstallRun, forBuilds: InstallNeeded | undefined): Promise<InstalledSet> {
    const found = forBuilds === undefined ? this.find(wanted, run.interpreter) : undefined;
    if (found !== undefined) return found;
    this.#options.places.claim();
    this.#options.places.of(run.interpreter.key).make();
    for (const python of this.#options.pythons) {
      const set = await this.#installWith(python, { wanted, run, install: forBuilds });
      if (set !== 'no-pip') return set;
    }
    throw new Failure(
      'packages-failed',
      'this machine has no pip that it could run; `apt-get install python3-pip` mends it',
    );
  }

  async #installWith(python: string, { wanted, run, install }: Asked): Promise<InstalledSet | 'no-pip'> {
    const { places, programDir, env, mirror } = this.#options;
    const settings = pipSettings(env, mirror);
    const scope = new Scope();
    try {
      run.signal.throwIfAborted();
      const fetching = new Fetching({
        python,
        scriptDir: join(programDir, 'packages/python'),
        env: settings.env,
        locks: [places.houseLock, places.of(run.interpreter.key).resolvedLock(wanted.digest)],
        onProgress: run.onProgress,
      });
      const stop = () => void fetching.end();
      run.signal.addEventListener('abort', stop);
      scope.onClose(() => {
        run.signal.removeEventListener('abort', stop);
        return fetching.end();
      });
      const alone = await lockedAtLast(fetching, run);
      const there = this.find(wanted, run.interpreter);
      if (there !== undefined) return there;
      if (alone) await this.#removeDrafts();
      const job = new Installation(this.#options, { wanted, run, fetching, files: settings.files, scope, install });
      return await job.run();
    } catch (error) {
      run.signal.throwIfAborted();
      throw notStored(error);
    } finally {
      await scope.close();
    }
  }

  /** Of installers that are no more. */
  async #removeDrafts(): Promise<void> {
    const { tmp } = this.#options.places;
    for (const name of readdirSync(tmp)) await rm(join(tmp, name), { recursive: true, force: true });
  }
}

/** Says so if others are at it, as far as that can be seen: a lock that is free is had at once. */
async function lockedAtLast(fetching: Fetching, { onProgress }: InstallRun): Promise<boolean> {
  const timer = setTimeout(() => onProgress('waiting for another worker that installs the same'), WAITING_MS);
  try {
    return await fetching.locked();
  } finally {
    clearTimeout(timer);
  }
}

function notStored(error: unknown): unknown {
  switch (errnoOf(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new Failure('packages-failed', 'the disk that holds the packages directory is full', { cause: error });
    case 'EROFS':
    case 'EACCES':
      return new Failure('packages-failed', 'the packages directory can not be written', { cause: error });
    default:
      return error;
  }
}
