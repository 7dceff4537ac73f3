import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ADMIN, cleanEnvironment, runAdmin } from './admin.ts';
import { request, type TestCluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { freePorts } from './free-ports.ts';
import { withCluster } from './use-cluster.ts';
import { callRuns, letGo, waitingCode } from './waiting-lambda.ts';

describe('several workers on one machine', () => {
  test('--num-workers=3 --port=P serves P, P+1 and P+2, each on its own', async () => {
    const [port] = (await freePorts(3)) as [number];
    await withCluster({ running: false }, async (cluster) => {
      const started = await cluster.admin('workers', '--num-workers=3', `--port=${port}`);
      expect(started).toMatchObject({ status: 0 });
      const urls = await cluster.readUrls();
      expect(urls).toEqual([0, 1, 2].map((n) => `http://localhost:${port + n}`));
      cluster.installExample('counter');
      for (const worker of [0, 1, 2]) {
        expect((await cluster.call('counter', {}, worker)).json).toEqual({ calls: 1 });
        expect(cluster.instanceDirs('counter', worker)).toHaveLength(1);
        for (const file of [`config/worker-${worker}.json`, `logs/worker-${worker}.out`, `logs/worker-${worker}.pid`]) {
          expect(existsSync(join(cluster.dir, file)), file).toBe(true);
        }
      }
      expect(new Set([0, 1, 2].map((worker) => cluster.workerPid(worker))).size).toBe(3);
    });
  });

  test('two clusters do not disturb each other', async () => {
    await withCluster({}, async (one) => {
      one.installExample('counter');
      await one.call('counter');
      await withCluster({}, async (other) => {
        other.installExample('counter');
        expect((await other.call('counter')).json).toEqual({ calls: 1 });
      });
      expect((await one.call('counter')).json).toEqual({ calls: 2 });
    });
  });
});

describe('starting', () => {
  test('`workers` run twice says that they run, and changes nothing', async () => {
    const [port] = (await freePorts(1)) as [number];
    await withCluster({ running: false }, async (cluster) => {
      await cluster.admin('workers', `--port=${port}`);
      await cluster.readUrls();
      const pid = cluster.workerPid();
      const again = await cluster.admin('workers', `--port=${port}`);
      expect(`${again.stdout}${again.stderr}`).toMatch(/already|run/i);
      expect(cluster.workerPid()).toBe(pid);
      cluster.installExample('echo');
      expect((await cluster.call('echo', 1)).status).toBe(200);
    });
  });

  test('a worker that is killed and started again works, as often as one likes', async () => {
    await withCluster({}, async (cluster) => {
      cluster.installExample('counter');
      for (let round = 0; round < 3; round += 1) {
        expect((await cluster.call('counter')).json).toEqual({ calls: 1 });
        expect(await cluster.admin('kill')).toMatchObject({ status: 0 });
        expect(cluster.footprint.left()).toEqual([]);
        await cluster.startWorkers();
      }
    });
  });

  test('a taken port is an error that names it, and leaves nothing half-started', async () => {
    const holder = createServer().listen(0);
    await new Promise((done) => holder.once('listening', done));
    const { port } = holder.address() as { port: number };
    try {
      await withCluster({ running: false }, async (cluster) => {
        const failed = await cluster.admin('workers', `--port=${port}`);
        expect(failed.status).not.toBe(0);
        expect(failed.stderr).toContain(String(port));
        expect(cluster.footprint.left()).toEqual([]);
        await cluster.startWorkers();
      });
    } finally {
      await new Promise((done) => holder.close(done));
    }
  });

  test('if one of several ports is taken, none of the workers stays', async () => {
    const [first, second] = (await freePorts(2)) as [number, number];
    const holder = createServer().listen(second);
    await new Promise((done) => holder.once('listening', done));
    try {
      await withCluster({ running: false }, async (cluster) => {
        const failed = await cluster.admin('workers', '--num-workers=2', `--port=${first}`);
        expect(failed.status).not.toBe(0);
        expect(cluster.footprint.left()).toEqual([]);
      });
    } finally {
      await new Promise((done) => holder.close(done));
    }
  });

  test('a pid file left by a power cut names nobody, though its pid has come back', async () => {
    await withCluster({ running: false }, async (cluster) => {
      const innocent = spawn('sleep', ['1000'], { stdio: 'ignore' });
      try {
        writeFileSync(join(cluster.dir, 'logs/worker-0.pid'), String(innocent.pid));
        expect((await cluster.admin('status')).stdout).not.toContain('ready');
        expect(await cluster.admin('kill')).toMatchObject({ status: 0 });
        writeFileSync(join(cluster.dir, 'logs/worker-0.pid'), String(innocent.pid));
        await cluster.startWorkers();
        expect(cluster.workerPid()).not.toBe(innocent.pid);
        expect(innocent.exitCode ?? innocent.signalCode, 'the innocent lives').toBe(null);
      } finally {
        innocent.kill();
      }
    });
  });

  test('a cluster at the end of a very long path works', async () => {
    const below = Array.from({ length: 6 }, (_, n) => `${n}-${'long'.repeat(8)}`).join('/');
    await withCluster({ below }, async (cluster) => {
      expect(cluster.dir.length).toBeGreaterThan(200);
      cluster.installExample('echo');
      expect(await cluster.call('echo', 1)).toMatchObject({ status: 200, json: 1 });
    });
  });

  test('a path with blanks and quotes works', async () => {
    await withCluster({ below: 'a "b" \'c\' $d ü' }, async (cluster) => {
      cluster.installExample('echo');
      expect(await cluster.call('echo', 1)).toMatchObject({ status: 200, json: 1 });
    });
  });

  test('a Python is found though a shim that does not work comes first on PATH', async () => {
    const shims = mkdtempSync(join(tmpdir(), 'isla-shims-'));
    for (const name of ['python', 'python3', 'python3.11']) {
      writeFileSync(join(shims, name), '#!/bin/sh\necho "pyenv: python3: command not found" >&2\nexit 127\n');
      chmodSync(join(shims, name), 0o755);
    }
    try {
      const env = cleanEnvironment({ PATH: `${shims}:${process.env.PATH}` });
      await withCluster({ env }, async (cluster) => {
        cluster.install('version', 'import sys\ndef handler(event):\n    return sys.version_info[0]\n');
        expect((await cluster.call('version')).json).toBe(3);
      });
    } finally {
      rmSync(shims, { recursive: true });
    }
  });

  test('without --cluster it is ISLA_CLUSTER, or the only cluster below the current directory', async () => {
    await withCluster({}, async (cluster) => {
      const env = cleanEnvironment({ ISLA_CLUSTER: cluster.dir });
      expect((await runAdmin(['status'], { env })).stdout).toContain(cluster.url());
      expect((await runAdmin(['status'], { cwd: join(cluster.dir, '..') })).stdout).toContain(cluster.url());
    });
  });
});

describe('a worker in the foreground', () => {
  test('ctrl-C to its whole process group loses no call in flight and exits with 0', async () => {
    await withCluster({}, async (cluster) => {
      await cluster.admin('kill');
      const { child, url, output } = await foreground(cluster);
      const exited = new Promise<[number | null, string | null]>((done) => {
        child.once('exit', (status, signal) => done([status, signal]));
      });
      cluster.installExample('echo');
      cluster.install('slow', waitingCode('not lost'));
      const inFlight = request(`${url}/runLambda/slow`, { method: 'POST', body: '{}' });
      const scratch = await callRuns(cluster, 'slow');
      cluster.footprint.look();
      process.kill(-child.pid!, 'SIGINT');
      // New calls are refused, by status or by a closed door, while the old one goes on.
      await eventually(async () => {
        const late = await request(`${url}/runLambda/echo`, { method: 'POST', body: '{}' }).catch(() => undefined);
        expect([undefined, 503]).toContain(late?.status);
      });
      letGo(scratch);
      expect(await inFlight).toMatchObject({ status: 200, json: 'not lost' });
      expect(await exited, output()).toEqual([0, null]);
      expect(cluster.footprint.left()).toEqual([]);
    });
  });

  test('it logs to stdout, one JSON object per line where that is no terminal', async () => {
    await withCluster({}, async (cluster) => {
      await cluster.admin('kill');
      const { child, output } = await foreground(cluster);
      const exited = new Promise((done) => child.once('exit', done));
      process.kill(child.pid!, 'SIGTERM');
      expect(await exited).toBe(0);
      const lines = output().trim().split('\n');
      expect(lines.length).toBeGreaterThan(0);
      for (const line of lines) expect(JSON.parse(line)).toEqual(expect.any(Object));
    });
  });

  test('without a configuration, or with a wrong one, it says so and fails', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'isla-e2e-'));
    try {
      mkdirSync(join(dir, 'w'));
      writeFileSync(join(dir, 'bad.json'), '{"worker_prot": "8080"}');
      for (const args of [[], ['--config=nowhere.json'], ['--config=bad.json']]) {
        const failed = await runAdmin(['worker-exec', ...args], { cwd: dir });
        expect(failed.status, args.join(' ')).not.toBe(0);
        expect(failed.stderr, args.join(' ')).toMatch(/config|nowhere|worker_port/);
      }
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});

/** `admin worker-exec` as the leader of a process group of its own, as a terminal makes it. */
async function foreground(cluster: TestCluster): Promise<{ child: ChildProcess; url: string; output: () => string }> {
  const [port] = (await freePorts(1)) as [number];
  const config = JSON.parse(readFileSync(join(cluster.dir, 'config/worker-0.json'), 'utf8'));
  const path = join(cluster.dir, 'config/foreground.json');
  writeFileSync(path, JSON.stringify({ ...config, worker_port: String(port) }));
  const child = spawn(ADMIN, ['worker-exec', `--config=${path}`], {
    detached: true,
    env: cleanEnvironment(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout!.setEncoding('utf8').on('data', (piece: string) => {
    output += piece;
  });
  const url = `http://localhost:${port}`;
  // Nothing but its status tells when a foreground worker is ready; it may die instead.
  await eventually(async () => {
    if (child.exitCode !== null) return;
    expect((await request(`${url}/status`)).text.trim()).toBe('ready');
  });
  if (child.exitCode !== null) throw new Error(`worker-exec ended with ${child.exitCode}: ${output}`);
  return { child, url, output: () => output };
}
