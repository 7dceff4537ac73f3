/** Grows and sheds the zygotes of an import cache, one at a time, beside the calls. What to grow is plan.ts's. */
import type { EngineLog, PackageSet, ZygoteEnding, ZygoteEngine } from '../sandbox/sandbox.ts';
import { fits, misfit } from './fit.ts';
import type { SetContents } from './owners.ts';
import { type Candidate, DEPTH_MAX, holds, keyOf, nextToGrow } from './plan.ts';
import type { Profile } from './profile.ts';
import { Node, Tree } from './tree.ts';

export interface GrowthOptions {
  engine: ZygoteEngine;
  /** The packages of that set that these members have brought, as a set of their own. */
  subset(packages: PackageSet, members: ReadonlySet<string>): Promise<PackageSet>;
  /** How many zygotes with packages there may be. */
  zygotesMax: number;
  /** What they may take together. */
  bytesMax: number;
  log: EngineLog;
}

/** What is known of the lambdas. */
export interface Knowledge {
  profiles(): Iterable<Profile>;
  contentsOf(packages: PackageSet): SetContents;
}

/** Calls that come together are planned for together. */
const PLAN_MS = 200;
const RELIEVE_MS = 2_000;
const MEASURE_MS = 10_000;
/** Whose zygote saves less than this, in microseconds, was not used for hours. */
const VALUE_US_MIN = 100;
/** A zygote may take this much more than it is expected to before the kernel ends it. */
const MEMORY_SLACK_MB = 256;
const MB = 1 << 20;

