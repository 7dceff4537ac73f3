/** What libraries that people know look like in a session. Needs them, from wherever pip finds them. */
import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findPython } from '../../src/cluster/python.ts';
import type { Kernel } from '../../src/session/kernel.ts';
import { type Bench, startBench } from './engine-fixture.ts';
import { run, startOn } from './kernel-fixture.ts';

const NAMES = ['pandas', 'matplotlib', 'pillow'];
const packages = mkdtempSync(join(tmpdir(), 'isla-rich-'));
const python = (await findPython({ kind: 'host', etcDir: '/etc' }, '')).path;
const missing = await promisify(execFile)(python, ['-m', 'pip', 'install', '-q', '--target', packages, ...NAMES]).then(
  () => '',
  (error: Error) => `: pip has not all of ${NAMES.join(', ')}: ${error.message.split('\n').at(-2)}`,
);
afterAll(() => rmSync(packages, { recursive: true }));

describe.skipIf(missing !== '')(`a Python kernel with packages${missing}`, () => {
  let bench: Bench;
  let kernel: Kernel;
  beforeAll(async () => {
    chmodSync(packages, 0o755);
    bench = await startBench({ limitsMax: { memory_mb: 1024 } });
    const set = { dir: packages, members: readdirSync(packages) };
    kernel = await startOn(bench, { packages: set, limits: { memory_mb: 768, response_kb: 4096 } });
  });
  afterAll(async () => {
    await kernel.destroy();
    await bench.close();
  });

  async function shown(code: string): Promise<[execution: boolean, mimes: string[]][]> {
    const { displays, error } = await run(kernel, code);
    if (error !== undefined) throw new Error(error.traceback.join('\n'));
    return displays.map(({ bundle, execution }) => [execution, Object.keys(bundle).sort()]);
  }

  it('shows a table as HTML', async () => {
    const code = 'import pandas\npandas.DataFrame({"a": [1, 2]})';
    expect(await shown(code)).toEqual([[true, ['text/html', 'text/plain']]]);
  });

  it('shows figures when they are asked for and at the end of a cell, each once, without configuration', async () => {
    const png = [false, ['image/png', 'text/plain']];
    const code =
      'import matplotlib.pyplot as plt\nfor i in range(2):\n    plt.plot([i, 2])\n    plt.show()\nplt.plot([2, 3]);';
    expect(await shown(code)).toEqual([png, png, png]);
    expect(await shown('plt.show()')).toEqual([]);
    expect(await shown('figure, axes = plt.subplots()\nfigure')).toEqual([[true, ['image/png', 'text/plain']]]);
    expect(await shown('plt.rcParams["savefig.format"] = "svg"\nplt.plot([1]);')).toEqual([
      [false, ['image/png', 'image/svg+xml', 'text/plain']],
    ]);
  });

  it('shows images', async () => {
    const [[execution, mimes] = [], ...more] = await shown('from PIL import Image\nImage.new("RGB", (4, 4))');
    expect([execution, more]).toEqual([true, []]);
    expect(mimes).toContain('image/png');
  });

  it('draws other numbers in a fork', async () => {
    await run(kernel, 'import numpy\nown = numpy.random.default_rng()\nfixed = numpy.random.default_rng(7)');
    const fork = await kernel.fork('fork');
    const draw = 'print(numpy.random.random(), own.random(), fixed.random(), sep="\\n")';
    const [ours, theirs] = [await run(kernel, draw), await run(fork, draw)].map(({ stdout }) => stdout.split('\n'));
    expect(ours?.map((number, at) => number === theirs?.[at])).toEqual([false, false, true, true]);
    await fork.destroy();
  });
});
