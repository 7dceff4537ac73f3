/** The README of OpenLambda, which is the contract, line by line. */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cleanEnvironment, ROOT, run, runAdmin } from './admin.ts';
import { request } from './cluster.ts';
import { Footprint } from './footprint.ts';
import { freePorts } from './free-ports.ts';

describe('the getting started walk', () => {
  let cwd: string;
  let port: number;
  const admin = (...args: string[]) => runAdmin(args, { cwd });

  beforeAll(async () => {
    cwd = mkdtempSync(join(tmpdir(), 'isla-e2e-'));
    [port] = (await freePorts(1)) as [number];
  });
  afterAll(async () => {
    await admin('kill', '-cluster=my-cluster');
    rmSync(cwd, { recursive: true, force: true });
  });

  test('`admin new -cluster my-cluster` makes the six directories and the template', async () => {
    const made = await admin('new', '-cluster', 'my-cluster');
    expect(made).toMatchObject({ status: 0, stderr: '' });
    expect(made.stdout).toContain(join(cwd, 'my-cluster'));
    const names = ['config', 'logs', 'base', 'packages', 'registry', 'workers'];
    for (const name of names) expect(statSync(join(cwd, 'my-cluster', name)).isDirectory(), name).toBe(true);
    const template = JSON.parse(readFileSync(join(cwd, 'my-cluster/config/template.json'), 'utf8'));
    expect(template).toMatchObject({ sandbox: 'sock', registry: 'local' });
  });

  test('`admin workers -cluster=my-cluster` starts a worker and returns when it is ready', async () => {
    const started = await admin('workers', '-cluster=my-cluster', `-port=${port}`);
    expect(started).toMatchObject({ status: 0 });
    expect(existsSync(join(cwd, 'my-cluster/logs/worker-0.out'))).toBe(true);
    expect(readFileSync(join(cwd, 'my-cluster/logs/worker-0.pid'), 'utf8')).toMatch(/^\d+\n?$/);
    const config = JSON.parse(readFileSync(join(cwd, 'my-cluster/config/worker-0.json'), 'utf8'));
    expect(Number(config.worker_port)).toBe(port);
    expect(config.worker_dir).toBe(join(cwd, 'my-cluster/workers/worker-0'));
    expect((await request(`http://localhost:${port}/status`)).text.trim()).toBe('ready');
  });

  test('`admin status -cluster=my-cluster` prints what the README shows', async () => {
    const { status, stdout } = await admin('status', '-cluster=my-cluster');
    expect(status).toBe(0);
    const shown = `Worker Pings:\n  http://localhost:${port}/status => ready [200 OK]\n\nCluster containers:\n`;
    expect(stdout.trimEnd()).toBe(shown.trimEnd());
  });

  test('a copied lambda answers curl at once', async () => {
    cpSync(join(ROOT, 'quickstart/handlers/hello'), join(cwd, 'my-cluster/registry/hello'), { recursive: true });
    const url = `localhost:${port}/runLambda/hello`;
    const args = ['--silent', '--show-error', '-X', 'POST', url, '-d', '{"name": "Alice"}'];
    const { stdout } = await run('curl', args, { env: cleanEnvironment({ NO_PROXY: '*' }) });
    expect(stdout.trim()).toBe('"Hello, Alice!"');
  });

  test('status then shows the sandbox: lambda, instance, engine, state, memory', async () => {
    const { stdout } = await admin('status', '--cluster', 'my-cluster');
    const line = stdout.slice(stdout.indexOf('Cluster containers:')).split('\n')[1];
    expect(line).toMatch(/hello.*\d+.*sock.*\w+.*\d/);
    const { stdout: json } = await admin('status', '--cluster=my-cluster', '--json');
    expect(JSON.stringify(JSON.parse(json))).toContain('"lambda":"hello"');
  });

  test('an instance leaves server_pipe, stdout and stderr in its scratch directory', () => {
    const [dir] = readdirSync(join(cwd, 'my-cluster/workers/worker-0/handlers/hello'));
    expect(dir).toMatch(/^\d+$/);
    const files = readdirSync(join(cwd, 'my-cluster/workers/worker-0/handlers/hello', dir!));
    expect(files).toEqual(expect.arrayContaining(['server_pipe', 'stdout', 'stderr']));
  });

  test('`admin kill -cluster=my-cluster` ends everything and `rm -r my-cluster` works', async () => {
    const footprint = new Footprint(join(cwd, 'my-cluster')).look();
    expect(footprint.processes.length, 'worker, spawner, zygote, instance').toBeGreaterThanOrEqual(4);
    expect(await admin('kill', '-cluster=my-cluster')).toMatchObject({ status: 0 });
    expect(footprint.left()).toEqual([]);
    expect(existsSync(join(cwd, 'my-cluster/logs/worker-0.pid'))).toBe(false);
    expect(await run('rm', ['-r', 'my-cluster'], { cwd })).toMatchObject({ status: 0, stderr: '' });
  });
});

