/** The zygotes that there are, and what became of those that could not be. */
import type { Imports, PackageSet, Zygote, ZygoteEnding } from '../sandbox/sandbox.ts';
import { bestFor, holds, keyOf, type Standing, savedUs } from './plan.ts';
import type { Profile } from './profile.ts';
import { usedAt } from './use.ts';

export class Node implements Standing {
  readonly members: ReadonlySet<string>;
  readonly modules: readonly string[];
  readonly packages: PackageSet;
  readonly parent: Node | undefined;
  readonly depth: number;
  zygote: Zygote;
  /** Sandboxes that lambdas have started from it. */
  hits = 0;
  /** What that has saved, in microseconds. */
  savedUs = 0;
  /** What it takes, with its part of what it shares; undefined until it has been measured. */
  bytes: number | undefined;

  constructor(zygote: Zygote, grown: { packages: PackageSet; modules: readonly string[]; parent: Node | undefined }) {
    this.zygote = zygote;
    this.packages = grown.packages;
    this.members = new Set(grown.packages.members);
    this.modules = grown.modules;
    this.parent = grown.parent;
    this.depth = grown.parent === undefined ? 1 : grown.parent.depth + 1;
  }

  get imports(): readonly Imports[] {
    return [...(this.parent?.imports ?? []), this.zygote.imports];
  }

  /** What its modules took to import, those of its parents included. */
  get tookUs(): ReadonlyMap<string, number> {
    return new Map(this.imports.flatMap(({ tookUs }) => [...tookUs]));
  }
}

export interface KeptOut {
  members: readonly string[];
  /** Whose import did it, if that is known. */
  module: string | null;
  reason: string;
}

/** As many are remembered; who fails after that is tried again and again, once for each plan. */
const KEPT_OUT_MAX = 1_000;

export class Tree {
  readonly #nodes = new Set<Node>();
  readonly #keptOut = new Map<string, KeptOut>();
  /** By module: beside which members it has failed. */
  readonly #modulesKeptOut = new Map<string, ReadonlySet<string>[]>();

  /** Those made first come first. */
  get nodes(): readonly Node[] {
    return [...this.#nodes];
  }

  get keptOut(): readonly KeptOut[] {
    return [...this.#keptOut.values()];
  }

  add(node: Node): void {
    this.#nodes.add(node);
  }

  /** It makes no more sandboxes: nor do those that it has made, from now on. */
  remove(node: Node): void {
    this.#nodes.delete(node);
    for (const child of this.nodes) if (child.parent === node) this.retire(child);
  }

  retire(node: Node): void {
    this.remove(node);
    node.zygote.retire();
  }

  keepOut(members: ReadonlySet<string>, { reason, module }: ZygoteEnding & { cause: 'failed' }): void {
    if (this.#keptOut.size >= KEPT_OUT_MAX) return;
    this.#keptOut.set(`${keyOf(members)} ${module ?? ''}`, { members: [...members].sort(), module, reason });
  }

  /**
   * The module is not imported again where all these members are. Only there: who else is in that zygote may have
   * made it fail, or lied about who did.
   */
  keepModuleOut(module: string, members: ReadonlySet<string>): void {
    const beside = this.#modulesKeptOut.get(module) ?? [];
    if (beside.length >= KEPT_OUT_MAX) return;
    this.#modulesKeptOut.set(module, [...beside, members]);
  }

  /** For the operator to see: it could be, and no lambda could have started from it. */
  noteMisfit(members: ReadonlySet<string>, reason: string): void {
    if (this.#keptOut.size >= KEPT_OUT_MAX) return;
    this.#keptOut.set(`${keyOf(members)} misfit`, { members: [...members].sort(), module: null, reason });
  }

  /** If it is known which of its modules fails, it may be tried without that. */
  isSetKeptOut(members: ReadonlySet<string>): boolean {
    return this.#keptOut.has(`${keyOf(members)} `);
  }

  isModuleKeptOut(module: string, members: ReadonlySet<string>): boolean {
    return this.#modulesKeptOut.get(module)?.some((beside) => holds(members, beside)) ?? false;
  }

  /** The one whose end would cost the least time, among those that no other was made from. */
  leastValuable(profiles: Iterable<Profile>, nowMs: number): { node: Node; valueUs: number } | undefined {
    const values = this.#values(profiles, nowMs);
    const parents = new Set(this.nodes.map(({ parent }) => parent));
    let least: { node: Node; valueUs: number } | undefined;
    for (const [node, valueUs] of values) {
      if (!parents.has(node) && valueUs < (least?.valueUs ?? Number.POSITIVE_INFINITY)) least = { node, valueUs };
    }
    return least;
  }

  /** What each has saved of late, compared with its parent. */
  #values(profiles: Iterable<Profile>, nowMs: number): Map<Node, number> {
    const values = new Map(this.nodes.map((node) => [node, 0]));
    for (const profile of profiles) {
      const node = bestFor(profile, this.nodes);
      if (node === undefined || profile.known === undefined) continue;
      const { owners } = profile.contents;
      const without = node.parent === undefined ? 0 : savedUs(profile.known, node.parent.members, owners);
      const gain = savedUs(profile.known, node.members, owners) - without;
      values.set(node, (values.get(node) ?? 0) + gain * usedAt(profile.uses, nowMs));
    }
    return values;
  }
}
