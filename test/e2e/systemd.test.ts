/** `admin install --systemd`, and what a worker says to the service manager that started it. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cleanEnvironment, run, runAdmin } from './admin.ts';
import { request, type TestCluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { startForeground } from './foreground.ts';
import { freePorts } from './free-ports.ts';
import { withCluster } from './use-cluster.ts';
import { callRuns, letGo, waitingCode } from './waiting-lambda.ts';

const BOOTED = existsSync('/run/systemd/system');

describe('the unit', () => {
  test('is what systemd takes, for odd paths as well', async ({ skip }) => {
    await withCluster({ running: false, below: 'a "b" \'c\' $d %e ü' }, async (cluster) => {
      for (const flags of [[], ['--user']]) {
        const dir = join(cluster.dir, '..', `units${flags.length}`);
        const installed = await cluster.admin(
          'install',
          '--systemd',
          ...flags,
          `--dir=${dir}`,
          '--name=odd',
          '-n',
          '2',
        );
        expect(installed).toMatchObject({ status: 0, stderr: '' });
        const unit = join(dir, 'odd@.service');
        expect(installed.stdout).toContain(`Wrote ${unit}\n`);
        expect(installed.stdout).toMatch(/systemctl (--user )?enable --now odd@0\.service odd@1\.service/);
        const verify = () =>
          run('systemd-analyze', ['verify', '--man=no', ...flags, join(dir, 'odd@0.service')], {
            env: cleanEnvironment({ SYSTEMD_UNIT_PATH: `${dir}:`, XDG_RUNTIME_DIR: cluster.dir }),
          }).catch(() => skip('there is no systemd-analyze; apt-get install systemd'));
        expect(await verify()).toMatchObject({ status: 0, stderr: expect.not.stringContaining('odd@') });
        writeFileSync(unit, readFileSync(unit, 'utf8').replace('KillMode=mixed', 'KillMode=mixt'));
        expect((await verify()).stderr).toContain('mixt');
      }
    });
  });

  test('starts, by its own command line, a worker that the cluster knows', async () => {
    await withCluster({ running: false, below: 'a "b" $d %e' }, async (cluster) => {
      const [first] = (await freePorts(4)) as [number, number, number, number];
      const port = first + 3;
      const { stdout } = await cluster.admin('install', '--systemd', '--print', `--port=${first}`);
      const command = /^ExecStart=(.*)$/m.exec(stdout)![1]!;
      // As systemd reads it: quotes and backslashes as in C, %% and $$ for themselves, %i for the instance.
      const words = [...command.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, plain]) =>
        (quoted?.replaceAll(/\\(.)/g, '$1') ?? plain!).replaceAll(/%%|%i|\$\$/g, (found) =>
          found === '%i' ? '3' : found[0]!,
        ),
      );
      const worker = spawn(words[0]!, words.slice(1), {
        env: cleanEnvironment(),
        stdio: 'ignore',
      });
      const exited = new Promise((done) => worker.once('exit', done));
      try {
        await eventually(async () => {
          expect((await cluster.admin('status')).stdout).toContain(`http://localhost:${port}/status => ready [200 OK]`);
        });
        expect(cluster.workerPid(3)).toBe(worker.pid);
        cluster.footprint.look();
      } finally {
        worker.kill('SIGTERM');
      }
      expect(await exited).toBe(0);
    });
  });

  test('is written once, again after a change, and never over a stranger’s', async () => {
    await withCluster({ running: false }, async (cluster) => {
      const dir = mkdtempSync(join(tmpdir(), 'isla-units-'));
      try {
        const install = (...flags: string[]) => cluster.admin('install', '--systemd', `--dir=${dir}`, ...flags);
        expect((await install()).stdout).toContain('Wrote');
        expect((await install()).stdout).toContain('Unchanged');
        await cluster.admin('setconf', '{"grace_ms": 70000}');
        expect((await install()).stdout).toContain('Wrote');
        const unit = join(dir, 'isla-cluster@.service');
        expect(readFileSync(unit, 'utf8')).toContain('TimeoutStopSec=80\n');
        expect((await install('--port=9200')).stdout).toContain('Wrote');
        expect(readFileSync(unit, 'utf8')).toContain(' --first-port=9200 --worker=%i\n');
        writeFileSync(unit, '[Unit]\nDescription=A stranger\n');
        expect(await install()).toMatchObject({ status: 8, stderr: expect.stringContaining('--name') });
        expect(readFileSync(unit, 'utf8')).toContain('A stranger');
        expect(await install('--name=mine')).toMatchObject({ status: 0 });
      } finally {
        rmSync(dir, { recursive: true });
      }
    });
  });

  test('for another machine changes nothing of a cluster that runs, and has its ports', async () => {
    await withCluster({}, async (cluster) => {
      const config = join(cluster.dir, 'config');
      const state = () => readdirSync(config).map((file) => [file, statSync(join(config, file)).mtimeMs]);
      const before = state();
      const order: [string, ...string[]] = ['install', '--systemd', '--port=9200', '--num-workers=2', '--name=far'];
      const printed = await cluster.admin(...order, '--print');
      expect(printed).toMatchObject({
        status: 0,
        stderr: expect.stringContaining('/etc/systemd/system/far@.service;'),
      });
      expect(printed.stderr).toContain('far@0.service far@1.service');
      expect(JSON.parse((await cluster.admin(...order, '--print', '--json')).stdout)).toEqual({
        unitFile: expect.stringContaining('far@.service'),
        unit: printed.stdout,
        services: ['far@0.service', 'far@1.service'],
      });
      const dir = join(cluster.dir, '..', 'units');
      const written = await cluster.admin(...order, `--dir=${dir}`);
      expect(written).toMatchObject({ status: 0, stderr: '' });
      expect(written.stdout).toContain('Copy it to /etc/systemd/system, then run:\n  systemctl daemon-reload\n');
      expect(readFileSync(join(dir, 'far@.service'), 'utf8')).toBe(printed.stdout);
      expect(printed.stdout).toContain(' --first-port=9200 --worker=%i\n');
      expect(state()).toEqual(before);
      expect((await cluster.admin('status')).stdout).toContain('ready [200 OK]');
      cluster.footprint.look();
    });
  });

  test.skipIf(BOOTED)('is not installed where systemd does not run: that is said, and what to do', async () => {
    await withCluster({ running: false }, async (cluster) => {
      for (const flags of [[], ['--user'], ['--now']]) {
        const { status, stdout, stderr } = await cluster.admin('install', '--systemd', ...flags);
        expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
        expect(stderr).toContain('this machine does not run systemd');
      }
    });
  });

  test.each([
    [[]],
    [['--systemd', '--name=a b']],
    [['--systemd', '--dir=x', '--now']],
    [['--systemd', '--port=0']],
    [['--systemd', '--print', '--name=a b']],
    [['--systemd', '--print', '--now']],
  ])('wrong usage is told: %j', async (flags) => {
    await withCluster({ running: false }, async (cluster) => {
      expect(await cluster.admin('install', ...flags)).toMatchObject({ status: 2, stdout: '' });
    });
  });
});

describe('a worker with NOTIFY_SOCKET', () => {
  test.each(['path', 'abstract'])('says when it is ready and when it stops (%s)', async (kind) => {
    await withCluster({ running: false }, async (cluster) => {
      await withListener(kind, cluster, async (listener) => {
        cluster.install('slow', waitingCode('not lost'));
        const [port] = (await freePorts(1)) as [number];
        const worker = startForeground(cluster, { port, env: { NOTIFY_SOCKET: listener.address } });
        await eventually(() => expect(listener.heard()).toContain(`READY=1\nSTATUS=serving on port ${port}`));
        expect((await request(`http://localhost:${port}/status`)).text).toBe('ready\n');
        cluster.footprint.look();
        const inFlight = request(`http://localhost:${port}/runLambda/slow`, { method: 'POST', body: '{}' });
        const scratch = await callRuns(cluster, 'slow');
        expect(listener.heard().join()).not.toContain('STOPPING');
        worker.child.kill('SIGTERM');
        // Told while calls are still in flight.
        await eventually(() => expect(listener.heard().join()).toContain('STOPPING=1\nSTATUS='));
        letGo(scratch);
        expect(await inFlight).toMatchObject({ status: 200, json: 'not lost' });
        expect(await worker.exited).toBe(0);
        expect(worker.stderr()).toBe('');
      });
    });
  });

  test('nobody listens at is a warning and nothing more', async () => {
    await withCluster({ running: false }, async (cluster) => {
      const [port] = (await freePorts(1)) as [number];
      const worker = startForeground(cluster, { port, env: { NOTIFY_SOCKET: '/nowhere/notify' } });
      await eventually(() =>
        expect(worker.stderr()).toMatch(/^admin: the service manager at NOTIFY_SOCKET could not be told: .+\n/),
      );
      await eventually(async () => expect((await request(`http://localhost:${port}/status`)).text).toBe('ready\n'));
      cluster.footprint.look();
      worker.child.kill('SIGTERM');
      expect(await worker.exited).toBe(0);
    });
  });
});

describe('a worker of a cluster in the foreground', () => {
  test('runs once, is known to the cluster, and keeps its port', async () => {
    await withCluster({ running: false }, async (cluster) => {
      const [port] = (await freePorts(1)) as [number];
      const first = startForeground(cluster, { port });
      await eventually(async () =>
        expect((await cluster.admin('status')).stdout).toContain(`:${port}/status => ready`),
      );
      const again = await runAdmin(['worker-exec', `--cluster=${cluster.dir}`]);
      expect(again).toMatchObject({ status: 8, stderr: expect.stringContaining('runs already') });
      cluster.footprint.look();
      expect(await cluster.admin('kill')).toMatchObject({ status: 0 });
      expect(await first.exited).toBe(0);
      const second = startForeground(cluster);
      await eventually(async () =>
        expect((await cluster.admin('status')).stdout).toContain(`:${port}/status => ready`),
      );
      cluster.footprint.look();
      second.child.kill('SIGTERM');
      expect(await second.exited).toBe(0);
    });
  });

  test.each([
    [['--config=x.json', '--cluster=x']],
    [['--config=x.json', '--port=1']],
    [['--worker=1']],
    [['--config=x.json', '--first-port=1']],
  ])('wrong usage is told: %j', async (flags) => {
    const { status, stderr } = await runAdmin(['worker-exec', ...flags]);
    expect({ status, lines: stderr.trimEnd().split('\n').length }).toEqual({ status: 2, lines: 1 });
  });
});

const LISTENER = `
import json, socket, sys
name = sys.argv[1]
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind("\\0" + name[1:] if name.startswith("@") else name)
print("bound", flush=True)
while True:
    print(json.dumps(listener.recv(4096).decode()), flush=True)
`;

/** What systemd is to a worker: a datagram socket, which Node does not have. */
async function withListener(
  kind: string,
  cluster: TestCluster,
  body: (listener: { address: string; heard: () => string[] }) => Promise<void>,
): Promise<void> {
  const address = kind === 'abstract' ? `@isla-test-${process.pid}` : join(cluster.dir, 'notify');
  const child = spawn('python3', ['-c', LISTENER, address], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
  });
  const heard = () =>
    text
      .split('\n')
      .slice(1, -1)
      .map((line) => JSON.parse(line) as string);
  try {
    await eventually(() => expect(text).toContain('bound\n'));
    await body({ address, heard });
  } finally {
    child.kill();
  }
}
