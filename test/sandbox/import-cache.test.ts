/** The import cache on the real engine, with packages written for the purpose. */
import { afterEach, expect, it } from 'vitest';
import type { PackageSet } from '../../src/sandbox/sandbox.ts';
import type { ZygoteView } from '../../src/sandbox/zygote-view.ts';
import { type Asked, resultOf } from './engine-fixture.ts';
import { type CacheBench, type CacheLimits, openCache } from './import-cache-fixture.ts';
import { run as runCell, startOn } from './kernel-fixture.ts';

let opened: CacheBench;
let sets: CacheBench['sets'];
let bench: CacheBench['bench'];
let cache: CacheBench['cache'];

async function open(limits: CacheLimits = {}): Promise<void> {
  opened = await openCache(limits);
  ({ sets, bench, cache } = opened);
}

afterEach(() => opened.close());

/** Takes 300 ms to import, and tells apart whether that was done anew. */
const SLOW = 'import time\ntime.sleep(0.3)\nBORN = time.monotonic()\n';

async function run(
  lambda: string,
  source: string | Record<string, string>,
  packages: PackageSet,
  asked: Asked = {},
): Promise<unknown> {
  const sandbox = await bench.sandbox(source, lambda, { packages, engine: cache, ...asked });
  const result = await resultOf(sandbox);
  await sandbox.destroy();
  return result;
}

async function runUntil(
  lambda: string,
  source: string | Record<string, string>,
  packages: PackageSet,
  isThere: (zygotes: readonly ZygoteView[]) => boolean,
) {
  await expect
    .poll(
      async () => {
        await run(lambda, source, packages);
        return isThere(cache.imports().zygotes);
      },
      { timeout: 20_000, interval: 100 },
    )
    .toBe(true);
}

const importing = (...modules: string[]) =>
  `import ${modules.join(', ')}\ndef handler(e):\n    return [${modules.map((one) => `${one}.BORN`).join(', ')}]\n`;

it('imports once what a lambda imports again and again', async () => {
  await open();
  const packages = sets.make({ slow: { slow: SLOW }, unused: { unused: SLOW } });
  const first = await run('a', importing('slow'), packages);
  expect(await run('a', importing('slow'), packages)).not.toEqual(first);
  await runUntil('a', importing('slow'), packages, (zygotes) => zygotes.length > 0);
  const [zygote] = cache.imports().zygotes as [ZygoteView];
  expect(zygote).toMatchObject({ parent: null, packages: ['slow==1'] });
  expect(zygote.import_ms).toBeGreaterThanOrEqual(300);
  const later = await run('a', importing('slow'), packages);
  expect(await run('a', importing('slow'), packages)).toEqual(later);
  expect((cache.imports().zygotes[0] as ZygoteView).hits).toBeGreaterThanOrEqual(2);
  expect((cache.imports().zygotes[0] as ZygoteView).saved_ms).toBeGreaterThanOrEqual(600);
});

it('serves a lambda that it has never seen from what another one imports', async () => {
  await open();
  const packages = sets.make({ slow: { slow: SLOW } });
  await runUntil('a', importing('slow'), packages, (zygotes) => zygotes.length > 0);
  const born = await run('a', importing('slow'), packages);
  expect(await run('b', importing('slow'), sets.make({ slow: { slow: SLOW }, more: { more: '' } }))).toEqual(born);
  expect(cache.imports().hits).toBeGreaterThanOrEqual(2);
});

it('starts a session from the zygote that has most of its packages', async () => {
  await open();
  const packages = sets.make({ slow: { slow: SLOW } });
  await runUntil('a', importing('slow'), packages, (zygotes) => zygotes.length > 0);
  const born = await run('a', importing('slow'), packages);
  const more = sets.make({ slow: { slow: SLOW }, more: { more: '' } });
  const kernel = await startOn(bench, { engine: cache, packages: more });
  expect((await runCell(kernel, 'import slow\n[slow.BORN]')).displays[0]?.bundle['text/plain']).toBe(
    JSON.stringify(born),
  );
  const other = await startOn(bench, { engine: cache, packages: sets.make({ more: { more: '' } }) });
  expect((await runCell(other, 'import slow')).error?.name).toBe('ModuleNotFoundError');
  for (const one of [kernel, other]) await one.destroy();
});

