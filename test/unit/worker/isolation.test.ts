import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { FakeSandbox } from './fake-engine.ts';
import { Serving, type ServingOptions } from './serving.ts';

let serving: Serving;

async function serve(options: ServingOptions = {}): Promise<void> {
  serving = await new Serving(options).open();
  isolating('hello');
}

function isolating(name: string): void {
  writeFileSync(join(serving.lambda(name), 'lambda.json'), '{"isolation": "call"}');
}

afterEach(async () => {
  await serving.close();
  expect(serving.engine.live).toEqual([]);
});

const sandboxes = (): FakeSandbox[] => serving.engine.made;
const waiting = (): FakeSandbox[] => serving.engine.live.filter(({ loaded, events }) => loaded && events.length === 0);

describe('a lambda whose events have a process each', () => {
  test('has one sandbox per event, the next of which has loaded its code before the event comes', async () => {
    await serve();
    for (let event = 0; event < 10; event += 1) {
      expect((await serving.run('hello', event)).status).toBe(200);
      await expect.poll(() => waiting(), { interval: 1 }).toHaveLength(1);
    }
    expect(sandboxes()).toHaveLength(11);
    expect(sandboxes().map(({ events }) => events.length)).toEqual([...Array(10).fill(1), 0]);
    await expect.poll(() => serving.engine.live).toHaveLength(1);
  });

  test('has as many waiting as events came at the same time lately, within its limit', async () => {
    await serve({ concurrencyMax: 3 });
    const answers = await Promise.all(Array.from({ length: 12 }, () => serving.run('hello', { sleep: 20 })));
    expect(answers.map(({ status }) => status)).toEqual(Array(12).fill(200));
    expect(sandboxes().every(({ events }) => events.length <= 1)).toBe(true);
    await expect.poll(() => waiting(), { interval: 1 }).toHaveLength(3);
  });

  test.each([{ raise: 1 }, { exit: 1 }, { init: 1 }])('ends the sandbox after %j, too', async (event) => {
    await serve();
    expect((await serving.run('hello', event)).status).toBeGreaterThanOrEqual(500);
    expect((await serving.run('hello', 'next')).status).toBe(200);
    expect(sandboxes().every(({ events }) => events.length <= 1)).toBe(true);
  });

  test('pauses those that wait', async () => {
    await serve({ pauseAfterMs: 0 });
    await serving.run('hello');
    await expect.poll(() => waiting()[0]?.paused).toBe(true);
    await serving.run('hello');
    await expect.poll(() => waiting()[0]?.paused).toBe(true);
  });

  test('takes nobody’s place to have one waiting, and gives it to whoever needs it', async () => {
    await serve({ instancesMax: 2 });
    serving.lambda('other');
    serving.lambda('third');
    await serving.run('other');
    await serving.run('hello');
    await expect.poll(() => waiting()).toHaveLength(1);
    await serving.run('third');
    expect(serving.engine.live.map(({ spec }) => spec.lambda)).toContain('third');
    for (let round = 0; round < 5; round += 1) {
      for (const name of ['hello', 'third', 'other']) expect((await serving.run(name)).status).toBe(200);
    }
    expect(serving.engine.peak).toBeLessThanOrEqual(2);
  });

  test('does not make sandboxes in a loop when they cannot be made, or the code does not load', async () => {
    await serve();
    await serving.run('hello');
    await expect.poll(() => waiting()).toHaveLength(1);
    serving.engine.failures = 100;
    expect((await serving.run('hello')).status).toBe(200);
    await expect.poll(() => serving.engine.live).toEqual([]);
    serving.engine.failures = 0;
    serving.engine.loading = 'exits';
    expect((await serving.run('hello')).status).toBe(200);
    await expect.poll(() => serving.engine.live).toEqual([]);
    serving.engine.loading = 'loads';
    expect((await serving.run('hello')).status).toBe(502);
    expect((await serving.run('hello')).status).toBe(200);
    await expect.poll(() => waiting()).toHaveLength(1);
    expect(sandboxes().length).toBeLessThan(12);
  });
});
