/** Whatever happens to workers, disks and files: an event that was answered with 202 is run. */
import { spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { loadDriver } from '../../src/store/driver.ts';
import { ADMIN, cleanEnvironment } from './admin.ts';
import { request, type TestCluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { useCluster, withCluster } from './use-cluster.ts';
import { callRuns, letGo, waitingCode } from './waiting-lambda.ts';

const ECHO = 'def handler(event):\n    return event\n';
const MAY_MOUNT = spawnSync('unshare', ['--mount', 'true']).status === 0;

/** Waits for those whose runs were cut off by a worker that does not come back. */
const TAKEN_OVER_WAIT_MS = 60_000;

function send(cluster: TestCluster, lambda: string, event: unknown, worker = 0) {
  return cluster.post(`/async/${lambda}`, JSON.stringify(event), {}, worker);
}

async function stateOf(cluster: TestCluster, lambda: string, id: string, worker = 0): Promise<string> {
  return (await request(`${cluster.url(worker)}/async/${lambda}/${id}`)).json.state;
}

async function allDone(cluster: TestCluster, lambda: string, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    await eventually(async () => expect(await stateOf(cluster, lambda, id)).toBe('done'), TAKEN_OVER_WAIT_MS);
  }
}

/** Sends from several connections until the worker has gone; adds the ids that were answered. */
async function sendUntilGone(cluster: TestCluster, lambda: string, ids: string[]): Promise<void> {
  const sender = async () => {
    for (;;) {
      const answer = await send(cluster, lambda, { n: ids.length }).catch(() => undefined);
      if (answer === undefined) return;
      expect(answer.status).toBe(202);
      ids.push(answer.json.requestId);
    }
  };
  await Promise.all(Array.from({ length: 8 }, sender));
}

describe('after SIGKILL', () => {
  test('of the worker, again and again under load, each event that it had taken runs', async () => {
    await withCluster({}, async (cluster) => {
      cluster.install('echo', ECHO);
      const all: string[] = [];
      for (let round = 0; round < 3; round += 1) {
        const before = all.length;
        const sending = sendUntilGone(cluster, 'echo', all);
        // Anywhere in a commit, a run or an answer.
        await eventually(() => expect(all.length).toBeGreaterThan(before + 10 + 7 * round));
        process.kill(cluster.workerPid(), 'SIGKILL');
        await sending;
        await cluster.startWorkers();
      }
      await allDone(cluster, 'echo', all);
    });
  });

  test('of one of two workers, the other runs what it had begun', async () => {
    await withCluster({ workers: 2, settings: { limits: { timeout_ms: 120_000 } } }, async (cluster) => {
      cluster.install('waiting', waitingCode('through'));
      const { requestId } = (await send(cluster, 'waiting', {}, 0)).json;
      const running = await eventually(() => {
        const worker = [0, 1].find((one) => cluster.instanceDirs('waiting', one).length > 0);
        if (worker === undefined) throw new Error('nobody runs it');
        return worker;
      });
      await callRuns(cluster, 'waiting', running);
      process.kill(cluster.workerPid(running), 'SIGKILL');
      const other = 1 - running;
      const scratch = await eventually(() => callRuns(cluster, 'waiting', other), TAKEN_OVER_WAIT_MS);
      expect(await stateOf(cluster, 'waiting', requestId, other)).toBe('running');
      letGo(scratch);
      await eventually(async () => expect(await stateOf(cluster, 'waiting', requestId, other)).toBe('done'));
    });
  }, 180_000);
});

describe('in calm', () => {
  test('each event runs exactly once, over two workers', async () => {
    await withCluster({ workers: 2 }, async (cluster) => {
      cluster.install('echo', ECHO);
      const answers = await Promise.all(Array.from({ length: 300 }, (_, n) => send(cluster, 'echo', n, n % 2)));
      const ids = answers.map(({ json }) => json.requestId as string);
      await allDone(cluster, 'echo', ids);
      // All have ended; the log is written a moment later.
      await eventually(async () => {
        const { stdout } = await cluster.admin('logs', 'echo', '--json', '--tail=5000');
        const entries = stdout
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line));
        const ran = entries.filter(({ outcome }) => outcome !== undefined).map(({ requestId }) => requestId);
        expect(ran.sort()).toEqual([...ids].sort());
      });
    });
  });

  test('a worker that is stopped gives back what it has not begun, and another goes on', async () => {
    await withCluster({ settings: { limits: { concurrency: 1 }, grace_ms: 300 } }, async (cluster) => {
      cluster.install('waiting', waitingCode('through'));
      const ids: string[] = [];
      for (let n = 0; n < 5; n += 1) ids.push((await send(cluster, 'waiting', n)).json.requestId);
      await callRuns(cluster, 'waiting');
      expect((await cluster.admin('kill')).status).toBe(0);
      await cluster.startWorkers();
      letGo(await callRuns(cluster, 'waiting'));
      await allDone(cluster, 'waiting', ids);
    });
  });
});

