/** When a lambda whose events have a process each gets a loader, and when it loses it. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { FakeLoader, FakeSandbox } from './fake-engine.ts';
import { Serving, type ServingOptions } from './serving.ts';

let serving: Serving;
afterEach(async () => {
  await serving.close();
  expect(serving.engine.live).toEqual([]);
});

async function serve(spec: object = {}, options: ServingOptions = {}): Promise<void> {
  serving = await new Serving(options).open();
  serving.engine.loadUs = 100_000;
  isolate('hello', spec);
}

function isolate(name: string, spec: object = {}): void {
  writeFileSync(join(serving.lambda(name), 'lambda.json'), JSON.stringify({ isolation: 'call', ...spec }));
}

const loaders = (): FakeLoader[] => serving.engine.loaders;
const loader = (): FakeLoader => loaders()[0] as FakeLoader;
const waiting = (): FakeSandbox[] => serving.engine.live.filter(({ loaded, events }) => loaded && events.length === 0);

/** One event, and the next instance waits. */
async function once(name = 'hello', event: unknown = {}): Promise<number> {
  const { status } = await serving.run(name, event);
  await expect.poll(() => waiting().filter(({ spec }) => spec.lambda === name), { interval: 1 }).toHaveLength(1);
  return status;
}

describe('code that takes long to load', () => {
  test('is loaded once for all events, when it is known to', async () => {
    await serve();
    for (let event = 0; event < 6; event += 1) expect(await once('hello', event)).toBe(200);
    expect(loaders()).toHaveLength(1);
    expect(loader().spec).toMatchObject({ lambda: 'hello', codeDir: waiting()[0]?.spec.codeDir });
    const from = serving.engine.made.map(({ spec }) => spec.loader);
    expect(from).toEqual([undefined, undefined, ...Array(5).fill(loader())]);
    expect(serving.engine.made.every(({ events }) => events.length <= 1)).toBe(true);
    expect(serving.worker.loaders()).toMatchObject([{ lambda: 'hello', import_ms: 100 }]);
  });

  test.each([
    ['that takes no time', {}, { loadUs: 19_000 }],
    ['of a lambda that keeps its instances', { isolation: 'instance' }, {}],
    ['of a lambda that wants no fork', { zygote: false }, {}],
    ['that leaves a thread behind', {}, { found: [{ what: 'thread', where: 'poller' }] }],
    ['that leaves a file behind', {}, { found: [{ what: 'file', where: '/tmp/model' }] }],
  ])('is not, if it is code %s', async (_what, spec, engine) => {
    await serve(spec);
    Object.assign(serving.engine, engine);
    for (let event = 0; event < 3; event += 1) expect((await serving.run('hello')).status).toBe(200);
    if (!('isolation' in spec)) await once();
    expect(loaders()).toEqual([]);
    const facts = serving.told.filter(({ message }) => message === 'code is imported anew for each event');
    const found = 'found' in engine ? (engine.found as object[]) : [];
    expect(facts.map((one) => one.facts)).toEqual(found.map((one) => ({ lambda: 'hello', ...one })));
  });

  test('has its loader told which seeds were chosen, and it tells what it left behind', async () => {
    await serve();
    serving.engine.found = [{ what: 'generator', where: 'random', state: 7 }];
    for (let event = 0; event < 3; event += 1) await once();
    expect(loader().spec.seeded).toEqual({ random: 7 });
  });
});

