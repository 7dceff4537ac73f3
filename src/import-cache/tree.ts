/** The zygotes that there are, and what became of those that could not be. */
import type { Imports, PackageSet, Zygote, ZygoteEnding } from '../sandbox/sandbox.ts';
import { bestFor, keyOf, type Standing, savedUs } from './plan.ts';
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
  readonly #membersKeptOut = new Set<string>();

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

  /** `owner`: the member whose import did it, if that is known. */
  keepOut(members: ReadonlySet<string>, { reason, module }: ZygoteEnding & { cause: 'failed' }, owner?: string): void {
    if (this.#keptOut.size >= KEPT_OUT_MAX) return;
    this.#keptOut.set(keyOf(members), { members: [...members].sort(), module, reason });
    if (owner !== undefined) this.#membersKeptOut.add(owner);
  }

  isSetKeptOut(members: ReadonlySet<string>): boolean {
    return this.#keptOut.has(keyOf(members));
  }

  isMemberKeptOut(member: string): boolean {
    return this.#membersKeptOut.has(member);
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