it('becomes a tree where lambdas share some of their packages', async () => {
  await open();
  const both = sets.make({ slow: { slow: SLOW }, late: { late: SLOW } });
  const one = sets.make({ slow: { slow: SLOW } });
  await runUntil('a', importing('slow'), one, (zygotes) => zygotes.length > 0);
  await runUntil('b', importing('slow', 'late'), both, (zygotes) => zygotes.length > 1);
  const [root, leaf] = cache.imports().zygotes as [ZygoteView, ZygoteView];
  expect(leaf).toMatchObject({ parent: root.zygote, packages: ['late==1', 'slow==1'], added: ['late==1'] });
  const [shared] = (await run('a', importing('slow'), one)) as number[];
  expect(((await run('b', importing('slow', 'late'), both)) as number[])[0]).toBe(shared);
});

it.each([
  ['sets a variable that its modules have read', { env: { SLOW_MODE: 'other' } }, 'other'],
  ['sets another variable', { env: { OTHER_MODE: 'other' } }, 'none'],
] as const)('gives a lambda that %s what it would have got by itself', async (_what, asked, expected) => {
  await open();
  const source = `import os\n${SLOW}MODE = os.environ.get("SLOW_MODE", "none")\n`;
  const packages = sets.make({ slow: { slow: source } });
  await runUntil('a', importing('slow'), packages, (zygotes) => zygotes.length > 0);
  const handler = 'import slow\ndef handler(e):\n    return slow.MODE\n';
  expect(await run('b', handler, packages, asked)).toBe(expected);
});

it('gives a lambda that has an optional package what it would have got by itself', async () => {
  await open();
  const source = `${SLOW}try:\n    import faster\n    FAST = True\nexcept ImportError:\n    FAST = False\n`;
  await runUntil('a', importing('slow'), sets.make({ slow: { slow: source } }), (zygotes) => zygotes.length > 0);
  const handler = 'import slow\ndef handler(e):\n    return slow.FAST\n';
  expect(await run('b', handler, sets.make({ slow: { slow: source }, faster: { faster: '' } }))).toBe(true);
  expect(await run('c', handler, sets.make({ slow: { slow: source }, other: { other: '' } }))).toBe(false);
});

it('gives a lambda that sets a variable before it imports what it would have got by itself, also the first time', async () => {
  await open();
  const source = `import os\n${SLOW}MODE = os.environ.get("SLOW_MODE", "none")\n`;
  const packages = sets.make({ slow: { slow: source } });
  await runUntil('a', importing('slow'), packages, (zygotes) => zygotes.length > 0);
  const handler = 'import os\nos.environ["SLOW_MODE"] = "own"\nimport slow\ndef handler(e):\n    return slow.MODE\n';
  for (let n = 0; n < 3; n += 1) expect(await run('b', handler, packages)).toBe('own');
  // In words that nobody recognises beforehand, it is seen when it has happened.
  const hidden = handler.replace('os.environ[', 'getattr(os, "envi" + "ron")[');
  await run('c', hidden, packages);
  expect(await run('c', hidden, packages)).toBe('own');
});

it('gives a lambda two of whose packages bring the same file the one that is there', async () => {
  await open();
  const slow = sets.make({ slow: { slow: `${SLOW}NAME = "slow"\n` } });
  await runUntil('a', importing('slow'), slow, (zygotes) => zygotes.length > 0);
  // What is written last is there.
  const both = sets.make({ slow: { slow: '' }, other: { slow: `${SLOW}NAME = "other"\n` } });
  const handler = 'import slow\ndef handler(e):\n    return slow.NAME\n';
  for (let n = 0; n < 4; n += 1) expect(await run('b', handler, both)).toBe('other');
});

it('knows what modules of the lambda import, and handlers in their first call', async () => {
  await open();
  const packages = sets.make({ slow: { slow: SLOW }, late: { late: SLOW } });
  const files = {
    'lambda_func.py': 'import part\ndef handler(e):\n    import late\n    return [part.slow.BORN, late.BORN]\n',
    'part.py': 'import slow\n',
  };
  const whole = (zygotes: readonly ZygoteView[]) => zygotes.some(({ packages }) => packages.length === 2);
  await runUntil('a', files, packages, whole);
  const born = await run('a', files, packages);
  expect(await run('a', files, packages)).toEqual(born);
});

it('has a zygote with what nobody saw a lambda use, if its modules are not there without', async () => {
  await open();
  // Found in a way that no statement shows.
  const asking = `${SLOW}import importlib\nOTHER = importlib.import_module("other")\n`;
  const packages = sets.make({ slow: { slow: asking }, other: { other: SLOW } });
  await runUntil('b', importing('other'), sets.make({ other: { other: SLOW } }), (zygotes) => zygotes.length > 0);
  const both = (zygotes: readonly ZygoteView[]) => zygotes.some((one) => one.packages.length === 2);
  await runUntil('a', importing('slow'), packages, both);
  expect(cache.imports().kept_out).toEqual([]);
});

