import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { RecentPeak } from '../../../src/worker/recent-peak.ts';
import type { FakeSandbox } from './fake-engine.ts';
import { Serving, type ServingOptions } from './serving.ts';

let serving: Serving;

async function serve(options: ServingOptions = {}): Promise<void> {
  serving = await new Serving(options).open();
  serving.lambda('hello');
}

const sandboxes = (): FakeSandbox[] => serving.engine.made;

/** So many calls at the same time. */
async function burst(count: number): Promise<void> {
  const calls = Array.from({ length: count }, () => serving.run('hello', { gate: 1 }));
  await expect.poll(() => serving.engine.live).toHaveLength(count);
  for (const sandbox of serving.engine.live) sandbox.openGate();
  await Promise.all(calls);
}

/** Instances that have loaded their code without an event and are there. */
const loadedAhead = (): number[] =>
  serving.engine.live.filter(({ loaded, events }) => loaded && events.length === 0).map(({ spec }) => spec.instance);

async function change(code: string): Promise<void> {
  const made = sandboxes().length;
  serving.lambda('hello', code);
  await expect.poll(() => sandboxes().length).toBeGreaterThan(made);
}

async function close(): Promise<void> {
  await serving.close();
  expect(serving.engine.live).toEqual([]);
}

describe('changed code', () => {
  afterEach(close);

  test('is loaded before anybody asks, and the first call finds it loaded', async () => {
    await serve();
    await serving.run('hello');
    await change('# new');
    await expect.poll(() => sandboxes()[0]?.gone).toBe(true);
    expect(loadedAhead()).toEqual([1]);
    const { headers } = await serving.run('hello', 'first');
    expect(headers['server-timing']).not.toContain('init');
    expect(sandboxes()[1]?.events).toEqual(['"first"']);
    expect(sandboxes()).toHaveLength(2);
  });

  test('is loaded in as many instances as were busy at the same time lately, one of them first', async () => {
    await serve({ concurrencyMax: 4 });
    await burst(3);
    const create = serving.engine.create.bind(serving.engine);
    const before: number[] = [];
    serving.engine.create = (spec) => {
      before.push(loadedAhead().length);
      return create(spec);
    };
    await change('# new');
    await expect.poll(loadedAhead).toHaveLength(3);
    expect(before[0]).toBe(0);
    expect(Math.min(...before.slice(1))).toBe(1);
    await expect.poll(() => serving.engine.live).toHaveLength(3);
  });

  test('is not loaded ahead for a lambda without instances', async () => {
    await serve();
    await serving.run('hello');
    sandboxes()[0]?.die({ cause: 'exit', status: 0 });
    await expect.poll(() => serving.engine.live).toEqual([]);
    serving.lambda('hello', '# new');
    await serving.run('hello');
    expect(sandboxes().map(({ loaded }) => loaded)).toEqual([false, false]);
  });

  test('leaves the old instances until it has loaded, in places that others may have', async () => {
    await serve({ instancesMax: 2 });
    serving.lambda('other');
    await serving.run('hello');
    serving.engine.loading = 'hangs';
    await change('# new');
    expect(sandboxes()[0]?.gone).toBe(false);
    expect((await serving.run('other')).status).toBe(200);
    await expect.poll(() => sandboxes()[0]?.gone).toBe(true);
  });

  test('takes the place of the old if there is no other, and nobody else’s', async () => {
    await serve({ instancesMax: 2 });
    serving.lambda('other');
    await serving.run('other');
    await serving.run('hello');
    await change('# new');
    await expect.poll(loadedAhead).toEqual([1]);
    expect(serving.engine.live.map(({ spec }) => spec.lambda)).toEqual(['other', 'hello']);
  });

  test('that changes again while it is loaded is not loaded to the end', async () => {
    await serve();
    await serving.run('hello');
    serving.engine.loading = 'hangs';
    await change('# hangs');
    serving.engine.loading = 'loads';
    await change('# loads');
    await expect.poll(() => serving.engine.live).toHaveLength(1);
    expect(loadedAhead()).toEqual([2]);
  });

  test('that goes while it is loaded takes its instance along', async () => {
    await serve();
    await serving.run('hello');
    serving.engine.loading = 'hangs';
    await change('# hangs');
    rmSync(join(serving.home, 'registry/hello'), { recursive: true });
    await expect.poll(() => serving.engine.live).toEqual([]);
  });
});

describe('code that does not load ahead', () => {
  afterEach(close);

  test('is told to the first caller by the instance that tried, and tried anew for the next', async () => {
    await serve();
    await serving.run('hello');
    serving.engine.loading = 'fails';
    await change('# broken');
    await expect.poll(loadedAhead).toEqual([1]);
    expect((await serving.run('hello', 'told')).status).toBe(500);
    expect(sandboxes()).toHaveLength(2);
    expect((await serving.run('hello', 'again')).status).toBe(200);
    expect(sandboxes()[2]?.events).toEqual(['"again"']);
  });

  test('and ends its sandbox is told to the first caller, and tried anew for the next', async () => {
    await serve();
    await serving.run('hello');
    serving.engine.loading = 'exits';
    await change('# exits');
    await expect.poll(() => serving.engine.live).toEqual([]);
    const answer = await serving.run('hello');
    expect([answer.status, JSON.parse(answer.text).errorType]).toEqual([502, 'Runtime.ExitError']);
    expect(sandboxes()).toHaveLength(2);
    expect((await serving.run('hello')).status).toBe(200);
  });

  test('within the time of a call is told to whoever waits for it', async () => {
    await serve({ timeoutMs: 300 });
    await serving.run('hello');
    serving.engine.loading = 'hangs';
    await change('# hangs');
    await expect.poll(() => sandboxes()[1]?.loaded, { interval: 1 }).toBe(true);
    expect((await serving.run('hello')).status).toBe(504);
    expect(sandboxes()[1]?.events).toEqual([]);
    await expect.poll(() => serving.engine.live).toEqual([]);
    expect((await serving.run('hello')).status).toBe(200);
  });

  test('is not loaded in more instances than one', async () => {
    await serve({ concurrencyMax: 4 });
    await burst(4);
    serving.engine.loading = 'fails';
    await change('# broken');
    await expect.poll(() => serving.engine.live).toHaveLength(1);
    expect(sandboxes()).toHaveLength(5);
  });

  test('is loaded ahead again once it has changed', async () => {
    await serve();
    await serving.run('hello');
    serving.engine.loading = 'exits';
    await change('# broken');
    await expect.poll(() => serving.engine.live).toEqual([]);
    serving.engine.loading = 'loads';
    await change('# mended');
    await expect.poll(loadedAhead).toEqual([2]);
  });

  test('because its sandbox cannot be made does no harm', async () => {
    await serve();
    await serving.run('hello');
    serving.engine.failures = 1;
    await change('# new');
    await expect.poll(() => serving.engine.live).toEqual([]);
    expect((await serving.run('hello')).status).toBe(200);
  });
});

test('the recent peak is the most at the same time, what is going on included', () => {
  const peak = new RecentPeak();
  expect(peak.value()).toBe(0);
  for (const step of ['begin', 'begin', 'end', 'begin', 'end', 'end'] as const) peak[step]();
  expect(peak.value()).toBe(2);
});
