/** One installation of what a list of requirements asks for, by whoever holds its lock: see installer.ts. */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Failure } from '../config/failure.ts';
import type { PackageResolver } from '../config/settings.ts';
import type { Log } from '../lib/log.ts';
import type { Scope } from '../lib/scope.ts';
import { Building, type StartBuilder } from './building.ts';
import { copyFetched, makeUnpackerCode } from './copying.ts';
import type { Fetching, FetchJob, OnProgress } from './fetching.ts';
import type { Interpreter } from './interpreter.ts';
import { UNPACKERS_MAX } from './limits.ts';
import { mergeTrees } from './merging.ts';
import { pipReason, uvReason } from './pip-reason.ts';
import { type InterpreterPlaces, type PackagesPlaces, WHEEL_TREE } from './places.ts';
import {
  type Member,
  memberWord,
  type Resolution,
  readResolution,
  readSourceName,
  readWheelName,
  setDigest,
  writeResolution,
} from './resolution.ts';
import { moveIntoPlace, storeWheel } from './storing.ts';
import type { StartUnpacker } from './unpacking.ts';
import { lineAgain, shownLines, type Wanted } from './wanted.ts';

export interface InstallerOptions {
  places: PackagesPlaces;
  /** Directory that holds packages/python: src/ of a checkout, or dist/. */
  programDir: string;
  /** Interpreters of this machine that may have pip, the best first. */
  pythons: readonly string[];
  /** The setting `pip_mirror`. */
  mirror: string;
  /** The setting `packages_resolver`. */
  resolver: PackageResolver;
  env: NodeJS.ProcessEnv;
  startUnpacker: StartUnpacker;
  /** Undefined where nothing is built from its source. */
  builds: StartBuilder | undefined;
  log: Log;
}

export interface InstalledSet {
  /** Absolute path of a directory that never changes again. */
  dir: string;
  /** Sorted, each `name==version@sha256`. */
  members: readonly string[];
  resolution: Resolution;
}

export interface InstallRun {
  interpreter: Interpreter;
  signal: AbortSignal;
  onProgress: OnProgress;
}

/** Beyond the ranges of all workers: nobody else is this user. */
const PIP_ID = 1_589_824_000;

export interface InstallationFacts {
  wanted: Wanted;
  run: InstallRun;
  fetching: Fetching;
  files: Readonly<Record<string, string>>;
  scope: Scope;
  /** Installs what a build needs; undefined for what is to come from wheels only. */
  install: ((wanted: Wanted) => Promise<InstalledSet>) | undefined;
}

interface FetchedWheels {
  members: readonly Member[];
  pip: string;
  uv: string | undefined;
}

/** One installation, under its lock. */
export class Installation {
  readonly #options: InstallerOptions;
  readonly #facts: InstallationFacts;
  readonly #places: InterpreterPlaces;
  readonly #draft: string;

