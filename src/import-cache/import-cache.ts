/**
 * The import cache: an engine that starts each lambda from the zygote that has most of its packages imported already,
 * and sees to it that there are such zygotes.
 *
 * The first sandbox of a lambda's code tells what it has imported and how long that took. From that, and from how
 * often lambdas are started, follows which zygote would save more than its memory is worth (plan.ts): one is grown at a
 * time, beside the calls. A zygote that cannot be, or dies, is remembered and not tried again. Whatever goes wrong here,
 * the sandbox starts from another one, or from none: it only takes longer.
 */
import { parseLoaded } from '../sandbox/imports.ts';
import type { Loader, LoaderEnding, LoaderSpec } from '../sandbox/loader.ts';
import type {
  Engine,
  EngineFacts,
  EngineStats,
  PackageSet,
  Sandbox,
  SandboxSpec,
  ZygoteEngine,
} from '../sandbox/sandbox.ts';
import type { ImportCacheView } from '../sandbox/zygote-view.ts';
import type { Wish } from './fit.ts';
import { Growth, type GrowthOptions } from './growth.ts';
import { readNames, readSet, type SetContents } from './owners.ts';
import { bestFor, savedUs } from './plan.ts';
import { knownFrom, newProfile, type Profile } from './profile.ts';
import { mayChangeEnvironment } from './sources.ts';
import type { Node } from './tree.ts';
import { usedAgain } from './use.ts';
import { viewOf } from './view.ts';

/** A sandbox could say so with every answer. */
const OBSERVATIONS_MAX = 2;

/** A lambda's; a session has no code. */
type Coded = SandboxSpec & { codeDir: string };

export class ImportCache implements Engine {
  readonly #engine: ZygoteEngine;
  readonly #growth: Growth;
  /** By lambda. */
  readonly #profiles = new Map<string, Profile>();
  /** By directory, which never changes. */
  readonly #contents = new Map<string, SetContents>();
  readonly #starts = { hits: 0, misses: 0, savedUs: 0 };

  constructor(options: GrowthOptions) {
    this.#engine = options.engine;
    this.#growth = new Growth(options, {
      profiles: () => this.#profiles.values(),
      contentsOf: (packages) => this.#contentsOf(packages),
    });
  }

  async create(spec: SandboxSpec): Promise<Sandbox> {
    const engine = this.#engine;
    const { packages } = spec;
    if (spec.loader !== undefined) return engine.create(spec);
    if (packages === undefined || !spec.zygote || spec.network.mode === 'host') return engine.create(spec);
    const { codeDir } = spec;
    if (codeDir === undefined) return engine.create(spec, this.#bestForSession(spec, packages)?.zygote);
    const profile = this.#profileOf({ ...spec, codeDir }, packages);
    profile.uses = usedAgain(profile.uses, performance.now());
    const isObserved = profile.observer !== undefined;
    const node = isObserved || !mayChangeEnvironment(codeDir) ? bestFor(profile, this.#growth.tree.nodes) : undefined;
    this.#count(profile, node);
    this.#growth.planSoon();
    if (isObserved) return engine.create(spec, node?.zygote);
    return engine.create({ ...spec, onLoaded: this.#listener(profile, node) }, node?.zygote);
  }

  expect(spec: SandboxSpec): void {
    this.#engine.expect?.(spec);
  }

  expectSessions(): void {
    this.#engine.expectSessions?.();
  }

  /** Its lambda's code imports what it needs by itself: where it comes from is not known to others. */
  load(spec: LoaderSpec): Promise<Loader | LoaderEnding> {
    return this.#engine.load(spec);
  }

  facts(): EngineFacts {
    return this.#engine.facts();
  }

  ready(): boolean {
    return this.#engine.ready();
  }

  stats(): EngineStats {
    return this.#engine.stats();
  }

  memory(only?: string): Promise<ReadonlyMap<string, number>> {
    return this.#engine.memory(only);
  }

  memoryInUse(): number | undefined {
    return this.#engine.memoryInUse();
  }

  imports(): ImportCacheView {
    return viewOf(this.#growth.tree, this.#starts);
  }

  relieve(): number {
    return this.#growth.relieve();
  }

  async close(): Promise<void> {
    const { done } = this.#growth.close();
    await this.#engine.close();
    await done;
  }

  /** It may import anything of its packages, and nobody knows what: from the one that has most of them already. */
  #bestForSession({ env }: SandboxSpec, packages: PackageSet): Node | undefined {
    const wish = this.#wishOf(packages, new Set(), Object.keys(env));
    const node = bestFor({ wish, known: undefined }, this.#growth.tree.nodes);
    if (node !== undefined) node.hits += 1;
    return node;
  }

  // -- lambdas ------------------------------------------------------------------------------------

  #profileOf({ lambda, codeDir, env }: Coded, packages: PackageSet): Profile {
    const before = this.#profiles.get(lambda);
    if (before?.codeDir === codeDir && before.packages.dir === packages.dir) return before;
    const wish = this.#wishOf(packages, readNames(codeDir), Object.keys(env));
    const profile = newProfile(codeDir, packages, wish, this.#contentsOf(packages));
    if (before !== undefined) profile.uses = before.uses;
    if (before?.packages.dir === packages.dir) profile.known = before.known;
    this.#profiles.set(lambda, profile);
    return profile;
  }

  #wishOf(packages: PackageSet, ownNames: ReadonlySet<string>, env: readonly string[]): Wish {
    const { names, contested } = this.#contentsOf(packages);
    return { members: new Set(packages.members), names, contested, ownNames, env };
  }

  #contentsOf(packages: PackageSet): SetContents {
    const known = this.#contents.get(packages.dir);
    if (known !== undefined) return known;
    const contents = readSet(packages);
    this.#contents.set(packages.dir, contents);
    return contents;
  }

  #count(profile: Profile, node: Node | undefined): void {
    if (node === undefined) {
      this.#starts.misses += 1;
      return;
    }
    this.#starts.hits += 1;
    node.hits += 1;
    // Of the first one it is not known yet.
    if (profile.observer !== undefined) this.#save(profile, node);
  }

  #save({ known, contents }: Profile, node: Node): void {
    if (known === undefined) return;
    const saved = savedUs(known, node.members, contents.owners);
    node.savedUs += saved;
    this.#starts.savedUs += saved;
  }

  /** What the first sandbox of its code says: when it has loaded that, and after its first call. */
  #listener(profile: Profile, from: Node | undefined): (said: unknown) => void {
    const observer = {};
    let words = OBSERVATIONS_MAX;
    return (said) => {
      const loaded = words > 0 ? parseLoaded(said) : undefined;
      words -= 1;
      if (loaded === undefined || (profile.observer ?? observer) !== observer) return;
      const isFirst = profile.observer === undefined;
      profile.observer = observer;
      profile.wish = { ...profile.wish, env: [...new Set([...profile.wish.env, ...loaded.environ])] };
      profile.known = knownFrom(profile, loaded, {
        members: from?.members ?? new Set(),
        tookUs: from?.tookUs ?? new Map(),
      });
      if (from !== undefined && isFirst) this.#save(profile, from);
      this.#growth.planSoon();
    };
  }
}