it.each([
  [
    'names a module that there is not',
    'import slow, sys\nsys.modules["slow.nowhere"] = slow\nimport slow.nowhere\n',
    {},
  ],
  ['sets what libraries read', 'import slow\n', { env: { OMP_NUM_THREADS: '2' } }],
  ['sets what the module reads', 'import slow\n', { env: { SLOW_MODE: 'x' } }],
] as const)('keeps a package in for others if one lambda %s', async (_what, head, asked) => {
  await open();
  const source = `${SLOW}import os\nos.environ.get("SLOW_MODE")\n`;
  const packages = sets.make({ slow: { slow: source } });
  const liar = `${head}def handler(e):\n    return 1\n`;
  for (let n = 0; n < 6; n += 1) await run('liar', liar, packages, asked);
  await runUntil('a', importing('slow'), packages, (zygotes) => zygotes.length > 0);
  const born = await run('a', importing('slow'), packages);
  expect(await run('a', importing('slow'), packages)).toEqual(born);
});

it('keeps out what can not be forked, and goes on with the rest', async () => {
  await open();
  const thread = `${SLOW}import threading\nthreading.Thread(target=time.sleep, args=[60], name="ticker", daemon=True).start()\n`;
  const packages = sets.make({ bad: { bad: thread }, slow: { slow: SLOW } });
  await runUntil('a', importing('slow', 'bad'), packages, (zygotes) => zygotes.length > 0);
  const { zygotes, kept_out } = cache.imports();
  expect(zygotes).toMatchObject([{ packages: ['slow==1'] }]);
  expect(kept_out).toMatchObject([
    { members: ['bad==1', 'slow==1'], module: 'bad', reason: expect.stringContaining('thread ticker') },
  ]);
  expect(
    await run(
      'a',
      'import bad, threading\ndef handler(e):\n    return [t.name for t in threading.enumerate()]\n',
      packages,
    ),
  ).toContain('ticker');
});

it('follows a root that is renewed, and ends what was made from the one before', async () => {
  await open({ forksMax: 20 });
  const packages = sets.make({ slow: { slow: SLOW } });
  await runUntil('a', importing('slow'), packages, (zygotes) => zygotes.length > 0);
  const before = (cache.imports().zygotes[0] as ZygoteView).zygote;
  await runUntil('a', importing('slow'), packages, ([zygote]) => zygote !== undefined && zygote.zygote !== before);
  await expect.poll(() => bench.engine.stats().zygotes, { timeout: 10_000 }).toBeLessThanOrEqual(2);
  expect(cache.imports().kept_out).toEqual([]);
});

it('has the least valuable end when memory is short, and no lambda with it', async () => {
  await open();
  const packages = sets.make({ slow: { slow: SLOW } });
  await runUntil('a', importing('slow'), packages, (zygotes) => zygotes.length > 0);
  const sandbox = await bench.sandbox(importing('slow'), 'a', { packages, engine: cache });
  expect(cache.relieve()).toBeGreaterThan(0);
  expect(cache.imports().zygotes).toEqual([]);
  expect(await resultOf(sandbox)).toHaveLength(1);
});

it('has what is to be done around forks done with those of a lambda, and what packages want with each', async () => {
  await open();
  const source = `${SLOW}import logging, os, threading
FORKS = []
os.register_at_fork(after_in_child=lambda: FORKS.append(os.getpid()))
`;
  const packages = sets.make({ slow: { slow: source } });
  await runUntil('a', importing('slow'), packages, (zygotes) => zygotes.length > 0);
  const handler = `import slow, logging, os, threading, time
def handler(e):
    before = len(slow.FORKS)
    threading.Thread(target=time.sleep, args=[60], daemon=True).start()
    logging.getLogger().addHandler(logging.StreamHandler())
    read, write = os.pipe()
    if os.fork() == 0:
        logging.warning("from the child")
        os.write(write, repr([len(slow.FORKS) - before, threading.active_count(), threading.main_thread() is threading.current_thread()]).encode())
        os._exit(0)
    os.wait()
    return [before, os.read(read, 99).decode(), threading.active_count()]
`;
  const { hits } = cache.imports();
  expect(await run('b', handler, packages)).toEqual([1, '[1, 1, True]', 2]);
  expect(cache.imports().hits).toBe(hits + 1);
});