  constructor(options: InstallerOptions, facts: InstallationFacts) {
    this.#options = options;
    this.#facts = facts;
    this.#places = options.places.of(facts.run.interpreter.key);
    this.#draft = options.places.draft();
    facts.scope.onClose(() => rm(this.#draft, { recursive: true, force: true }));
  }

  async run(): Promise<InstalledSet | 'no-pip'> {
    const { wanted, run } = this.#facts;
    const path = this.#places.resolved(wanted.digest);
    const before = readResolution(path);
    await makeUnpackerCode(this.#options.programDir, this.#code);
    const fetched = await this.#fetch(before);
    if (fetched === 'no-pip') return 'no-pip';
    await this.#unpackMissing(fetched.members);
    // What is built again need not be the same to the last byte.
    const again = new Map(fetched.members.map((member) => [member.name, member]));
    const members = before?.members.map((member) => again.get(member.name) ?? member) ?? fetched.members;
    const resolution = {
      requirements: shownLines(wanted),
      interpreter: run.interpreter.key,
      resolvedAt: new Date().toISOString(),
      pip: fetched.pip,
      ...(fetched.uv === undefined ? {} : { uv: fetched.uv }),
      ...before,
      members,
    };
    const dir = await this.#merge(members);
    if (before === undefined || setDigest(before.members) !== setDigest(members)) writeResolution(path, resolution);
    return { dir, members: members.map(memberWord).sort(), resolution };
  }

  get #code(): string {
    return join(this.#draft, 'code');
  }

  /** The wheels of all that is wanted, or of what is missing of what it came to before. */
  async #fetch(before: Resolution | undefined): Promise<FetchedWheels | 'no-pip'> {
    const { wanted, run } = this.#facts;
    if (before === undefined) return this.#fetchLines(wanted.requirements, [], this.#options.resolver);
    const missing = before.members.filter((member) => !existsSync(this.#places.wheel(member.sha256)));
    if (missing.length === 0) return { members: [], pip: before.pip, uv: undefined };
    run.onProgress(`fetching ${missing.length} packages again`);
    return this.#fetchLines(
      missing.map((member) => lineAgain(member, wanted)),
      [
        '--no-deps',
        '--require-hashes',
        ...missing.flatMap(({ name, source }) => (source ? ['--no-binary', name] : [])),
      ],
      // Nothing is chosen.
      'pip',
    );
  }

  async #fetchLines(
    requirements: readonly string[],
    more: readonly string[],
    resolver: PackageResolver,
  ): Promise<FetchedWheels | 'no-pip'> {
    const { wanted, fetching, files, run } = this.#facts;
    const owner = process.geteuid?.() === 0 ? PIP_ID : null;
    const building = this.#building();
    const job: FetchJob = {
      requirements: [...wanted.options, ...requirements],
      constraints: wanted.constraints,
      wheels: Object.fromEntries(wanted.wheels.map(({ path, from }) => [path, from])),
      arguments: more,
      build: building !== undefined,
      resolver,
      target: run.interpreter,
      id: owner,
      files,
    };
    run.onProgress('choosing versions');
    const fetched = await fetching.fetch(job, (question) => (building as Building).answer(question, owner));
    if (fetched.kind === 'no-pip') return 'no-pip';
    if (fetched.kind === 'refused') throw new Failure('packages-failed', fetched.reason);
    if (fetched.kind === 'failed') {
      const { output, by } = fetched;
      throw new Failure('packages-failed', by === 'uv' ? uvReason(output) : pipReason(output, job.build));
    }
    const members: Member[] = [];
    for (const file of fetched.files) {
      const take = (to: string) => copyFetched(join(fetched.dir, file), join(to, file), owner);
      members.push(await this.#taken(file, take, building));
    }
    await fetching.letGo();
    return { members: members.sort((a, b) => (a.name < b.name ? -1 : 1)), pip: fetched.pip, uv: fetched.uv };
  }

  /** `file` becomes a part of a path, and is the word of a process that has read what strangers wrote. */
  async #taken(file: string, take: (to: string) => Promise<string>, building: Building | undefined): Promise<Member> {
    const wheel = readWheelName(file);
    if (wheel !== undefined) return { ...wheel, sha256: await take(join(this.#code, 'wheels')), file };
    const isSource = readSourceName(file) !== undefined;
    const built = isSource && building !== undefined ? building.builtFrom(await take(this.#draft)) : undefined;
    if (built === undefined) throw new Failure('packages-failed', `pip fetched ${file}, which is no wheel`);
    return built;
  }

  /** Undefined where nothing is built. */
  #building(): Building | undefined {
    const { programDir, startUnpacker, builds, log } = this.#options;
    const { install, run, wanted } = this.#facts;
    if (builds === undefined || install === undefined) return undefined;
    return new Building({
      programDir,
      places: this.#places,
      draft: this.#draft,
      wanted,
      run,
      startUnpacker,
      startBuilder: builds,
      install,
      onOutput: (source, text) => log('debug', 'a build has printed', { source, text }),
    });
  }

  async #unpackMissing(members: readonly Member[]): Promise<void> {
    const missing = members.filter((member) => !existsSync(this.#places.wheel(member.sha256)));
    if (missing.length === 0) return;
    const waiting = missing.entries();
    const count = Math.min(missing.length, UNPACKERS_MAX, availableParallelism());
    const ended = await Promise.allSettled(
      Array.from({ length: count }, () => this.#unpackInTurn(waiting, missing.length)),
    );
    for (const one of ended) if (one.status === 'rejected') throw one.reason;
  }

  /** Takes one after the other until none is left, or one cannot be used. */
  async #unpackInTurn(waiting: ArrayIterator<[number, Member]>, count: number): Promise<void> {
    const { run, scope } = this.#facts;
    const unpacker = await this.#options.startUnpacker(this.#code);
    scope.onClose(() => unpacker.close());
    for (const [index, member] of waiting) {
      try {
        run.signal.throwIfAborted();
        run.onProgress(`unpacking ${member.name} ${member.version} (${index + 1} of ${count})`);
        const places = { draft: join(this.#draft, member.sha256), place: this.#places.wheel(member.sha256) };
        await storeWheel(unpacker, member, places);
      } catch (error) {
        while (!waiting.next().done); // The others need not begin with what is left.
        throw error;
      }
    }
  }

  async #merge(members: readonly Member[]): Promise<string> {
    const dir = this.#places.set(setDigest(members));
    if (existsSync(dir)) return dir;
    this.#facts.run.onProgress('linking');
    const draft = join(this.#draft, 'set');
    const trees = members.map(({ sha256 }) => join(this.#places.wheel(sha256), WHEEL_TREE));
    const taken = await mergeTrees(trees, draft);
    if (taken.length > 0) {
      const some = taken.slice(0, 5);
      this.#options.log('debug', 'packages bring the same files; the first by name has them', {
        files: taken.length,
        some,
      });
    }
    moveIntoPlace(draft, dir);
    return dir;
  }
}
