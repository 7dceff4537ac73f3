/**
 * Calls of lambdas whose events have a process each, one of them with an import of a tenth of a second, beside those of one
 * that keeps its instance, by turns.
 */
import { ANSWER, callEach, EVENT, HELLO, withWorker } from '../bed.mjs';

const GROUP = 'a process for each event';
const COUNT = 60;
/** Instances are paused by then, and the next one waits. */
const GAP_MS = 150;
/** What takes so long is computing, not waiting: a fork that had to do it again would show. */
const SLOW_IMPORT = `import time\n\nuntil = time.process_time() + 0.1\nwhile time.process_time() < until:\n    pass\n\n\n`;
/** Until the loader is there, which an instance that has imported the code has to ask for. */
const FIRST_TURNS = 10;
const FLOOR = 'warm call of an instance that is kept';

export async function measureIsolated(figures) {
  await withWorker({}, async ({ port, lambda }) => {
    const file = (isolation) => ({ 'lambda.json': JSON.stringify({ isolation }) });
    const names = {
      [FLOOR]: lambda('kept', HELLO, file('instance')),
      'a process for the event': lambda('isolated', HELLO, file('call')),
      'the same, and an import of 100 ms': lambda('slow-import', SLOW_IMPORT + HELLO, file('call')),
    };
    const times = Object.fromEntries(Object.keys(names).map((what) => [what, []]));
    for (let turn = -FIRST_TURNS; turn < COUNT; turn += 1) {
      for (const [what, name] of Object.entries(names)) {
        const [took] = await callEach({ port, names: [name], gapMs: GAP_MS, body: EVENT, answer: ANSWER });
        if (turn >= 0) times[what].push(took);
      }
    }
    for (const [what, all] of Object.entries(times))
      figures.add(GROUP, what, all, what === FLOOR ? {} : { floor: FLOOR });
  });
}
