import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import type { LambdaName } from '../../../src/registry/source.ts';
import type { LoadRecord } from '../../../src/worker/call-record.ts';
import { Serving } from './serving.ts';

let serving: Serving;
afterEach(() => serving.close());

async function serve(eager: boolean): Promise<LoadRecord[]> {
  serving = await new Serving({ eager }).open();
  return serving.loads;
}

const LOADS = { lambda: 'hello', errorType: undefined, message: undefined };

test('for those who write code it is loaded as soon as it is seen, and again with each change', async () => {
  const loads = await serve(true);
  const dir = serving.lambda('hello');
  serving.worker.codeChanged('hello' as LambdaName);
  await expect.poll(() => loads).toEqual([LOADS]);
  expect(serving.engine.made).toHaveLength(1);
  expect((await serving.run('hello', 7)).text).toBe('7');
  expect(serving.engine.made[0]?.events, 'the instance that loaded it serves').toEqual(['7']);
  writeFileSync(join(dir, 'lambda_func.py'), 'def handler(event): return 2');
  await expect.poll(() => loads).toEqual([LOADS, LOADS]);
  expect(serving.engine.made).toHaveLength(2);
});

test('they are told what is wrong with it, once for each change', async () => {
  const loads = await serve(true);
  serving.engine.loading = 'fails';
  const dir = serving.lambda('hello');
  serving.worker.codeChanged('hello' as LambdaName);
  await expect.poll(() => loads).toEqual([{ ...LOADS, errorType: expect.any(String) }]);
  writeFileSync(join(dir, 'lambda.json'), '{"memory": 1}');
  await expect.poll(() => loads).toHaveLength(2);
  expect(loads[1]).toEqual({ ...LOADS, errorType: 'Lambda.Invalid', message: expect.stringContaining('memory') });
  rmSync(join(dir, 'lambda.json'));
  serving.engine.loading = 'loads';
  writeFileSync(join(dir, 'lambda_func.py'), 'def handler(event): return 3');
  await expect.poll(() => loads.at(-1)).toEqual(LOADS);
});

test('a lambda that nobody has called is left alone otherwise', async () => {
  const loads = await serve(false);
  serving.lambda('hello');
  serving.worker.codeChanged('hello' as LambdaName);
  await new Promise((done) => setTimeout(done, 200));
  expect(serving.engine.made).toEqual([]);
  expect(loads).toEqual([]);
});
