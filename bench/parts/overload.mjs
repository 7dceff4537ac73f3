/** Twice the calls that a lambda can serve, whatever becomes of them: how many are served, and how long those take. */
import { withWorker } from '../bed.mjs';

const GROUP = 'overload';
const INSTANCES = 4;
const RUN_MS = 20;
const SECONDS = '5';
const CODE = `import time\n\n\ndef handler(event):\n    time.sleep(${RUN_MS / 1_000})\n    return 1\n`;
const CAPACITY = (INSTANCES * 1_000) / RUN_MS;
const FLOOR = 'what its instances can serve';

export async function measureOverload(figures) {
  await withWorker({ limits: { concurrency: INSTANCES }, queue_max: 20 }, async ({ admin, lambda }) => {
    lambda('sleeps', CODE);
    const bench = async (rate) =>
      JSON.parse((await admin('bench', 'sleeps', '{}', `--rate=${rate}`, `--seconds=${SECONDS}`, '--json')).stdout);
    await bench(CAPACITY / 4);
    const half = await bench(CAPACITY / 2);
    const twice = await bench(CAPACITY * 2);
    figures.add(GROUP, FLOOR, { value: CAPACITY }, { unit: 'per second' });
    const served = { n: twice.sent, value: twice.served_per_second };
    figures.add(GROUP, 'served of twice as many', served, { unit: 'per second', floor: FLOOR });
    const refused = Object.entries(twice.failed).map(([why, calls]) => `${why} ${calls}`);
    figures.add(GROUP, `refused: ${refused.join(', ')}`, { value: twice.sent - twice.served }, { unit: 'calls' });
    figures.add('latency and overload', 'half of what can be served', timesOf(half));
    const floor = 'half of what can be served';
    figures.add('latency and overload', 'twice what can be served, of those served', timesOf(twice), { floor });
  });
}

function timesOf({ latency_ms: { all } }) {
  return { n: all.count, p50: all.p50, p99: all.p99, max: all.max };
}
