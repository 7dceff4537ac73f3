/** What idle instances take beside a plain python3 process, and a worker that keeps a thousand lambdas warm in 4 GB. */
import { execFileSync } from 'node:child_process';
import { availableMb, callEach, count, pause, withWorker } from '../bed.mjs';
import { round } from '../stats.mjs';

const LAMBDAS = 1_000;
/** Of which the first are what one more is reckoned from. */
const FIRST = 100;
const MEMORY_MB = 4_096;
const POOL = 4;
/** V8's nursery grows with the calls that come, whoever's: what a worker takes once, it has taken before. */
const CALLS_BEFORE = 5_000;
const FLOOR = 'floor: a plain python3 process, private memory';
const PLAIN = 'print(sum(int(l.split()[1]) for l in open("/proc/self/smaps_rollup") if l.startswith("Private")))';

export async function measureMemory(figures) {
  const plainMb = Number(execFileSync('/usr/bin/python3', ['-I', '-S', '-c', PLAIN])) / 1_024;
  figures.add('memory', FLOOR, { value: round(plainMb) }, { unit: 'MB' });
  const settings = { instances_memory_mb: MEMORY_MB, instances_max: LAMBDAS + 1, pool_size: POOL, pool_max: POOL };
  await withWorker(settings, async ({ port, lambda, admin }) => {
    const names = count(LAMBDAS, (n) => lambda(`lambda-${n}`, 'def handler(event):\n    return 1\n'));
    const call = (some) => callEach({ port, names: some, answer: '1' });
    const first = lambda('first', 'def handler(event):\n    return 1\n');
    await call(count(CALLS_BEFORE, () => first));
    await pause(1_000);
    const before = availableMb();
    await call(names.slice(0, FIRST));
    await pause(1_000);
    const value = round((before - availableMb()) / FIRST);
    figures.add('memory', 'one more idle instance', { n: FIRST, value }, { unit: 'MB', floor: FLOOR });
    const began = performance.now();
    await call(names.slice(FIRST));
    const perSecond = Math.round((1_000 * (LAMBDAS - FIRST)) / (performance.now() - began));
    figures.add(
      'creations',
      'sandboxes made one after the other',
      { n: LAMBDAS - FIRST, value: perSecond },
      { unit: 'per second' },
    );
    figures.add(
      'memory',
      `${LAMBDAS} lambdas warm`,
      { value: round(before - availableMb()) },
      { unit: 'MB', want: 'at most 4096' },
    );
    const made = await coldStarts(admin);
    await call(names);
    const again = (await coldStarts(admin)) - made;
    figures.add(
      'memory',
      `of them, cold when called again`,
      { n: LAMBDAS, value: again },
      { unit: 'calls', want: '0' },
    );
  });
}

async function coldStarts(admin) {
  const { workers } = JSON.parse((await admin('status', '--json')).stdout);
  return workers[0].lambdas.reduce((sum, { cold_starts }) => sum + cold_starts, 0);
}
