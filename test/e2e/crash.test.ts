/** Whatever is killed, the callers get an answer, nothing stays behind, and the next call works. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { castOf, instancePid } from './cast.ts';
import type { Answer, TestCluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { isAlive } from './footprint.ts';
import { withCluster } from './use-cluster.ts';
import { callRuns, waitingCode } from './waiting-lambda.ts';

/** Instances are paused as soon as they are idle, so that every test meets frozen ones as well. */
const PAUSING = { settings: { pause_after_ms: 0 } };
/** The promise is one second; a busy machine gets some slack, a poll of minutes does not. */
const GONE_WAIT_MS = 5_000;

describe('while it is stopped', () => {
  test.each(['worker', 'spawner', 'zygote'] as const)(
    'the %s does not keep kill from ending everything',
    async (who) => {
      await withCluster({ settings: { pause_after_ms: 0, grace_ms: 500 } }, async (cluster) => {
        const { inFlight } = await busyAndPaused(cluster);
        process.kill(castOf(cluster)[who], 'SIGSTOP');
        expect((await cluster.admin('kill')).status).toBe(0);
        await cluster.gone(GONE_WAIT_MS);
        await inFlight;
      });
    },
  );
});

test('a spawner that can not be started again costs calls, not the worker', async () => {
  await withCluster({}, async (cluster) => {
    cluster.installExample('echo');
    expect((await cluster.call('echo')).status).toBe(200);
    const worker = cluster.workerPid();
    const dir = join(cluster.dir, 'workers/worker-0');
    renameSync(dir, `${dir}-away`);
    process.kill(castOf(cluster).spawner, 'SIGKILL');
    await eventually(async () => expect(isServerFailure((await cluster.call('echo', 'x')).status)).toBe(true));
    expect((await cluster.admin('status')).stdout).toContain('ready [200 OK]');
    renameSync(`${dir}-away`, dir);
    await eventually(async () =>
      expect(await cluster.call('echo', 'back')).toMatchObject({ status: 200, json: 'back' }),
    );
    expect(cluster.workerPid()).toBe(worker);
  });
});

describe('after SIGKILL', () => {
  test('of the worker alone: nothing is left by itself, and it starts again', async () => {
    await withCluster(PAUSING, async (cluster) => {
      const { inFlight } = await busyAndPaused(cluster);
      process.kill(castOf(cluster).worker, 'SIGKILL');
      await cluster.gone(GONE_WAIT_MS);
      expect(await inFlight).toBe('connection lost');
      expect((await cluster.admin('status')).stdout).not.toContain('ready');
      await startsAgain(cluster);
    });
  });

  test.each(['spawner', 'zygote'] as const)(
    'of the %s: the call in flight is answered, the next one works',
    async (who) => {
      await withCluster(PAUSING, async (cluster) => {
        const { inFlight } = await busyAndPaused(cluster);
        const worker = cluster.workerPid();
        const old = cluster.footprint.look().processes.filter((one) => one.pid !== worker);
        process.kill(castOf(cluster)[who], 'SIGKILL');
        expect(await inFlight).toMatchObject({
          status: expect.toSatisfy(isServerFailure),
          json: { errorType: expect.any(String) },
        });
        await worksEverywhere(cluster);
        expect(cluster.workerPid(), 'the worker went on').toBe(worker);
        // Instances cannot outlive what they were forked from.
        await eventually(() => {
          const { spawner, keeper } = castOf(cluster); // go on where only the zygote was killed
          expect(old.filter((one) => one.pid !== spawner && one.pid !== keeper && isAlive(one))).toEqual([]);
        });
      });
    },
  );

  test("of the spawner's keeper of scratch: calls in flight and those after them work", async () => {
    await withCluster(PAUSING, async (cluster) => {
      const { inFlight } = await busyAndPaused(cluster);
      const { keeper, zygote, spawner } = castOf(cluster);
      if (keeper !== undefined) process.kill(keeper, 'SIGKILL');
      await worksEverywhere(cluster);
      expect(castOf(cluster)).toMatchObject({ zygote, spawner });
      process.kill(instancePid(cluster, 'busy'), 'SIGKILL');
      await inFlight;
    });
  });

  test('of an instance with a call in flight: that call is answered, the next one works', async () => {
    await withCluster(PAUSING, async (cluster) => {
      const { inFlight } = await busyAndPaused(cluster);
      process.kill(instancePid(cluster, 'busy'), 'SIGKILL');
      expect(await inFlight).toMatchObject({
        status: expect.toSatisfy(isServerFailure),
        json: { errorType: expect.any(String) },
      });
      await worksEverywhere(cluster);
    });
  });

  test('of a paused instance: it leaves the list, and the next call does not notice', async () => {
    await withCluster(PAUSING, async (cluster) => {
      cluster.installExample('echo');
      await cluster.call('echo', 1);
      process.kill(instancePid(cluster, 'echo'), 'SIGKILL');
      // A call in the very instant of the death may meet it: an event is never sent twice.
      await eventually(async () => expect((await cluster.admin('status')).stdout).not.toContain('echo'));
      expect(await cluster.call('echo', 2)).toMatchObject({ status: 200, json: 2 });
    });
  });

  test.each([
    ['worker and spawner', ['worker', 'spawner']],
    ['spawner and worker', ['spawner', 'worker']],
    ['worker, spawner and zygote', ['worker', 'spawner', 'zygote']],
  ] as const)('of %s: the next start works and ends what was left', async (_name, who) => {
    await withCluster(PAUSING, async (cluster) => {
      const { inFlight } = await busyAndPaused(cluster);
      const cast = castOf(cluster);
      for (const name of who) process.kill(cast[name], 'SIGKILL');
      expect(await inFlight).toBe('connection lost');
      const old = cluster.footprint.look().processes;
      await startsAgain(cluster);
      await eventually(() => expect(old.filter(isAlive)).toEqual([]));
    });
  });

  test.each([
    ['', () => {}],
    [
      ', after its directory was removed,',
      (cluster: TestCluster) => rmSync(join(cluster.dir, 'workers'), { recursive: true }),
    ],
  ])('of worker and spawner, `kill` alone%s also leaves nothing', async (_when, before) => {
    await withCluster(PAUSING, async (cluster) => {
      await busyAndPaused(cluster);
      const { worker, spawner } = castOf(cluster);
      process.kill(worker, 'SIGKILL');
      process.kill(spawner, 'SIGKILL');
      before(cluster);
      expect(await cluster.admin('kill')).toMatchObject({ status: 0 });
      await cluster.gone(GONE_WAIT_MS);
    });
  });
});

