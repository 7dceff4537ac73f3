/** Whether a lambda may start from a zygote: whether it would have got the same modules by itself. Pure. */
import type { Imports } from '../sandbox/sandbox.ts';
import { wordOf } from './owners.ts';

/** What a lambda brings to where it starts from. */
export interface Wish {
  members: ReadonlySet<string>;
  /** All that its packages bring, as `SetContents.names`. */
  names: ReadonlySet<string>;
  /** Modules of its own, which come before those of packages. */
  ownNames: ReadonlySet<string>;
  /** Variables of its own. */
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
const OWN_ENV = /^(AWS_LAMBDA_(FUNCTION|LOG)_|_HANDLER$)/;

export function fits(offer: Offer, wish: Wish): boolean {
  for (const member of offer.members) if (!wish.members.has(member)) return false;
  if (wish.env.some((name) => LIBRARY_ENV.test(name))) return false;
  const same = offer.members.size === wish.members.size;
  return offer.imports.every((imports) => isUnaffected(imports, wish, same));
}

function isUnaffected({ units, vain, environ }: Imports, wish: Wish, same: boolean): boolean {
  if (units.some((unit) => wish.ownNames.has(topOf(unit)))) return false;
  for (const name of environ) {
    if (OWN_ENV.test(name)) return false;
    if (name === ALL ? wish.env.length > 0 : wish.env.includes(name)) return false;
  }
  for (const name of vain) {
    if (wish.ownNames.has(topOf(name))) return false;
    // With the same packages, it would look in vain, too.
    if (!same && (name === ALL || wish.names.has(wordOf(name)))) return false;
  }
  return true;
}

function topOf(unit: string): string {
  return unit.split(/[./]/)[0] as string;
}
