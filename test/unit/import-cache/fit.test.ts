import { expect, it } from 'vitest';
import { fits, type Offer, type Wish } from '../../../src/import-cache/fit.ts';
import type { Imports } from '../../../src/sandbox/sandbox.ts';

const NOTHING: Imports = { tookUs: new Map(), units: [], vain: [], environ: [] };
const offer = (imports: Partial<Imports> = {}, ...members: string[]): Offer => ({
  members: new Set(members.length === 0 ? ['numpy'] : members),
  imports: [NOTHING, { ...NOTHING, ...imports }],
});
const wish = (more: Partial<Wish> = {}): Wish => ({
  members: new Set(['numpy', 'numexpr']),
  names: new Set(['numpy', 'numexpr', 'numexpr.dist-info', 'google', 'google.cloud']),
  contested: new Set(),
  ownNames: new Set(['lambda_func']),
  env: [],
  ...more,
});

it.each<[string, Offer, Partial<Wish>, boolean]>([
  ['has some of its packages', offer(), {}, true],
  ['has a package that it has not', offer({}, 'numpy', 'pandas'), {}, false],
  ['looked in vain for what nobody has', offer({ vain: ['bottleneck'] }), {}, true],
  ['looked in vain for a package of its', offer({ vain: ['numexpr'] }), {}, false],
  ['looked in vain for the metadata of one', offer({ vain: ['Num_Expr.dist-info', 'NumExpr.dist-info'] }), {}, false],
  ['looked in vain in a name space that it has more of', offer({ vain: ['google.cloud'] }), {}, false],
  ['looked at all that is installed', offer({ vain: ['*'] }), {}, false],
  [
    'looked at all that is installed, and that is the same',
    offer({ vain: ['*'] }),
    { members: new Set(['numpy']) },
    true,
  ],
  ['looked in vain for a module of its own', offer({ vain: ['helpers'] }), { ownNames: new Set(['helpers']) }, false],
  [
    'has a module that it has a file of its own for',
    offer({ units: ['six.py'] }),
    { ownNames: new Set(['six']) },
    false,
  ],
  [
    'has a module whose files another package of its brings, too',
    offer({ units: ['six.py'] }),
    { contested: new Set(['six']) },
    false,
  ],
  [
    'has such a module, and the same packages',
    offer({ units: ['six.py'] }),
    { contested: new Set(['six']), members: new Set(['numpy']) },
    true,
  ],
  ['read a variable that it does not set', offer({ environ: ['MODE'] }), { env: ['OTHER'] }, true],
  ['read a variable that it sets', offer({ environ: ['MODE'] }), { env: ['MODE'] }, false],
  ['read all variables', offer({ environ: ['*'] }), { env: ['MODE'] }, false],
  ['read all variables, and it sets none', offer({ environ: ['*'] }), {}, true],
  ['may have read what no one sees', offer(), { env: ['OMP_NUM_THREADS'] }, false],
  ['read who it is', offer({ environ: ['AWS_LAMBDA_FUNCTION_NAME'] }), {}, false],
])('a lambda and a zygote that %s', (_what, one, more, expected) => {
  expect(fits(one, wish(more))).toBe(expected);
});