describe('a queue that can not be written', () => {
  // Without root nobody mounts a file system to fill.
  test.skipIf(!MAY_MOUNT)('because the disk is full refuses by name, keeps what it has, and goes on', async () => {
    await withCluster({ running: false }, async (cluster) => {
      cluster.install('echo', ECHO);
      const dir = join(cluster.dir, 'async');
      mkdirSync(dir);
      const script = 'mount -t tmpfs -o size=2m none "$1" && exec "$2" worker-exec --cluster="$3" --port=0';
      const args = ['--mount', '--propagation=private', 'sh', '-c', script, 'sh', dir, ADMIN, cluster.dir];
      spawn('unshare', args, { env: cleanEnvironment(), stdio: 'ignore', detached: true }).unref();
      await eventually(async () => expect(await cluster.readUrls()).toHaveLength(1), 30_000);
      cluster.footprint.look();
      const ids: string[] = [];
      const event = 'x'.repeat(100_000);
      const refused = await eventually(async () => {
        const answer = await send(cluster, 'echo', event);
        if (answer.status === 202) ids.push(answer.json.requestId);
        expect(answer.status).not.toBe(202);
        return answer;
      });
      expect(refused).toMatchObject({ status: 507, json: { errorType: 'Store.Full' } });
      expect(await cluster.call('echo', 7)).toMatchObject({ status: 200, json: 7 });
      expect(ids.length).toBeGreaterThan(2);
    });
  });

  test('because another process holds it waits, then refuses, and goes on', async () => {
    await withCluster({}, async (cluster) => {
      cluster.install('echo', ECHO);
      await allDone(cluster, 'echo', [(await send(cluster, 'echo', 0)).json.requestId]);
      const Driver = await loadDriver();
      const holder = new Driver(join(cluster.dir, 'async/queue.db'));
      onTestFinished(() => void holder.close());
      holder.exec('BEGIN IMMEDIATE');
      expect(await send(cluster, 'echo', 1)).toMatchObject({ status: 503, json: { errorType: 'Store.Unavailable' } });
      expect(await cluster.call('echo', 7)).toMatchObject({ status: 200, json: 7 });
      holder.exec('ROLLBACK');
      const answer = await eventually(async () => {
        const sent = await send(cluster, 'echo', 2);
        expect(sent.status).toBe(202);
        return sent;
      }, 30_000);
      await allDone(cluster, 'echo', [answer.json.requestId]);
    });
  }, 90_000);

  test('because it is no database is left as it is, and all else works', async () => {
    await withCluster({ running: false }, async (cluster) => {
      cluster.install('echo', ECHO);
      mkdirSync(join(cluster.dir, 'async'));
      writeFileSync(join(cluster.dir, 'async/queue.db'), 'no database, however one looks at it\n'.repeat(200));
      await cluster.startWorkers();
      expect(await cluster.call('echo', 7)).toMatchObject({ status: 200, json: 7 });
      expect(await send(cluster, 'echo', 1)).toMatchObject({
        status: 503,
        json: { errorType: 'Store.Unavailable', errorMessage: expect.stringContaining('file is not a database') },
      });
      expect(await cluster.admin('async', 'list')).toMatchObject({
        status: 2,
        stderr: expect.stringContaining('is not a database'),
      });
    });
  });
});

