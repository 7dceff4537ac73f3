import { expect, it } from 'vitest';
import { bestFor, nextToGrow, type Standing } from '../../../src/import-cache/plan.ts';
import { type Known, knownFrom, type Profile } from '../../../src/import-cache/profile.ts';
import { UNUSED, usedAgain, usedAt } from '../../../src/import-cache/use.ts';
import type { Imports } from '../../../src/sandbox/sandbox.ts';

const MB = 1 << 20;
const MINUTE_MS = 60_000;
const NOTHING: Imports = { tookUs: new Map(), units: [], vain: [], environ: [] };

/** A lambda whose packages are called as their modules, each with the milliseconds that it takes. */
function lambda(ms: Record<string, number>, { uses = 10, mb = 20, extra = [] as string[] } = {}): Profile {
  const names = [...Object.keys(ms), ...extra];
  const known: Known = {
    modules: Object.keys(ms),
    used: new Set(Object.keys(ms)),
    tookUs: new Map(Object.entries(ms).map(([name, each]) => [name, each * 1000])),
    grownBytes: mb * MB,
  };
  return {
    codeDir: '/code',
    packages: { dir: `/sets/${names}`, members: names },
    wish: { members: new Set(names), names: new Set(names), contested: new Set(), ownNames: new Set(), env: [] },
    contents: { names: new Set(names), owners: new Map(names.map((name) => [name, name])), contested: new Set() },
    uses: { atMs: 0, count: uses },
    known,
    seen: undefined,
    misfits: new Set(),
    failures: 0,
    observer: {},
  };
}

const zygote = (...members: string[]): Standing => ({
  members: new Set(members),
  imports: [NOTHING],
  parent: undefined,
  depth: 1,
});

function next(profiles: Profile[], standing: Standing[] = [], { kept = [] as string[], nowMs = 0 } = {}) {
  const isModuleKeptOut = (module: string) => kept.includes(module);
  return nextToGrow({ profiles, standing, isSetKeptOut: () => false, isModuleKeptOut, nowMs });
}

it('grows nothing for what was used once, what is cheap, what is large, or what nobody knows', () => {
  expect(next([lambda({ pandas: 400 }, { uses: 1 })])).toBeUndefined();
  expect(next([lambda({ six: 1 })])).toBeUndefined();
  expect(next([lambda({ big: 50 }, { uses: 2, mb: 1_000 })])).toBeUndefined();
  expect(next([{ ...lambda({ pandas: 400 }), known: undefined }])).toBeUndefined();
});

it('grows what was used twice and is slow to import', () => {
  const found = next([lambda({ pandas: 400 }, { uses: 2, mb: 40 })]);
  expect(found).toMatchObject({ members: new Set(['pandas']), modules: ['pandas'] });
  expect(found?.bytes).toBeGreaterThan(40 * MB);
});

it('forgets what was used long ago', () => {
  const profile = lambda({ pandas: 400 }, { uses: 2 });
  expect(next([profile], [], { nowMs: 60 * MINUTE_MS })).toBeUndefined();
});

it('holds only what is imported, not all that is installed', () => {
  expect(next([lambda({ numpy: 100 }, { extra: ['scipy'] })])?.members).toEqual(new Set(['numpy']));
});

it('grows what many share before what each has alone', () => {
  const profiles = ['a', 'b', 'c', 'd'].map((own) => lambda({ numpy: 200, [own]: 5 }, { uses: 3 }));
  expect(next(profiles)?.members).toEqual(new Set(['numpy']));
});

it('grows more on top where that is worth it, and nothing twice', () => {
  const profiles = [lambda({ numpy: 100 }), lambda({ numpy: 100, pandas: 300 })];
  expect(next(profiles, [zygote('numpy')])?.members).toEqual(new Set(['numpy', 'pandas']));
  expect(next(profiles, [zygote('numpy'), zygote('numpy', 'pandas')])).toBeUndefined();
});

it('leaves out what is kept out', () => {
  expect(next([lambda({ numpy: 100, bad: 300 })], [], { kept: ['bad'] })?.members).toEqual(new Set(['numpy']));
});

it('starts a lambda from the zygote with most of what it imports, and least of what it does not', () => {
  const all = [zygote('numpy'), zygote('numpy', 'pandas'), zygote('numpy', 'pandas', 'scipy')];
  const profile = lambda({ numpy: 100, pandas: 300 }, { extra: ['scipy'] });
  expect(bestFor(profile, all)).toBe(all[1]);
  expect(bestFor({ ...profile, known: undefined }, all)).toBe(all[2]);
  expect(bestFor(lambda({ scipy: 100 }), all)).toBeUndefined();
});

it('knows what was there already as used, with the time that it took the zygote', () => {
  const contents = {
    names: new Set<string>(),
    owners: new Map([
      ['numpy', 'N'],
      ['pandas', 'P'],
      ['google/protobuf', 'G'],
    ]),
    contested: new Set<string>(),
  };
  const loaded = {
    asked: [
      { module: 'pandas', us: 3 },
      { module: 'json', us: 9 },
    ],
    units: ['google/protobuf'],
    environ: [],
    grownBytes: 1,
  };
  const known = knownFrom({ contents }, loaded, {
    members: new Set(['N', 'P']),
    tookUs: new Map([['pandas', 300_000]]),
  });
  expect([...known.used].sort()).toEqual(['G', 'N', 'P']);
  expect([...known.tookUs]).toEqual([['pandas', 300_000]]);
});

it('counts uses, which halve in ten minutes', () => {
  const use = usedAgain(usedAgain(UNUSED, 0), 10 * MINUTE_MS);
  expect(usedAt(use, 10 * MINUTE_MS)).toBeCloseTo(1.5);
  expect(usedAt(use, 20 * MINUTE_MS)).toBeCloseTo(0.75);
});
