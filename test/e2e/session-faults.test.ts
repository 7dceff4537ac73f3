/** What is under way when a gateway or a worker is killed: it goes on, or ends with its reason, and nothing is left of it. */
import { expect, test } from 'vitest';
import { Gateway } from '../../src/client/gateway.ts';
import { Session } from '../../src/client/session.ts';
import { eventually } from './eventually.ts';
import { startGateway } from './gateway.ts';
import { GatewayClient } from './gateway-client.ts';
import { withCluster } from './use-cluster.ts';

const BOMB =
  'import os, time\ntry:\n    while True:\n        if os.fork() == 0:\n            os.setsid()\n            while True: time.sleep(0.1)\nexcept OSError: pass';

test('a gateway that is killed under cells and streams finds them again, and all that they have said', async () => {
  await withCluster({}, async (cluster) => {
    const before = await startGateway(cluster);
    const session = await Session.create('python', { ...before, name: 'lasting' });
    const fork = await session.fork();
    const leaving = new AbortController();
    let heard = '';
    const streamed = session
      .run('import time\nfor i in range(40):\n    print(i, flush=True)\n    time.sleep(0.1)', {
        runId: 'streamed',
        signal: leaving.signal,
        onStdout: (text) => {
          heard += text;
        },
      })
      .catch((error: unknown) => error);
    const endless = fork
      .run('while True: print("x" * 100)', { runId: 'endless', signal: leaving.signal })
      .catch((error: unknown) => error);
    await eventually(() => expect(heard).toContain('2\n'));
    const { stdout } = await cluster.admin('status', '--json');
    process.kill(JSON.parse(stdout).gateway.pid, 'SIGKILL');
    await eventually(async () => expect((await cluster.admin('status')).status).toBe(6));
    const after = await startGateway(cluster);
    const again = await Session.create('python', { ...after, name: 'lasting' });
    const result = await again.watch('streamed').result;
    expect(result.stdout).toBe(Array.from({ length: 40 }, (_, at) => `${at}\n`).join(''));
    expect((await again.run('print(i)')).stdout).toBe('39\n');
    leaving.abort();
    await streamed;
    await new Gateway(after).session(fork.name).destroy();
    await endless;
    await again.destroy();
  });
});

test('a worker that is killed leaves nothing of its sessions, their forks and what those have made', async () => {
  await withCluster({}, async (cluster) => {
    const access = await startGateway(cluster);
    const session = await Session.create('python', access);
    const fork = await session.fork();
    await session.run(BOMB);
    await fork.run(BOMB);
    const endless = await Session.create('python', access);
    const running = endless.run('while True: print("x" * 100)').catch((error: unknown) => error);
    cluster.footprint.look();
    const worker = cluster.workerPid();
    process.kill(worker, 'SIGKILL');
    // The gateway, which is there still, is no Python.
    await eventually(() =>
      expect(cluster.footprint.left().filter((one) => /python|^cgroup|^mount/.test(one))).toEqual([]),
    );
    await running;
  });
});

test('a worker that is there and does nothing keeps no stream waiting; when it goes on, all is as before', async () => {
  await withCluster({}, async (cluster) => {
    const access = await startGateway(cluster, '--heartbeat-timeout=3600');
    const session = await Session.create('python', { ...access, name: 'stuck' });
    await session.run('x = 1');
    const client = new GatewayClient(cluster.dir);
    const worker = cluster.workerPid();
    process.kill(worker, 'SIGSTOP');
    try {
      const [cell, shell] = await Promise.all([
        client.stream('/stream/kernel/stuck/execute'),
        client.stream('/stream/kernel/stuck/pty'),
      ]);
      cell.send({ mode: 'query', code: 'x' });
      expect([await cell.closed, cell.said]).toEqual([
        1000,
        [
          expect.objectContaining({
            status: 'error',
            msg: expect.stringMatching(/has not answered "stream" for 30 s/),
          }),
        ],
      ]);
      expect([await shell.closed, shell.said]).toEqual([
        1011,
        [{ type: 'error', reason: 'instance-not-available', data: expect.stringMatching(/has not answered "pty"/) }],
      ]);
    } finally {
      process.kill(worker, 'SIGCONT');
    }
    // It has heard nothing for so long that it dials again.
    await eventually(async () => {
      const shell = await client.stream('/stream/kernel/stuck/pty');
      shell.send({ type: 'stdin', chars: Buffer.from('exit\n').toString('base64') });
      expect(await shell.closed).toBe(1000);
    });
    expect((await session.run('print(x)')).stdout).toBe('1\n');
    await session.destroy();
  });
});
