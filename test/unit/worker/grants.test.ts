/** What a worker does when the operator grants and revokes secrets. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Failure } from '../../../src/config/failure.ts';
import { parseLambdaName } from '../../../src/registry/source.ts';
import { Serving } from './serving.ts';

let serving: Serving;
beforeEach(async () => {
  serving = await new Serving().open();
  serving.lambda('hello');
});
afterEach(() => serving.close());

const GRANTED = { names: ['key'], edition: '1' };

test('a lambda without grants runs as ever: no names, one instance', async () => {
  for (let n = 0; n < 3; n += 1) expect((await serving.run('hello')).status).toBe(200);
  expect(serving.engine.made.map(({ spec }) => spec.secrets)).toEqual([[]]);
});

test('a call after a change never runs on an instance from before it', async () => {
  const states = [[], ['key'], ['key'], ['key', 'other'], []];
  for (const [edition, names] of states.entries()) {
    serving.grants = { names, edition: String(edition) };
    await serving.run('hello', { edition });
    await serving.run('hello', { edition });
  }
  expect(serving.engine.made.map(({ spec, events }) => [spec.secrets, events])).toEqual(
    states.map((names, edition) => [names, [JSON.stringify({ edition }), JSON.stringify({ edition })]]),
  );
});

test('what is in flight ends on the old instance, which then ends', async () => {
  serving.grants = GRANTED;
  const slow = serving.run('hello', { sleep: 100 });
  await expect.poll(() => serving.engine.made.length, { interval: 1 }).toBe(1);
  serving.grants = { names: [], edition: '2' };
  expect((await serving.run('hello')).status).toBe(200);
  expect((await slow).status).toBe(200);
  await expect.poll(() => serving.engine.live.map(({ spec }) => spec.secrets)).toEqual([[]]);
});

test('idle instances with a revoked secret do not wait for a request to end', async () => {
  serving.grants = GRANTED;
  await serving.run('hello');
  serving.grants = { names: [], edition: '2' };
  // Not for the new instance to load its code either.
  serving.engine.loading = 'hangs';
  serving.worker.codeChanged(parseLambdaName('hello')!);
  await expect.poll(() => serving.engine.live.map(({ spec }) => spec.secrets)).toEqual([[]]);
});

test('while grants cannot be read nothing runs, and no version of the code stays on loan', async () => {
  serving.grants = GRANTED;
  await serving.run('hello');
  const unreadable = new Failure('config-invalid', 'the secrets can not be listed');
  Object.defineProperty(serving, 'grants', {
    configurable: true,
    get() {
      throw unreadable;
    },
  });
  expect(await serving.run('hello')).toMatchObject({ status: 500, text: expect.stringContaining('listed') });
  Object.defineProperty(serving, 'grants', { value: GRANTED });
  expect((await serving.run('hello')).status).toBe(200);
  expect(serving.engine.made).toHaveLength(1);
});
