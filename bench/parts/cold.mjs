/** Cold starts beside the bare fork into namespaces: out of the pool and without one, alone and from many clients. */
import { callEach, count, floorTimes, pause, withWorker } from '../bed.mjs';

const GROUP = 'cold start';
const GAP_MS = 150;
const COUNT = 60;
const BURST = 200;
const CLIENTS = 8;
/** For the pool to be filled after a burst: at 10 ms each. */
const REST_MS = 3_000;
const FLOOR = 'floor: fork into namespaces';

export async function measureCold(figures) {
  figures.add(GROUP, FLOOR, await floorTimes(COUNT, GAP_MS));
  await withWorker({ instances_max: 2_000, pool_max: BURST }, async ({ port, lambda }) => {
    const names = (prefix, number) => count(number, (index) => lambda(`${prefix}-${index}`));
    const gaps = names('gaps', COUNT);
    await pause(1_000); // What writing them set in motion is not what is measured.
    figures.add(GROUP, 'plain, out of the pool', await callEach({ port, names: gaps, gapMs: GAP_MS }), {
      floor: FLOOR,
    });
    const warm = count(COUNT, () => gaps[0]);
    figures.add(GROUP, 'a warm call with such gaps', await callEach({ port, names: warm, gapMs: GAP_MS }), {
      floor: FLOOR,
    });
    // What a burst teaches the pool is for the next one.
    for (const turn of ['a first time', 'again']) {
      const burst = names(`burst-${turn.replaceAll(' ', '-')}`, BURST);
      await pause(REST_MS);
      const began = performance.now();
      const times = await callEach({ port, names: burst, clients: CLIENTS });
      const value = Math.round((1_000 * BURST) / (performance.now() - began));
      figures.add(
        'creations',
        `sandboxes made for ${CLIENTS} clients, ${turn}`,
        { n: BURST, value },
        { unit: 'per second' },
      );
      figures.add(GROUP, `plain, ${CLIENTS} clients, ${turn}`, times, { floor: FLOOR });
    }
  });
  await withWorker({ pool_size: 0, instances_max: 2_000 }, async ({ port, lambda }) => {
    const names = count(COUNT / 2, (index) => lambda(`unpooled-${index}`));
    await pause(1_000);
    figures.add(GROUP, 'plain, without a pool', await callEach({ port, names, gapMs: GAP_MS }), { floor: FLOOR });
  });
}
