/** Whether a lambda may start from a zygote: whether it would have got the same modules by itself. Pure. */
import type { Imports } from '../sandbox/sandbox.ts';
import { wordOf } from './owners.ts';

/** What a lambda brings to where it starts from. */
export interface Wish {
  members: ReadonlySet<string>;
  /** All that its packages bring, as `SetContents.names`. */
  names: ReadonlySet<string>;
  /** As `SetContents.contested`. */
  contested: ReadonlySet<string>;
  /** Modules of its own, which come before those of packages. */
  ownNames: ReadonlySet<string>;
  /** Variables that it has of its own, or sets before it imports something. */
  env: readonly string[];
}

/** A zygote as far as that matters: what it and those before it have imported. */
export interface Offer {
  members: ReadonlySet<string>;
  /** From the one made first to itself. */
  imports: readonly Imports[];
}

const ALL = '*';
/** Read by libraries that are not Python, which nobody sees. */
const LIBRARY_ENV = /^(OMP|OPENBLAS|GOTO|MKL|BLIS|KMP|NUMEXPR|VECLIB|ATLAS|CUDA|MALLOC|ARROW|TORCH|TF)_/;
/** Different in every lambda, and not there in a zygote. */
const OWN_ENV = /^(AWS_LAMBDA_(FUNCTION_(NAME|VERSION|MEMORY_SIZE)|LOG_(GROUP|STREAM)_NAME)|_HANDLER)$/;

export function fits(offer: Offer, wish: Wish): boolean {
  return misfit(offer, wish) === undefined;
}

/** Why it may not start from there, for the operator; undefined if it may. */
export function misfit(offer: Offer, wish: Wish): string | undefined {
  for (const member of offer.members) if (!wish.members.has(member)) return `the lambda does not have ${member}`;
  if (readsUnseen(wish)) return 'the lambda sets variables that libraries read without Python';
  const same = offer.members.size === wish.members.size;
  for (const imports of offer.imports) {
    const effect = effectOf(imports, wish, same);
    if (effect !== undefined) return effect;
  }
  return undefined;
}

/** Whether it sets variables that a library may have read in any zygote. */
export function readsUnseen({ env }: Wish): boolean {
  return env.some((name) => LIBRARY_ENV.test(name));
}

/** What the lambda has that would have had an effect on these imports. */
function effectOf({ units, vain, environ }: Imports, wish: Wish, same: boolean): string | undefined {
  const shadowed = units.find((unit) => wish.ownNames.has(topOf(unit)));
  if (shadowed !== undefined) return `the lambda has a file of its own for ${topOf(shadowed)}`;
  const shared = same ? undefined : units.find((unit) => wish.contested.has(topOf(unit)));
  if (shared !== undefined) return `another package of the lambda brings files of ${topOf(shared)}, too`;
  for (const name of environ) {
    if (OWN_ENV.test(name)) return `its modules read ${name}, which is another in every lambda`;
    if (name === ALL ? wish.env.length > 0 : wish.env.includes(name)) {
      return `its modules read ${name === ALL ? 'all variables' : name}, and the lambda sets some`;
    }
  }
  for (const name of vain) {
    if (wish.ownNames.has(topOf(name))) return `its modules looked for ${name} in vain, which the lambda has`;
    // With the same packages, it would look in vain, too.
    if (same) continue;
    if (name === ALL) return 'its modules listed all packages, and the lambda has more';
    if (wish.names.has(wordOf(name))) return `its modules looked for ${name} in vain, which the lambda has`;
  }
  return undefined;
}

function topOf(unit: string): string {
  return unit.split(/[./]/)[0] as string;
}
