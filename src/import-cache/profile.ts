/** What is known of a lambda's imports: one version of its code with one set of packages. */
import type { LoadedPackages, PackageSet } from '../sandbox/sandbox.ts';
import type { Wish } from './fit.ts';
import type { SetContents } from './owners.ts';
import { UNUSED, type Use } from './use.ts';

export interface Profile {
  readonly codeDir: string;
  readonly packages: PackageSet;
  wish: Wish;
  readonly contents: SetContents;
  uses: Use;
  /** Undefined until its code has loaded once; of the code before it until then. */
  known: Known | undefined;
  /** What it was seen to use, once a zygote with no more than that could not be. */
  seen: ReadonlySet<string> | undefined;
  /** Members of zygotes that were grown and that it may not start from, by `keyOf`. */
  readonly misfits: Set<string>;
  /** Zygotes that failed by a module that it asks for. */
  failures: number;
  /** Who has told `known`; undefined as long as it is not its own. */
  observer: object | undefined;
}

export interface Known {
  /** What its own modules import, in that order. */
  readonly modules: readonly string[];
  /** Members whose modules were loaded. */
  readonly used: ReadonlySet<string>;
  /** What each of them costs to import, by the module that asked for it. In microseconds. */
  readonly tookUs: ReadonlyMap<string, number>;
  /** Memory that loading it all takes. */
  readonly grownBytes: number;
}

export function newProfile(codeDir: string, packages: PackageSet, wish: Wish, contents: SetContents): Profile {
  return {
    codeDir,
    packages,
    wish,
    contents,
    uses: UNUSED,
    known: undefined,
    seen: undefined,
    misfits: new Set(),
    failures: 0,
    observer: undefined,
  };
}

/** `had`: members that its zygote had loaded already, and what those took. */
export function knownFrom(
  { contents: { owners } }: Pick<Profile, 'contents'>,
  { asked, units, grownBytes }: LoadedPackages,
  had: { members: ReadonlySet<string>; tookUs: ReadonlyMap<string, number> },
): Known {
  const used = new Set<string>();
  const tookUs = new Map<string, number>();
  for (const { module, us } of asked) {
    const owner = ownerOf(owners, module);
    if (owner === undefined) continue;
    // What was there already has not come alone.
    if (had.members.has(owner)) for (const member of had.members) used.add(member);
    used.add(owner);
    tookUs.set(module, Math.max(us, had.tookUs.get(module) ?? 0));
  }
  for (const unit of units) {
    const owner = owners.get(unit);
    if (owner !== undefined) used.add(owner);
  }
  return { modules: [...tookUs.keys()], used, tookUs, grownBytes };
}

/** Of `scipy.stats`, or `google.protobuf.message`. */
export function ownerOf(owners: ReadonlyMap<string, string>, module: string): string | undefined {
  const [top, second] = module.split('.') as [string, string | undefined];
  return (
    (second === undefined ? undefined : sharedOwner(owners, top, second)) ??
    owners.get(top) ??
    owners.get(`${top}.py`) ??
    extension(owners, top)
  );
}

function sharedOwner(owners: ReadonlyMap<string, string>, top: string, second: string): string | undefined {
  return owners.get(`${top}/${second}`) ?? owners.get(`${top}/${second}.py`);
}

function extension(owners: ReadonlyMap<string, string>, top: string): string | undefined {
  for (const [unit, owner] of owners) if (unit.startsWith(`${top}.`)) return owner;
  return undefined;
}
