import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { type Answer, request, type TestCluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { useCluster } from './use-cluster.ts';

/** Much longer than a thread that runs goes without running. */
const STILL_MS = 500;

/** Has a thread that uses as much CPU as it gets, and one that counts. Answers the count. */
const RESTLESS = `
import threading, time
ticks = 0

def spin():
    while True:
        pass

def tick():
    global ticks
    while True:
        ticks += 1
        time.sleep(0.001)

def handler(event):
    if ticks == 0:
        open("/host/restless", "w").close()
        for target in (spin, tick):
            threading.Thread(target=target, daemon=True).start()
    time.sleep(0.05)
    return ticks
`;

async function stateOf(cluster: TestCluster, lambda: string): Promise<string> {
  const { json } = await request(`${cluster.url()}/status`, { headers: { accept: 'application/json' } });
  return json.sandboxes.find((one: { lambda: string }) => one.lambda === lambda)?.state;
}

/** CPU time that the processes with this file in their /host have used, in clock ticks. */
function cpuTicks(cluster: TestCluster, file: string): number {
  const pids = cluster.footprint.look().processes.map(({ pid }) => pid);
  const inside = pids.filter((pid) => existsSync(`/proc/${pid}/root/host/${file}`));
  expect(inside).not.toEqual([]);
  return inside
    .map((pid) => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' '))
    .reduce((sum, fields) => sum + Number(fields[11]) + Number(fields[12]), 0);
}

describe('an idle instance', () => {
  const cluster = useCluster({ settings: { pause_after_ms: 0 } });

  test('that is paused uses no CPU and its threads do not run, until the next call', async () => {
    cluster().install('restless', RESTLESS);
    const first: Answer = await cluster().call('restless');
    expect(first.json).toBeGreaterThan(0);
    await eventually(async () => {
      const before = cpuTicks(cluster(), 'restless');
      await delay(STILL_MS);
      expect(cpuTicks(cluster(), 'restless')).toBe(before);
    });
    const before = cpuTicks(cluster(), 'restless');
    await delay(2 * STILL_MS);
    expect(cpuTicks(cluster(), 'restless')).toBe(before);
    const second = await cluster().call('restless');
    expect(second.json).toBeGreaterThan(first.json);
    // A thread that had run on would have counted hundreds in the meantime, and more with each look above.
    expect(second.json).toBeLessThan(first.json + STILL_MS);
  });

  test('is paused right after the answer with pause_after_ms 0', async () => {
    cluster().install('at-once', 'def handler(event):\n    return 1\n');
    for (let call = 0; call < 10; call += 1) {
      await cluster().call('at-once');
      expect(await stateOf(cluster(), 'at-once')).toBe('paused');
    }
  });
});

describe('an idle instance that is to be paused later', () => {
  const cluster = useCluster({ settings: { pause_after_ms: 600_000 } });

  test('is not paused yet after the answer', async () => {
    cluster().install('later', 'def handler(event):\n    return 1\n');
    await cluster().call('later');
    expect(await stateOf(cluster(), 'later')).toBe('idle');
  });
});