/** What it holds does not end of SIGKILL, as on a disk that hangs. */
const FREEZER = '/sys/fs/cgroup/freezer';

test.skipIf(process.getuid?.() !== 0 || !existsSync(FREEZER))(
  'after SIGKILL of worker and spawner `kill` names what does not end, and ends it when it can',
  async () => {
    const group = join(FREEZER, `isla-test-${process.pid}`);
    const freeze = (state: string) => writeFileSync(join(group, 'freezer.state'), state);
    await withCluster(PAUSING, async (cluster) => {
      await busyAndPaused(cluster);
      const held = instancePid(cluster, 'busy');
      mkdirSync(group);
      try {
        writeFileSync(join(group, 'cgroup.procs'), String(held));
        freeze('FROZEN');
        await eventually(() => expect(readFileSync(join(group, 'freezer.state'), 'utf8')).toBe('FROZEN\n'));
        const { worker, spawner } = castOf(cluster);
        process.kill(worker, 'SIGKILL');
        process.kill(spawner, 'SIGKILL');
        const killed = await cluster.admin('kill');
        expect(killed.stderr).toMatch(new RegExp(`processes \\[.*\\b${held}\\b.*\\] do not end even of SIGKILL`));
        expect(killed.status).not.toBe(0);
      } finally {
        freeze('THAWED');
      }
      expect(await cluster.admin('kill')).toMatchObject({ status: 0 });
      await cluster.gone(GONE_WAIT_MS);
      rmdirSync(group);
    });
  },
);

/** A call that runs, an instance that is paused, one that is idle. Resolves with the running call. */
async function busyAndPaused(cluster: TestCluster): Promise<{ inFlight: Promise<Answer | 'connection lost'> }> {
  cluster.installExample('echo');
  cluster.installExample('counter');
  cluster.install('busy', waitingCode('done'));
  expect((await cluster.call('echo', 1)).status).toBe(200);
  expect((await cluster.call('counter')).status).toBe(200);
  const inFlight = cluster.call('busy').catch(() => 'connection lost' as const);
  await callRuns(cluster, 'busy');
  await eventually(async () => expect((await cluster.admin('status')).stdout).toMatch(/paused/));
  cluster.footprint.look();
  return { inFlight };
}

async function worksEverywhere(cluster: TestCluster): Promise<void> {
  expect(await cluster.call('echo', 'again')).toMatchObject({ status: 200, json: 'again' });
  expect(await cluster.call('counter')).toMatchObject({ status: 200 });
}

async function startsAgain(cluster: TestCluster): Promise<void> {
  await cluster.startWorkers();
  await worksEverywhere(cluster);
}

function isServerFailure(status: number): boolean {
  return status >= 500;
}
