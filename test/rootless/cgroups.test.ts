/** Without root, in a part of the cgroup v2 tree that was handed to the user: it is used, and left clean. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ADMIN, cleanEnvironment, runAdmin } from '../e2e/admin.ts';
import { castOf } from '../e2e/cast.ts';
import type { TestCluster } from '../e2e/cluster.ts';
import { eventually } from '../e2e/eventually.ts';
import { statusOf } from '../e2e/ids.ts';
import { useCluster, withCluster } from '../e2e/use-cluster.ts';

/** The directory that rootless.sh has handed over. */
const part = process.env.ISLA_TEST_CGROUP ?? '';
const controllers = part === '' ? [] : readFileSync(join(part, 'cgroup.controllers'), 'utf8').split(/\s+/);

const BUSY_CHILD =
  'import os, time\nif os.fork() == 0:\n    while True:\n        time.sleep(0.01)\ndef handler(e):\n    return "awake"\n';
const GREEDY = 'def handler(e):\n    return len(bytearray(512 << 20))\n';
const FORKS =
  'import os, time\ndef handler(e):\n    made = 0\n    try:\n        for made in range(200):\n            if os.fork() == 0:\n                time.sleep(60)\n' +
  '    except OSError:\n        pass\n    return made\n';

/** Of all workers' sandboxes. */
function groups(): string[] {
  const top = join(part, 'isla');
  if (!existsSync(top)) return [];
  return readdirSync(top, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Of this cluster's sandboxes and zygotes: tests beside this one have theirs in the same part. */
function groupsOf(cluster: TestCluster): string[] {
  const { zygote } = castOf(cluster);
  const own = groups().find((group) => pidsIn(group).includes(zygote)) ?? '';
  return groups().filter((group) => dirname(group) === dirname(own));
}

function pidsIn(group: string): number[] {
  return readFileSync(`${group}/cgroup.procs`, 'utf8').split('\n').filter(Boolean).map(Number);
}

describe.skipIf(part === '')('a part of the cgroup v2 tree that was handed to the user', () => {
  const cluster = useCluster({ settings: { pause_after_ms: 0 } });

  test('is told as in use, by /status and doctor', async () => {
    const { uses, weaker } = await statusOf(cluster());
    expect(uses[1]).toContain(`pausing and ending by cgroup v2 at ${part}`);
    expect(weaker.join()).not.toContain('pausing');
    const { stdout } = await runAdmin(['doctor']);
    expect(stdout).toMatch(new RegExp(`ok +freeze and kill by cgroup v2 +${part}`));
    for (const name of ['memory', 'pids', 'cpu']) {
      const has = controllers.includes(name);
      expect(uses[1]!.includes(`${name} by cgroup v2`)).toBe(has);
      expect(stdout).toMatch(new RegExp(`${has ? 'ok' : 'weaker'} +limit on ${name} `));
    }
  });

  test('pauses every process of a sandbox, and thaws them for a call', async () => {
    cluster().install('child', BUSY_CHILD);
    for (const _call of [1, 2]) {
      expect(await cluster().call('child')).toMatchObject({ status: 200, json: 'awake' });
      await eventually(() => {
        const frozen = groupsOf(cluster()).filter((group) =>
          /^frozen 1$/m.test(readFileSync(`${group}/cgroup.events`, 'utf8')),
        );
        expect(frozen.flatMap(pidsIn)).toHaveLength(2);
      });
    }
  });

  test.skipIf(!controllers.includes('memory'))('limits memory, and one that needed more is told so', async () => {
    cluster().install('greedy', GREEDY);
    const answer = await cluster().call('greedy');
    expect(answer, answer.text).toMatchObject({ status: 502, json: { errorType: 'Runtime.OutOfMemory' } });
  });

  test.skipIf(!controllers.includes('pids'))('limits processes', async () => {
    cluster().install('forks', { 'lambda_func.py': FORKS, 'lambda.json': '{"procs": 20}' });
    expect((await cluster().call('forks')).json).toBe(19);
  });
});

describe.skipIf(part === '')('after SIGKILL of worker and spawner', () => {
  const killed = async (cluster: TestCluster): Promise<void> => {
    cluster.install('child', BUSY_CHILD);
    expect((await cluster.call('child')).status).toBe(200);
    cluster.footprint.look();
    const { worker, spawner } = castOf(cluster);
    process.kill(spawner, 'SIGSTOP');
    process.kill(worker, 'SIGKILL');
    process.kill(spawner, 'SIGKILL');
    expect(groups()).not.toEqual([]);
  };

  test('the next start takes the groups over, and the end leaves none', async () => {
    await withCluster({ settings: { pause_after_ms: 0 } }, async (cluster) => {
      await killed(cluster);
      await cluster.startWorkers();
      expect((await cluster.call('child')).status).toBe(200);
    });
  });

  test('kill removes them, also when it is run in another group', async () => {
    const elsewhere = join(part, 'elsewhere');
    mkdirSync(elsewhere);
    await withCluster({ settings: { pause_after_ms: 0 } }, async (cluster) => {
      await killed(cluster);
      const own = groups().filter((group) => !group.includes('zygote'));
      const moved = spawnSync(
        'sh',
        ['-c', `echo $$ >${elsewhere}/cgroup.procs; exec ${ADMIN} kill --cluster=${cluster.dir}`],
        {
          env: cleanEnvironment(),
          encoding: 'utf8',
        },
      );
      expect(moved.status, moved.stderr).toBe(0);
      expect(own.filter(existsSync)).toEqual([]);
    });
    rmdirSync(elsewhere);
  });
});
