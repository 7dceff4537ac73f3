/** Which zygote should be grown next, and which is worth least. Pure. */
import { fits, type Offer, readsUnseen } from './fit.ts';
import type { SetContents } from './owners.ts';
import { type Known, ownerOf, type Profile } from './profile.ts';
import { usedAt } from './use.ts';

/** A zygote that there could be. */
export interface Candidate {
  members: ReadonlySet<string>;
  modules: readonly string[];
  /** One whose packages hold all of it. */
  from: Profile;
  /** Memory that it is expected to take. */
  bytes: number;
  /** What it is expected to save, in microseconds; see `PRICE_US_PER_MB`. */
  worthUs: number;
}

/** A zygote that there is. */
export interface Standing extends Offer {
  parent: Standing | undefined;
  depth: number;
}

/** The time that a megabyte has to save within some ten minutes (the half-life of a use), if it is not short. */
const PRICE_US_PER_MB = 4_000;
/** A process, its page tables and one more of it that waits, however little it imports. */
const PROCESS_BYTES = 6 << 20;
const MB = 1 << 20;
const MODULES_MAX = 64;
/** As many lambdas are compared with each other. */
const PROFILES_MAX = 48;
/** Who asks for as many modules that no zygote can have is not planned for: some of them may be made up. */
const FAILURES_MAX = 8;
export const DEPTH_MAX = 8;

export interface PlanInput {
  profiles: readonly Profile[];
  standing: readonly Standing[];
  /** Whether it has been tried in vain. */
  isSetKeptOut(members: ReadonlySet<string>): boolean;
  /** Whether no zygote with these members may import it. */
  isModuleKeptOut(module: string, members: ReadonlySet<string>): boolean;
  nowMs: number;
}

/** The most worth growing, if any is worth more than it costs. */
export function nextToGrow(input: PlanInput): Candidate | undefined {
  const known = input.profiles
    .filter(({ known, wish }) => known !== undefined && known.used.size > 0 && !readsUnseen(wish))
    .filter(({ failures }) => failures < FAILURES_MAX)
    .sort((a, b) => usedAt(b.uses, input.nowMs) - usedAt(a.uses, input.nowMs))
    .slice(0, PROFILES_MAX);
  let best: Candidate | undefined;
  for (const members of candidateSets(known, input)) {
    if (input.isSetKeptOut(members) || input.standing.some((one) => sameSet(one.members, members))) continue;
    const candidate = weigh(members, known, input);
    if (candidate !== undefined && candidate.worthUs > (best?.worthUs ?? 0)) best = candidate;
  }
  return best;
}

/** What a lambda would save by starting from there, in microseconds. */
export function savedUs({ tookUs }: Known, members: ReadonlySet<string>, owners: SetContents['owners']): number {
  let sum = 0;
  for (const [module, us] of tookUs) if (members.has(ownerOf(owners, module) ?? '')) sum += us;
  return sum;
}

/** The standing one that a lambda should start from. Among equals the one with less that it does not need. */
export function bestFor<S extends Standing>(
  profile: Pick<Profile, 'wish' | 'known'>,
  standing: readonly S[],
): S | undefined {
  let best: { one: S; covered: number; spare: number } | undefined;
  for (const one of standing) {
    if (!fits(one, profile.wish)) continue;
    const { known } = profile;
    const covered = known === undefined ? one.members.size : count(one.members, known.used);
    const spare = one.members.size - covered;
    if (covered === 0) continue;
    if (best === undefined || covered > best.covered || (covered === best.covered && spare < best.spare)) {
      best = { one, covered, spare };
    }
  }
  return best?.one;
}

function candidateSets(profiles: readonly Profile[], input: PlanInput): ReadonlySet<string>[] {
  const wanted = profiles.map((profile) => wantedBy(profile, input));
  const sets = new Map<string, ReadonlySet<string>>();
  for (const [at, one] of wanted.entries()) {
    for (const other of wanted.slice(at)) {
      const common = new Set([...one].filter((member) => other.has(member)));
      if (common.size > 0) sets.set(keyOf(common), common);
    }
  }
  return [...sets.values()];
}

/** Members that it has use for in a zygote: not those that it only asks for modules that no zygote can have. */
function wantedBy({ known, contents }: Profile, { isModuleKeptOut }: PlanInput): ReadonlySet<string> {
  const { modules, used } = known as Known;
  const [fit, unfit] = [new Set<string>(), new Set<string>()];
  for (const module of modules) {
    const owner = ownerOf(contents.owners, module);
    if (owner !== undefined) (isModuleKeptOut(module, used) ? unfit : fit).add(owner);
  }
  return new Set([...used].filter((member) => fit.has(member) || !unfit.has(member)));
}

function weigh(members: ReadonlySet<string>, profiles: readonly Profile[], input: PlanInput): Candidate | undefined {
  let [saved, making, bytes] = [0, 0, 0];
  let from: Profile | undefined;
  const key = keyOf(members);
  const modules = new Map<string, string>();
  for (const profile of profiles) {
    const known = profile.known as Known;
    if (!holds(known.used, members) || profile.misfits.has(key)) continue;
    from ??= profile;
    const { owners } = profile.contents;
    const before = bestFor(profile, input.standing);
    const whole = savedUs(known, members, owners);
    const gain = whole - (before === undefined ? 0 : savedUs(known, before.members, owners));
    saved += Math.max(0, gain) * usedAt(profile.uses, input.nowMs);
    making = Math.max(making, gain);
    bytes = Math.max(bytes, known.grownBytes * (whole / Math.max(1, savedUs(known, known.used, owners))));
    for (const module of known.modules) {
      const owner = ownerOf(owners, module);
      if (owner === undefined || !members.has(owner) || modules.size >= MODULES_MAX) continue;
      if (!input.isModuleKeptOut(module, members)) modules.set(module, owner);
    }
  }
  if (from === undefined || modules.size === 0) return undefined;
  const taken = bytes + PROCESS_BYTES;
  const worthUs = saved - making - (taken / MB) * PRICE_US_PER_MB;
  return { members, modules: [...modules.keys()], from, bytes: taken, worthUs };
}

export function keyOf(members: Iterable<string>): string {
  return [...members].sort().join(' ');
}

export function sameSet(one: ReadonlySet<string>, other: ReadonlySet<string>): boolean {
  return one.size === other.size && holds(one, other);
}

export function holds(whole: ReadonlySet<string>, part: ReadonlySet<string>): boolean {
  return count(part, whole) === part.size;
}

function count(some: ReadonlySet<string>, among: ReadonlySet<string>): number {
  let found = 0;
  for (const one of some) if (among.has(one)) found += 1;
  return found;
}
