import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Kernel } from '../../src/session/kernel.ts';
import { type Bench, startBench } from './engine-fixture.ts';
import { run, startOn } from './kernel-fixture.ts';

let bench: Bench;
let kernel: Kernel;
beforeAll(async () => {
  bench = await startBench();
  kernel = await startOn(bench);
});
afterAll(async () => {
  await kernel.destroy();
  await bench.close();
});

describe('a Python kernel', () => {
  it('keeps its names from cell to cell, and shows the value of the last expression', async () => {
    expect(await run(kernel, 'import math\nx = 40')).toMatchObject({ stdout: '', displays: [], exitCode: 0 });
    const { stdout, displays } = await run(kernel, 'y = x + 2\ny');
    expect(stdout).toBe('42\n');
    expect(displays).toEqual([{ bundle: { 'text/plain': '42' }, execution: true }]);
    expect(await run(kernel, '_ + math.floor(1.5)')).toMatchObject({ stdout: '43\n' });
    expect(await run(kernel, 'x + 1;')).toMatchObject({ stdout: '', displays: [] });
    expect(await run(kernel, 'None')).toMatchObject({ stdout: '', displays: [] });
  });
});