export class Growth {
  readonly tree = new Tree();
  readonly #options: GrowthOptions;
  readonly #knowledge: Knowledge;
  #planning: NodeJS.Timeout | undefined;
  #growing: Promise<void> | undefined;
  readonly #measuring: NodeJS.Timeout;
  #relievedMs = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(options: GrowthOptions, knowledge: Knowledge) {
    this.#options = options;
    this.#knowledge = knowledge;
    options.engine.onRenewed = () => void this.#exclusively(() => this.#renew());
    this.#measuring = setInterval(() => void this.#measure(), MEASURE_MS);
    this.#measuring.unref();
  }

  /** To be called when something has become known, or was used. */
  planSoon(): void {
    if (this.#closed) return;
    this.#planning ??= setTimeout(() => {
      this.#planning = undefined;
      void this.#exclusively(() => this.#growAll());
    }, PLAN_MS);
  }

  /** Has the zygote end that is worth least. What that gives back, in bytes; 0 if there is none. */
  relieve(): number {
    const least = this.#leastValuable();
    // What the last one gives back has to show first.
    if (least === undefined || performance.now() - this.#relievedMs < RELIEVE_MS) return 0;
    this.#relievedMs = performance.now();
    this.#shed(least.node, 'memory is short');
    return least.node.bytes ?? 0;
  }

  /** Begins no more; `done` resolves when what has begun is over, which the end of the engine sees to. */
  close(): { done: Promise<void> } {
    this.#closed = true;
    clearTimeout(this.#planning);
    clearInterval(this.#measuring);
    return { done: this.#growing ?? Promise.resolve() };
  }

  #leastValuable() {
    return this.tree.leastValuable(this.#knowledge.profiles(), performance.now());
  }

  /** One change of the tree at a time. */
  #exclusively(change: () => Promise<void>): Promise<void> {
    const { log } = this.#options;
    this.#growing = (this.#growing ?? Promise.resolve())
      .then(() => (this.#closed ? undefined : change()))
      .catch((error: unknown) => log('error', 'the import cache could not be changed', { err: error }));
    return this.#growing;
  }

  async #growAll(): Promise<void> {
    for (let candidate = this.#next(); candidate !== undefined && !this.#closed; candidate = this.#next()) {
      if (!this.#makeRoom(candidate) || !(await this.#grow(candidate))) return;
    }
  }

  #next(): Candidate | undefined {
    return nextToGrow({
      profiles: [...this.#knowledge.profiles()],
      standing: this.tree.nodes,
      isSetKeptOut: (members) => this.tree.isSetKeptOut(members),
      isModuleKeptOut: (module, members) => this.tree.isModuleKeptOut(module, members),
      nowMs: performance.now(),
    });
  }

  /** False if all that there are, are worth more. */
  #makeRoom({ bytes, worthUs }: Candidate): boolean {
    const { zygotesMax, bytesMax } = this.#options;
    if (zygotesMax === 0 || bytes > bytesMax) return false;
    while (this.tree.nodes.length >= zygotesMax || this.#bytes() + bytes > bytesMax) {
      const least = this.#leastValuable();
      if (least === undefined || least.valueUs * 2 > worthUs) return false;
      this.#shed(least.node, 'another one is worth more');
    }
    return true;
  }

  #bytes(): number {
    return this.tree.nodes.reduce((sum, { bytes = 0 }) => sum + bytes, 0);
  }

  #shed(node: Node, reason: string): void {
    this.#options.log('info', 'a zygote is shed', { members: namesOf(node.members), reason });
    this.tree.retire(node);
  }

  /** False if there is no use in going on for now. */
  async #grow(candidate: Candidate): Promise<boolean> {
    const { members, modules, from, bytes } = candidate;
    const packages = holds(members, from.wish.members)
      ? from.packages
      : await this.#options.subset(from.packages, members);
    const parent = this.#parentOf(packages);
    const memoryMb = Math.ceil((2 * bytes) / MB) + MEMORY_SLACK_MB;
    const beganMs = performance.now();
    const outcome = await this.#options.engine.grow({ parent: parent?.zygote, packages, modules, memoryMb });
    if ('cause' in outcome) return this.#notGrown(candidate, outcome);
    const node = new Node(outcome, { packages, modules, parent });
    if (!this.#isOfUse(node)) {
      outcome.retire();
      return true;
    }
    this.#stand(node, beganMs);
    return true;
  }

  /** The one with most of these packages, and nothing else. */
  #parentOf(packages: PackageSet): Node | undefined {
    const members = new Set(packages.members);
    const { names, contested } = this.#knowledge.contentsOf(packages);
    const wish = { members, names, contested, ownNames: new Set<string>(), env: [] };
    let best: Node | undefined;
    for (const node of this.tree.nodes) {
      if (node.depth >= DEPTH_MAX || node.members.size >= members.size || !fits(node, wish)) continue;
      if (node.members.size > (best?.members.size ?? 0)) best = node;
    }
    return best;
  }

  #stand(node: Node, beganMs: number): void {
    this.tree.add(node);
    const tookMs = Math.round(performance.now() - beganMs);
    this.#options.log('info', 'a zygote has been grown', { members: namesOf(node.members), depth: node.depth, tookMs });
    this.#follow(node);
    void this.#measure();
  }

  #follow(node: Node): void {
    const { zygote } = node;
    void zygote.ended.then((ending) => {
      // Another one stands in its place.
      if (node.zygote !== zygote) return;
      this.tree.remove(node);
      if (ending.cause === 'failed') this.#keepOut(node.members, ending);
    });
  }

  /** Whether any lambda that it was meant for may start from it; who may not is not counted for its like again. */
  #isOfUse(node: Node): boolean {
    const meant = [...this.#knowledge.profiles()].filter(
      ({ known }) => known !== undefined && holds(known.used, node.members),
    );
    const reasons = meant.map((profile) => {
      const reason = misfit(node, profile.wish);
      if (reason !== undefined && !widen(profile, node.members)) profile.misfits.add(keyOf(node.members));
      return reason;
    });
    if (reasons.includes(undefined)) return true;
    this.tree.noteMisfit(node.members, reasons[0] ?? 'nobody needs it any more');
    return false;
  }

  /** False if there is no use in going on for now. */
  #notGrown({ members, modules, from }: Candidate, ending: ZygoteEnding): boolean {
    if (ending.cause !== 'failed') return false;
    if (widen(from, members)) return true;
    const { known, seen } = from;
    // The module is what the zygote says: package code.
    const module = ending.module !== null && modules.includes(ending.module) ? ending.module : null;
    this.#keepOut(members, { ...ending, module });
    if (module !== null) {
      this.tree.keepModuleOut(module, seen !== undefined && holds(members, seen) ? seen : members);
      for (const profile of this.#knowledge.profiles())
        if (profile.known?.modules.includes(module)) profile.failures += 1;
    }
    if (known !== undefined && seen !== undefined) from.known = { ...known, used: seen };
    return true;
  }

  #keepOut(members: ReadonlySet<string>, ending: ZygoteEnding & { cause: 'failed' }): void {
    const { reason, module } = ending;
    this.tree.keepOut(members, ending);
    this.#options.log('warn', 'packages are kept out of the import cache', {
      members: namesOf(members),
      module,
      reason,
    });
  }

  /** The zygote without packages is another one now, whose memory lies elsewhere: so shall that of the rest. */
  async #renew(): Promise<void> {
    for (const node of this.tree.nodes) {
      const { packages, modules, parent, zygote: before } = node;
      const memoryMb = Math.ceil((2 * (node.bytes ?? 0)) / MB) + MEMORY_SLACK_MB;
      const outcome = await this.#options.engine.grow({ parent: parent?.zygote, packages, modules, memoryMb });
      if ('cause' in outcome) {
        this.tree.retire(node);
        continue;
      }
      node.zygote = outcome;
      this.#follow(node);
      before.retire();
    }
  }

  async #measure(): Promise<void> {
    if (this.tree.nodes.length === 0 || this.#closed) return;
    const sizes = await this.#options.engine.measure();
    for (const node of this.tree.nodes) node.bytes = sizes.get(node.zygote) ?? node.bytes;
    const least = this.#leastValuable();
    if (least === undefined) return;
    if (this.#bytes() > this.#options.bytesMax) this.#shed(least.node, 'zygotes take more than they may');
    else if (least.valueUs < VALUE_US_MIN) this.#shed(least.node, 'it has not been used for long');
  }
}

/**
 * A zygote with these of its packages was not what it should be, perhaps for want of one that nobody saw it use: from
 * now on it is taken to use all that it has. False if that has been tried.
 */
function widen(profile: Profile, members: ReadonlySet<string>): boolean {
  const { known, seen, packages } = profile;
  const all = new Set(packages.members);
  if (known === undefined || seen !== undefined || holds(members, all)) return false;
  profile.seen = known.used;
  profile.known = { ...known, used: all };
  return true;
}

function namesOf(members: Iterable<string>): string[] {
  return [...members].map((member) => member.split('@')[0] as string).sort();
}
