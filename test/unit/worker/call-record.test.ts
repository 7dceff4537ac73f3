import { afterEach, expect, test } from 'vitest';
import { Serving, type ServingOptions } from './serving.ts';

let serving: Serving | undefined;

afterEach(async () => {
  await serving?.close();
  serving = undefined;
});

async function serve(options: ServingOptions = {}): Promise<Serving> {
  serving = await new Serving(options).open();
  serving.lambda('echo');
  return serving;
}

const NUMBER = expect.any(Number);
const DIGEST = expect.stringMatching(/./);

test('a call’s record says which instance ran it, on which code, how long and whether it was the first', async () => {
  const worker = await serve();
  for (const id of ['one', 'two']) {
    await worker.send('POST', '/runLambda/echo', { body: '{}', headers: { 'X-Request-Id': id } });
  }
  const run = {
    instance: 0,
    version: DIGEST,
    memoryMb: 128,
    queueMs: NUMBER,
    runMs: 0.02,
    memoryBytes: undefined,
    cpuMs: undefined,
  };
  expect(worker.records).toEqual([
    {
      lambda: 'echo',
      trigger: 'http',
      requestId: 'one',
      startedMs: NUMBER,
      durationMs: NUMBER,
      outcome: 'result',
      errorType: undefined,
      run: { ...run, cold: true, initMs: 1 },
      event: Buffer.from('{}'),
      body: Buffer.from('{}'),
      config: expect.objectContaining({ keepCalls: true }),
    },
    expect.objectContaining({ requestId: 'two', run: { ...run, cold: false, initMs: 0 } }),
  ]);
  expect(Math.abs((worker.records[0]?.startedMs as number) - Date.now())).toBeLessThan(60_000);
});

test.each([
  ['{"raise": 1}', 'raised', 'ValueError'],
  ['no JSON', 'event-invalid', 'Runtime.UnmarshalError'],
  ['{"init": 1}', 'init-failed', 'X'],
  ['{"exit": 3}', 'ended', 'Runtime.ExitError'],
  ['{"oom": 1}', 'ended', 'Runtime.OutOfMemory'],
  ['{"hang": 1}', 'timeout', 'Sandbox.Timedout'],
])('a call that fails is on record with what its caller is told: %s', async (event, outcome, errorType) => {
  const worker = await serve({ timeoutMs: 100 });
  await worker.send('POST', '/runLambda/echo', { body: event });
  const { records } = worker;
  expect(records).toEqual([expect.objectContaining({ lambda: 'echo', outcome, errorType })]);
  expect(records[0]?.run).toMatchObject({ instance: 0, cold: true });
});

test('a call that was given to no instance is on record without a run', async () => {
  const worker = await serve();
  await worker.send('POST', '/runLambda/nobody', { body: '{}' });
  expect(worker.records).toEqual([
    expect.objectContaining({ lambda: 'nobody', outcome: 'refused', errorType: 'Lambda.NotFound', run: undefined }),
  ]);
});
