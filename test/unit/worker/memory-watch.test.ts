/** Idle instances go when memory is short, the one idle longest first; calls wait, and none is lost. */
import { afterEach, expect, test } from 'vitest';
import { Serving, type ServingOptions } from './serving.ts';

const MB = 2 ** 20;
let serving: Serving;

afterEach(() => serving.close());

async function serve(options: ServingOptions): Promise<void> {
  serving = await new Serving({ pauseAfterMs: 60_000, instancesMax: 100, ...options }).open();
  serving.engine.sandboxBytes = 10 * MB;
}

async function call(name: string, event: unknown = {}): Promise<number> {
  serving.lambda(name);
  return (await serving.run(name, event)).status;
}

function living(): string[] {
  return serving.engine.live.map((sandbox) => sandbox.spec.lambda);
}

test.each([true, false])('those idle longest are ended (memory counted together: %s)', async (countsTogether) => {
  await serve({ memoryBytesMax: 40 * MB });
  serving.engine.countsTogether = countsTogether;
  for (const name of ['a', 'b', 'c', 'd']) expect(await call(name)).toBe(200);
  expect(await call('a')).toBe(200);
  expect(await call('e')).toBe(200);
  // 50 of 40 MB: 12 are too much, with the slack.
  await expect.poll(living).toEqual(['a', 'd', 'e']);
  expect(serving.logged).toContain('warn memory is short: instances that have been idle longest are ended');
  await expect.poll(() => serving.logged).toContain('info memory is no longer short');
});

test('calls wait for a place while all instances are busy and memory is short, and all are answered', async () => {
  await serve({ memoryBytesMax: 25 * MB });
  const first = Promise.all(['a', 'b', 'c'].map((name) => call(name, { gate: 1 })));
  await expect.poll(() => serving.logged.join()).toContain('memory is short');
  const made = serving.engine.made.length;
  const late = call('d');
  await expect.poll(() => serving.worker.inFlight).toBe(4);
  expect(serving.engine.made.length).toBe(made);
  for (const sandbox of serving.engine.live) sandbox.openGate();
  expect(await first).toEqual([200, 200, 200]);
  expect(await late).toBe(200);
});

test('one instance is always had, however little memory there is', async () => {
  await serve({ memoryBytesMax: MB });
  for (let round = 0; round < 3; round += 1) {
    expect(await call('a')).toBe(200);
    await expect.poll(living).toEqual([]);
  }
});

test('a machine that runs out gets the memory of idle instances', async () => {
  await serve({});
  for (const name of ['a', 'b']) expect(await call(name)).toBe(200);
  serving.machine.availableBytes = 0;
  await expect.poll(living).toEqual([]);
  expect(await call('a')).toBe(200);
});
