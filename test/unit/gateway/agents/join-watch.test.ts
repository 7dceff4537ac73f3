/** The directory in which a gateway says how it is joined, made while a worker begins to look for it. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { JoinWatch } from '../../../../src/agent/join-watch.ts';
import { deferred } from '../../../../src/lib/deferred.ts';
import { scratchDir } from '../../scratch-dir.ts';

const ROUNDS = 1_000;

/** In a thread of its own: a round after each word, whose two steps come at any moment of the other side's look. */
const GATEWAY = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { mkdirSync, writeFileSync } = require('node:fs');
  const pass = (us) => { const end = performance.now() + us / 1000; while (performance.now() < end); };
  let round = 0;
  const go = new Int32Array(workerData.go);
  for (; round < workerData.rounds; round += 1) {
    Atomics.wait(go, 0, round);
    const dir = workerData.top + '/' + round + '/gateway/agents';
    pass(Math.random() * 200);
    mkdirSync(dir, { recursive: true });
    pass(200);
    writeFileSync(dir + '/join.json', JSON.stringify({ url: 'http://127.0.0.1:1', token: 't' }));
  }
`;

test('is never missed', async () => {
  const top = mkdtempSync(join(scratchDir(), 'isla-join-'));
  for (let round = 0; round < ROUNDS; round += 1) mkdirSync(join(top, String(round)));
  const shared = new SharedArrayBuffer(4);
  const go = new Int32Array(shared);
  const thread = new Worker(GATEWAY, { eval: true, workerData: { go: shared, top, rounds: ROUNDS } });
  for (let round = 0; round < ROUNDS; round += 1) {
    const found = deferred<void>();
    Atomics.store(go, 0, round + 1);
    Atomics.notify(go, 0);
    const beginMs = performance.now() + Math.random() * 0.3;
    while (performance.now() < beginMs);
    const watch = new JoinWatch({
      dir: join(top, String(round), 'gateway', 'agents'),
      onChange: (address) => address && found.resolve(),
      log: () => {},
    });
    await found.promise;
    watch.close();
  }
  await thread.terminate();
  rmSync(top, { recursive: true });
  expect(go[0]).toBe(ROUNDS);
});