describe('a loader is retired', () => {
  test('when the code changes, and the new has one of its own', async () => {
    await serve();
    for (let event = 0; event < 3; event += 1) await once();
    writeFileSync(join(serving.lambda('hello', 'def handler(event): return 2'), 'other.py'), '');
    isolate('hello', { memory_mb: 64 });
    for (let event = 0; event < 3; event += 1) await once();
    await expect.poll(() => loaders().map(({ retired }) => retired)).toContain(true);
    await expect.poll(() => loaders().filter(({ retired }) => !retired)).toHaveLength(1);
    const [before, after] = [loader(), loaders().at(-1) as FakeLoader];
    expect(before.retired).toBe(true);
    expect(after.spec.codeDir).not.toBe(before.spec.codeDir);
  });

  test('when the lambda is deleted, or the worker stops', async () => {
    await serve();
    isolate('other');
    for (let event = 0; event < 3; event += 1) for (const name of ['hello', 'other']) await once(name);
    expect(loaders()).toHaveLength(2);
    rmSync(join(serving.home, 'registry/hello'), { recursive: true });
    await expect.poll(() => loaders().map(({ retired }) => retired)).toEqual([true, false]);
    await serving.worker.close();
    expect(loaders().map(({ retired }) => retired)).toEqual([true, true]);
  });

  test('when memory is short, the one that was not used for longest first', async () => {
    await serve();
    isolate('other');
    for (const name of ['hello', 'other']) for (let event = 0; event < 3; event += 1) await once(name);
    expect(loaders().map(({ retired }) => retired)).toEqual([false, false]);
    serving.machine.availableBytes = 0;
    await expect.poll(() => loader().retired).toBe(true);
    serving.machine.availableBytes = 2 ** 32;
    // For a while it is not made again.
    for (let event = 0; event < 3; event += 1) expect((await serving.run('hello')).status).toBe(200);
    expect(loaders()).toHaveLength(2);
  });

  test('when there are as many as there may be, each of which is in use: the next has none', async () => {
    await serve({}, { instancesMax: 100 });
    for (let at = 0; at < 14; at += 1) {
      isolate(`lambda-${at}`);
      await once(`lambda-${at}`);
      await once(`lambda-${at}`);
    }
    expect(loaders()).toHaveLength(12);
    expect(loaders().some(({ retired }) => retired)).toBe(false);
  });
});

describe('a loader is given up for good, and the lambda goes on without', () => {
  const GIVEN_UP = 'warn code can not be loaded once for all events: it is imported anew for each';

  test('if it can not be', async () => {
    await serve();
    serving.engine.loaderEnding = { cause: 'failed', reason: 'import: no such device' };
    for (let event = 0; event < 4; event += 1) expect(await once()).toBe(200);
    expect(loaders()).toHaveLength(1);
    expect(serving.logged.filter((line) => line === GIVEN_UP)).toHaveLength(1);
  });

  test('if it fails later', async () => {
    await serve();
    for (let event = 0; event < 3; event += 1) await once();
    loader().end({ cause: 'failed', reason: 'it died' });
    for (let event = 0; event < 4; event += 1) expect(await once()).toBe(200);
    expect(waiting().map(({ spec }) => spec.loader)).toEqual([undefined]);
    expect(loaders()).toHaveLength(1);
  });

  test.each(['exits', 'hangs'] as const)('if a fork of it %s before its event', async (ending) => {
    await serve({}, { timeoutMs: 300 });
    for (let event = 0; event < 3; event += 1) await once();
    serving.engine.forksLoading = ending;
    for (let event = 0; event < 4; event += 1) expect((await serving.run('hello', event)).status).toBe(200);
    await expect.poll(() => waiting().map(({ spec }) => spec.loader), { timeout: 5000 }).toEqual([undefined]);
    expect(loader().retired).toBe(true);
    expect(serving.logged).toContain(GIVEN_UP);
    expect(serving.engine.made.every(({ events }) => events.length <= 1)).toBe(true);
  });

  test('if a fork of it crashes, but not for what a handler does to itself otherwise', async () => {
    await serve();
    for (let event = 0; event < 3; event += 1) await once();
    for (const event of [{ oom: 1 }, { exit: 1 }, { signal: 'SIGKILL' }, { raise: 1 }]) await once('hello', event);
    expect(loader().retired).toBe(false);
    expect(await once('hello', { signal: 'SIGSEGV' })).toBe(502);
    expect(loader().retired).toBe(true);
    expect(await once()).toBe(200);
    expect(loaders()).toHaveLength(1);
  });

  test('but is made again if it was lost without a fault of its own', async () => {
    await serve();
    for (let event = 0; event < 3; event += 1) await once();
    loader().end({ cause: 'lost', reason: 'the spawner died' });
    for (let event = 0; event < 4; event += 1) expect(await once()).toBe(200);
    expect(loaders()).toHaveLength(2);
    expect(waiting()[0]?.spec.loader).toBe(loaders()[1]);
  });
});