describe('the admin tool', () => {
  let cwd: string;
  beforeAll(() => {
    cwd = mkdtempSync(join(tmpdir(), 'isla-e2e-'));
  });
  afterAll(() => rmSync(cwd, { recursive: true, force: true }));

  test.each([['-cluster', 'a'], ['-cluster=b'], ['--cluster', 'c'], ['--cluster=d']])(
    'takes the flag as %s %s',
    async (...flag) => {
      const made = await runAdmin(['new', ...flag], { cwd });
      expect(made).toMatchObject({ status: 0 });
      const name = flag.at(-1)!.replace(/^.*=/, '');
      expect(existsSync(join(cwd, name, 'config/template.json'))).toBe(true);
    },
  );

  test('setconf merges what is given, says what changed, and leaves the rest', async () => {
    const path = join(cwd, 'b/config/template.json');
    const before = JSON.parse(readFileSync(path, 'utf8'));
    const set = await runAdmin(['setconf', '--cluster=b', '{"sandbox": "sock", "registry": "local", "event_kb": 77}'], {
      cwd,
    });
    expect(set).toMatchObject({ status: 0 });
    expect(set.stdout).toContain('event_kb');
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ ...before, event_kb: 77 });
  });

  test('setconf refuses unknown keys and wrong types, all at once, and changes nothing', async () => {
    const path = join(cwd, 'b/config/template.json');
    const before = readFileSync(path, 'utf8');
    const set = await runAdmin(['setconf', '--cluster=b', '{"sandbx": "sock", "pool_size": "many", "event_kb": 9}'], {
      cwd,
    });
    expect(set.status).not.toBe(0);
    expect(set.stderr).toMatch(/sandbx[\s\S]*sandbox/);
    expect(set.stderr).toContain('pool_size');
    expect(readFileSync(path, 'utf8')).toBe(before);
  });

  test('new refuses a directory that exists and a path whose parent is missing, and makes nothing', async () => {
    const twice = await runAdmin(['new', '--cluster=a'], { cwd });
    expect(twice.status).not.toBe(0);
    expect(twice.stderr).toContain('exist');
    const orphan = await runAdmin(['new', '--cluster=no/such/parent'], { cwd });
    expect(orphan.status).not.toBe(0);
    expect(existsSync(join(cwd, 'no'))).toBe(false);
  });

  test('kill and status on a cluster where nothing runs: kill is happy', async () => {
    expect(await runAdmin(['kill', '--cluster=a'], { cwd })).toMatchObject({ status: 0 });
    expect(await runAdmin(['kill', '--cluster=a'], { cwd })).toMatchObject({ status: 0 });
  });

  test.each(['new', 'setconf', 'workers', 'worker-exec', 'status', 'kill', 'doctor'])(
    '%s --help shows an example',
    async (name) => {
      const help = await runAdmin([name, '--help'], { cwd });
      expect(help).toMatchObject({ status: 0, stderr: '' });
      expect(help.stdout).toMatch(new RegExp(`admin ${name}`));
    },
  );

  test('an unknown command or flag gets the nearest known one and fails', async () => {
    const command = await runAdmin(['worker', '--cluster=a'], { cwd });
    expect(command.status).not.toBe(0);
    expect(command.stderr).toContain('workers');
    const flag = await runAdmin(['kill', '--clutser=a'], { cwd });
    expect(flag.status).not.toBe(0);
    expect(flag.stderr).toContain('cluster');
  });

  test('a cluster that is not there is named in the error', async () => {
    for (const command of ['workers', 'status', 'kill']) {
      const failed = await runAdmin([command, '--cluster=nowhere'], { cwd });
      expect(failed.status, command).not.toBe(0);
      expect(failed.stderr, command).toContain('nowhere');
    }
  });

  test('doctor tells what this machine can do, for people and as JSON', async () => {
    const told = await runAdmin(['doctor'], { cwd });
    expect(told.stdout).toMatch(/namespace/i);
    expect(told.stdout).toMatch(/cgroup/i);
    expect(told.stdout).toMatch(/python/i);
    const json = await runAdmin(['doctor', '--json'], { cwd });
    expect(Object.keys(JSON.parse(json.stdout)).length).toBeGreaterThan(0);
    expect(json.status).toBe(told.status);
  });
});
