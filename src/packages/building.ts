/**
 * Wheels out of source distributions, for pip to go on with: see python/sources.py.
 *
 * The archive is copied, what its build needs is installed as any set of packages, from wheels only, and a sandbox that has that
 * set as its /packages builds it. Its answer, a wheel, is a stranger's file and goes the way of all wheels: digested, unpacked
 * in another sandbox, stored. What a wheel in the store was built from is written beside it, so nothing is built twice.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { chmod, mkdir, open, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Failure } from '../config/failure.ts';
import { isPlain } from '../config/parse.ts';
import { type BuildSystem, readBuildSystem, readRequires } from './build-system.ts';
import { copyFetched, makeBuilderCode, makeUnpackerCode } from './copying.ts';
import type { BuildAnswer, BuildQuestion } from './fetching.ts';
import type { InstalledSet, InstallRun } from './installation.ts';
import { readWheelFacts } from './inventory.ts';
import { BUILD_TAIL_LENGTH, BUILDS_MAX, METADATA_BYTES_MAX, WHEEL_BYTES_MAX } from './limits.ts';
import { type InterpreterPlaces, WHEEL_TREE } from './places.ts';
import { type Member, readSourceName, readWheelName, type Source } from './resolution.ts';
import { storeWheel } from './storing.ts';
import type { StartUnpacker, Unpacker } from './unpacking.ts';
import { buildWanted, type Wanted } from './wanted.ts';

export interface BuildSandboxSpec {
  codeDir: string;
  packages: Pick<InstalledSet, 'dir' | 'members'>;
  /** Told what the build prints. */
  onOutput: (text: string) => void;
}

/** A sandbox that holds the builder as its lambda. */
export type StartBuilder = (spec: BuildSandboxSpec) => Promise<Unpacker>;

export interface BuildingOptions {
  programDir: string;
  places: InterpreterPlaces;
  /** A directory of the installation's own. */
  draft: string;
  wanted: Wanted;
  run: InstallRun;
  startUnpacker: StartUnpacker;
  startBuilder: StartBuilder;
  /** Installs what a build needs. */
  install: (wanted: Wanted) => Promise<InstalledSet>;
  onOutput: (source: string, text: string) => void;
}

/** Failures that are about the build, or about the sandbox that it needs. */
const NAMED: readonly string[] = ['packages-failed', 'sandbox-failed'];

export class Building {
  readonly #options: BuildingOptions;
  /** By the digest of the source. */
  readonly #built = new Map<string, Member>();
  #begun = 0;

  constructor(options: BuildingOptions) {
    this.#options = options;
  }