describe('a queue whose file', () => {
  const files = (cluster: TestCluster) => ['', '-wal', '-shm'].map((end) => join(cluster.dir, `async/queue.db${end}`));

  test('is removed under a worker takes nothing more into the one that nobody will find', async () => {
    await withCluster({}, async (cluster) => {
      cluster.install('echo', ECHO);
      await allDone(cluster, 'echo', [(await send(cluster, 'echo', 0)).json.requestId]);
      for (const file of files(cluster)) rmSync(file, { force: true });
      const answer = await eventually(async () => {
        const sent = await send(cluster, 'echo', 1);
        if (sent.status !== 202) expect(sent).toMatchObject({ status: 503, json: { errorType: 'Store.Unavailable' } });
        expect(sent.status).toBe(202);
        return sent;
      });
      const id = answer.json.requestId;
      expect(await cluster.admin('async', 'show', id, '--json')).toMatchObject({ status: 0 });
      await allDone(cluster, 'echo', [id]);
      process.kill(cluster.workerPid(), 'SIGKILL');
      await cluster.startWorkers();
      expect(await stateOf(cluster, 'echo', id)).toBe('done');
      expect(cluster.log()).not.toContain('runs twice');
    });
  });

  test('is damaged refuses, says what to do, and begins anew when it was moved away', async () => {
    await withCluster({}, async (cluster) => {
      cluster.install('echo', ECHO);
      const ids = await Promise.all(Array.from({ length: 50 }, (_, n) => send(cluster, 'echo', n)));
      await allDone(
        cluster,
        'echo',
        ids.map(({ json }) => json.requestId),
      );
      // The worker that is stopped leaves all in the file itself.
      expect((await cluster.admin('kill')).status).toBe(0);
      const [file = ''] = files(cluster);
      const fd = openSync(file, 'r+');
      writeSync(fd, Buffer.alloc(statSync(file).size - 4096, 'rubbish '), 0, undefined, 4096);
      closeSync(fd);
      await cluster.startWorkers();
      expect(await cluster.call('echo', 7)).toMatchObject({ status: 200, json: 7 });
      const refused = await send(cluster, 'echo', 1);
      expect(refused).toMatchObject({ status: 503, json: { errorType: 'Store.Unavailable' } });
      expect(refused.json.errorMessage).toMatch(/malformed.* move it away/);
      expect(await cluster.admin('async', 'list')).toMatchObject({
        stdout: '',
        stderr: expect.stringContaining('malformed'),
      });
      for (const one of files(cluster)) if (existsSync(one)) renameSync(one, `${one}.damaged`);
      const answer = await eventually(async () => {
        const sent = await send(cluster, 'echo', 2);
        expect(sent.status).toBe(202);
        return sent;
      });
      await allDone(cluster, 'echo', [answer.json.requestId]);
    });
  });
});

describe('without better-sqlite3', () => {
  const dir = mkdtempSync(join(tmpdir(), 'isla-hidden-'));
  const hooks = join(dir, 'hooks.mjs');
  const hide = join(dir, 'hide.mjs');
  writeFileSync(
    hooks,
    `export async function resolve(name, context, next) {
  if (name === 'better-sqlite3') throw Object.assign(new Error('it is hidden'), { code: 'ERR_MODULE_NOT_FOUND' });
  return next(name, context);
}\n`,
  );
  writeFileSync(hide, "import { register } from 'node:module';\nregister('./hooks.mjs', import.meta.url);\n");
  // After the cluster's own, which is registered later.
  afterAll(() => rmSync(dir, { recursive: true }));
  const cluster = useCluster({ env: { NODE_OPTIONS: `--import=file://${hide}` } });

  test('a worker serves everything but asynchronous calls, which are told what is missing', async () => {
    cluster().install('echo', ECHO);
    expect(await cluster().call('echo', 7)).toMatchObject({ status: 200, json: 7 });
    expect(await send(cluster(), 'echo', 1)).toMatchObject({
      status: 501,
      json: { errorType: 'Async.Unavailable', errorMessage: expect.stringContaining('better-sqlite3') },
    });
    expect((await request(`${cluster().url()}/metrics`)).status).toBe(200);
  });
});
