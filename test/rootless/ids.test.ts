/** Without root: by which ids sandboxes are told apart, what is said of it, and what the user keeps. */
import { copyFileSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cleanEnvironment, run, runAdmin } from '../e2e/admin.ts';
import { castOf } from '../e2e/cast.ts';
import { hasSubIds, statusOf } from '../e2e/ids.ts';
import { useCluster, withCluster } from '../e2e/use-cluster.ts';

/** What rootless.sh has arranged. */
const arranged = process.env.ISLA_TEST_IDS;

const WHO =
  'import os\ndef handler(e):\n    own = "/handler/lambda_func.py"\n' +
  '    return {"uid": os.getuid(), "map": open("/proc/self/uid_map").read().split(), "code": os.stat(own).st_uid, "usr": os.stat("/usr").st_uid}\n';
const FORKS =
  'import os, time\ndef handler(e):\n    made = 0\n    try:\n        for made in range(500):\n            if os.fork() == 0:\n                time.sleep(60)\n' +
  '    except OSError:\n        pass\n    return made\n';
const WATCHES =
  'import ctypes\ndef handler(e):\n    n = 0\n    while ctypes.CDLL(None).inotify_init1(0) != -1:\n        n += 1\n    return n\n';

describe('without root', () => {
  const cluster = useCluster();

  test('/status, the log and doctor say by which ids, and why not by better ones', async () => {
    const { uses, weaker } = await statusOf(cluster());
    const [ids] = uses;
    if (arranged === 'sub-ids') {
      expect(ids).toMatch(/^\d+ sub-ids from 19000\d{5} on, by newuidmap, one for each sandbox$/);
      expect(weaker.join()).not.toMatch(/one id|processes/);
    }
    if (arranged === 'one-id') {
      expect(ids).toBe(`one id, ${process.getuid?.()}, for all sandboxes`);
      expect(weaker[0]).toMatch(/all sandboxes run under one id.*(newuidmap failed: \S+|is not installed)/);
    }
    expect(cluster().log()).toContain(ids);
    const { stdout } = await runAdmin(['doctor']);
    expect(stdout).toMatch(
      /sub-ids/.test(ids!) ? /ok +user +without root: \d+ sub-ids/ : /weaker +user +without root: .*one id/,
    );
  });

  test('two sandboxes have what they are said to have, and neither is the owner of its code', async () => {
    for (const name of ['who-1', 'who-2']) cluster().install(name, WHO);
    const [first, second] = [(await cluster().call('who-1')).json, (await cluster().call('who-2')).json];
    if (await hasSubIds(cluster())) {
      expect(first.uid).not.toBe(second.uid);
      for (const { uid, code, usr } of [first, second]) {
        expect(uid).toBeGreaterThanOrEqual(1000);
        expect([code, usr]).toEqual([65534, 65534]);
      }
    } else {
      expect([first.uid, second.uid]).toEqual([0, 0]);
      expect(first.map[2]).toBe('1');
    }
  });

  test('a sandbox with an id of its own has no more processes than it may', async (context) => {
    if (!(await hasSubIds(cluster()))) context.skip('there is one id for all sandboxes');
    cluster().install('forks', { 'lambda_func.py': FORKS, 'lambda.json': '{"procs": 20}' });
    cluster().install('beside', FORKS.replace('500', '10'));
    expect((await cluster().call('forks')).json).toBe(19);
    // Its neighbour's do not count for it.
    expect((await cluster().call('beside')).json).toBe(9);
  });

  test('sandboxes that take all file watchers they can leave some to the user', async () => {
    const names = Array.from({ length: 40 }, (_, index) => `watches-${index}`);
    for (const name of names) cluster().install(name, WATCHES);
    const taken = (await Promise.all(names.map((name) => cluster().call(name)))).map(({ json }) => json as number);
    // With one id for all there is one limit for all.
    const least = (await hasSubIds(cluster())) ? 30 : 1;
    expect(taken.reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(least);
    const one = await run('python3', ['-c', 'import ctypes\nprint(ctypes.CDLL(None).inotify_init1(0) != -1)']);
    expect(one.stdout.trim()).toBe('True');
  });
});

describe('after SIGKILL of worker and spawner', () => {
  test('no file is left that the user can not remove', async () => {
    await withCluster({}, async (cluster) => {
      const source =
        'import os\ndef handler(e):\n    os.makedirs("/host/shut/in")\n    open("/host/shut/in/file", "w").write("x")\n    os.chmod("/host/shut", 0)\n    print("said")\n    return "made"\n';
      cluster.install('leaves', source);
      expect((await cluster.call('leaves')).json).toBe('made');
      const { worker, spawner } = castOf(cluster);
      process.kill(worker, 'SIGKILL');
      process.kill(spawner, 'SIGKILL');
      const foreign = await run('find', [cluster.dir, '!', '-uid', String(process.getuid?.())]);
      expect(foreign).toMatchObject({ status: 0, stdout: '' });
      await cluster.startWorkers();
      expect((await cluster.call('leaves')).json).toBe('made');
    });
  });
});

describe.skipIf(arranged !== 'sub-ids')('where newuidmap can not be used', () => {
  test('a worker starts with one id, and the reason is told', async () => {
    const dir = mkdtempSync(join(process.env.HOME!, 'tools-'));
    // A copy is not set-user-id root.
    for (const tool of ['newuidmap', 'newgidmap']) copyFileSync(`/usr/bin/${tool}`, join(dir, tool));
    const env = cleanEnvironment({ PATH: `${dir}:${process.env.PATH}` });
    await withCluster({ env }, async (cluster) => {
      const { weaker } = await statusOf(cluster);
      expect(weaker[0]).toMatch(/one id.*newuidmap failed: .*not set-user-id root/);
      cluster.installExample('echo');
      expect((await cluster.call('echo', 1)).json).toBe(1);
    });
    expect((await runAdmin(['doctor'], { env })).stdout).toContain('not set-user-id root');
  });
});