  /** What became of a source distribution that pip has fetched; `owner` is the user who must own it. */
  async answer({ file, pyproject }: BuildQuestion, owner: number | null): Promise<BuildAnswer> {
    const name = basename(file);
    try {
      const member = await this.#member({ file, pyproject }, owner);
      return { name: member.name, version: member.version, metadata: await this.#metadata(member) };
    } catch (error) {
      if (!(error instanceof Failure) || !NAMED.includes(error.code)) throw error;
      const { code, message, step } = error;
      const facts = step === undefined ? {} : { step };
      throw new Failure(code, `${name} cannot be built: ${message}`, { cause: error, ...facts });
    }
  }

  /** The wheel that a source of this digest was made to. */
  builtFrom(sha256: string): Member | undefined {
    return this.#built.get(sha256);
  }

  async #member({ file, pyproject }: BuildQuestion, owner: number | null): Promise<Member> {
    this.#begun += 1;
    if (this.#begun > BUILDS_MAX) throw new Failure('packages-failed', `${BUILDS_MAX} others have been built already`);
    const name = basename(file);
    if (readSourceName(name) === undefined) throw new Failure('packages-failed', 'that is no source distribution');
    const dir = join(this.#options.draft, `build-${this.#begun}`);
    const code = join(dir, 'build');
    await makeBuilderCode(this.#options.programDir, code);
    const sha256 = await copyFetched(file, join(code, 'source', name), owner);
    const source: Source = { file: name, sha256 };
    const member = this.#stored(sha256) ?? (await this.#build(source, dir, readBuildSystem(pyproject)));
    this.#built.set(sha256, member);
    return member;
  }

  /** Of what was built before, by whichever worker. */
  #stored(sha256: string): Member | undefined {
    const { places } = this.#options;
    for (const wheel of readdirSync(places.wheelsDir)) {
      const facts = readWheelFacts(places, wheel);
      if (facts?.source?.sha256 === sha256 && existsSync(places.wheel(wheel))) {
        const { name, version, file, source } = facts;
        return { name, version, sha256: wheel, file, source };
      }
    }
    return undefined;
  }

  async #build(source: Source, dir: string, system: BuildSystem): Promise<Member> {
    const { run } = this.#options;
    const more = await this.#inSandbox(source, { dir, requires: system.requires }, async (builder) => {
      run.onProgress(`asking what ${source.file} needs to be built`);
      const { requires } = await ask(builder, { op: 'requires', file: source.file, ...system });
      return readRequires(requires);
    });
    const requires = [...new Set([...system.requires, ...more])];
    const unpack = join(dir, 'unpack');
    await makeUnpackerCode(this.#options.programDir, unpack);
    const built = await this.#inSandbox(source, { dir, requires }, async (builder) => {
      run.onProgress(`building ${source.file}`);
      const { file } = await ask(builder, { op: 'build', file: source.file, ...system });
      const wheel = typeof file === 'string' ? readWheelName(file) : undefined;
      if (wheel === undefined) throw new Failure('packages-failed', 'what it was built to has not the name of a wheel');
      const sha256 = await receive(builder, join(unpack, 'wheels', file as string));
      return { ...wheel, sha256, file: file as string, source };
    });
    await this.#store(built, dir);
    return built;
  }

  /** A new one each time: what it needs more is a different set. */
  async #inSandbox<T>(
    source: Source,
    { dir, requires }: { dir: string; requires: readonly string[] },
    use: (builder: Unpacker) => Promise<T>,
  ): Promise<T> {
    const { wanted, install, startBuilder, onOutput, run } = this.#options;
    const packages =
      requires.length === 0
        ? { dir: await this.#nothing(), members: [] }
        : await install(buildWanted(wanted, requires));
    run.signal.throwIfAborted();
    let tail = '';
    const builder = await startBuilder({
      codeDir: join(dir, 'build'),
      packages,
      onOutput: (text) => {
        tail = (tail + text).slice(-BUILD_TAIL_LENGTH);
        onOutput(source.file, text);
      },
    });
    const stop = () => void builder.close();
    run.signal.addEventListener('abort', stop);
    try {
      return await use(builder);
    } catch (error) {
      run.signal.throwIfAborted();
      if (!(error instanceof Failure) || error.code !== 'packages-failed' || tail.trim() === '') throw error;
      throw new Failure(error.code, `${error.message}; it printed: ${tail.trim()}`, { cause: error });
    } finally {
      run.signal.removeEventListener('abort', stop);
      await builder.close();
    }
  }

  /** An empty set of packages. */
  async #nothing(): Promise<string> {
    const dir = join(this.#options.draft, 'no-packages');
    await mkdir(dir, { recursive: true });
    await chmod(dir, 0o755);
    return dir;
  }

  async #store(member: Member, dir: string): Promise<void> {
    const { places, startUnpacker, run } = this.#options;
    const place = places.wheel(member.sha256);
    if (existsSync(place)) return;
    run.onProgress(`unpacking ${member.name} ${member.version}`);
    const unpacker = await startUnpacker(join(dir, 'unpack'));
    try {
      await storeWheel(unpacker, member, { draft: join(dir, 'draft'), place });
    } finally {
      await unpacker.close();
    }
  }

  /** What the wheel says of itself: a file of the store by now. */
  async #metadata({ sha256, file }: Member): Promise<string> {
    const tree = join(this.#options.places.wheel(sha256), WHEEL_TREE);
    const info = readdirSync(tree).find((name) => name.endsWith('.dist-info')) ?? '';
    const metadata = await readFile(join(tree, info, 'METADATA')).catch(() => {
      throw new Failure('packages-failed', `${file} has no METADATA`);
    });
    if (metadata.length > METADATA_BYTES_MAX) throw new Failure('packages-failed', `${file} says too much of itself`);
    return metadata.toString();
  }
}

/** What it answers is a stranger's word. */
async function ask(builder: Unpacker, event: object): Promise<Record<string, unknown>> {
  const said = await builder.ask(event);
  if (!isPlain(said)) throw new Failure('packages-failed', 'its build answered something else than it was asked');
  if (said.failed !== undefined) throw new Failure('packages-failed', String(said.failed));
  return said;
}

/** Fills the new file `to`; returns its SHA-256 in hex. */
async function receive(builder: Unpacker, to: string): Promise<string> {
  const hash = createHash('sha256');
  const target = await open(to, 'wx', 0o644);
  try {
    await target.chmod(0o644);
    for (let bytes = 0; ; ) {
      const { data, done } = await ask(builder, { op: 'read' });
      if (typeof data !== 'string') throw new Failure('packages-failed', 'its wheel cannot be read');
      const piece = Buffer.from(data, 'base64');
      bytes += piece.length;
      if (bytes > WHEEL_BYTES_MAX) {
        throw new Failure('packages-failed', `its wheel has more than ${WHEEL_BYTES_MAX} bytes`);
      }
      if (piece.length === 0 && done !== true) throw new Failure('packages-failed', 'its wheel has no end');
      hash.update(piece);
      await target.writeFile(piece);
      if (done === true) return hash.digest('hex');
    }
  } finally {
    await target.close();
  }
}
