/** Cold starts of a lambda that imports numpy and pandas, with the import cache and without it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { callEach, count, pause, withWorker } from '../bed.mjs';

const GROUP = 'cold start with packages';
const GAP_MS = 150;
const COUNT = 20;
const PLAIN = 'def handler(event):\n    return 6\n';
const PANDAS = 'import numpy, pandas\ndef handler(event):\n    return int(pandas.Series(numpy.arange(4)).sum())\n';
const REQUIREMENTS = { 'requirements.txt': 'numpy\npandas\n' };
const ZYGOTE_WAIT_MS = 30_000;

export async function measurePackages(figures) {
  const packages_dir = mkdtempSync(join(tmpdir(), 'isla-bench-packages-'));
  const settings = { instances_max: 500, limits: { memory_mb: 512 }, packages_wait_ms: 300_000, packages_dir };
  try {
    await withWorker({ ...settings, import_cache: 'off' }, async (worker) => {
      await installed(worker);
      figures.add(GROUP, 'numpy and pandas, without the import cache', await pandasTimes(worker, COUNT / 2));
    });
    await withWorker(settings, async (worker) => {
      await installed(worker);
      await zygoteGrown(worker);
      const names = count(COUNT, (index) => worker.lambda(`plain-${index}`, PLAIN));
      const plain = await callEach({ port: worker.port, names, gapMs: GAP_MS, answer: '6' });
      figures.add(GROUP, 'floor: without packages', plain);
      const times = await pandasTimes(worker, COUNT);
      figures.add(GROUP, 'numpy and pandas, out of the import cache', times, {
        floor: 'floor: without packages',
        want: '2',
      });
      const without = 'numpy and pandas, without the import cache';
      figures.add(GROUP, 'the same, beside a start without the cache', times, { floor: without, want: '0.025' });
    });
  } finally {
    rmSync(packages_dir, { recursive: true });
  }
}

async function installed({ port, lambda }) {
  const names = count(4, (index) => lambda(`first-${index}`, PANDAS, REQUIREMENTS));
  await callEach({ port, names, answer: '6' });
}

function pandasTimes({ port, lambda }, number) {
  const names = count(number, (index) => lambda(`pandas-${index}`, PANDAS, REQUIREMENTS));
  return callEach({ port, names, gapMs: GAP_MS, answer: '6' });
}

async function zygoteGrown({ admin }) {
  for (const until = Date.now() + ZYGOTE_WAIT_MS; Date.now() < until; await pause(200)) {
    const { workers } = JSON.parse((await admin('zygotes', '--json')).stdout);
    const zygotes = workers[0].import_cache?.zygotes ?? [];
    if (zygotes.some(({ packages }) => packages.some((one) => one.startsWith('pandas=')))) return;
  }
  throw new Error('no zygote with pandas was grown');
}
