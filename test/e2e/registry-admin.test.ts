/** `admin registry`: its start, its keys, and its place in `status` and `kill`. */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { cleanEnvironment, runAdmin, succeeded } from './admin.ts';
import { TestCluster } from './cluster.ts';
import { freePorts } from './free-ports.ts';
import { KEYS, makeBundle, TestRegistry } from './registry.ts';

let cluster: TestCluster;
beforeEach(async () => {
  cluster = await TestCluster.make();
});
afterEach(() => cluster.dispose());

const config = (name: string) => join(cluster.dir, 'config', name);
const template = () => JSON.parse(readFileSync(config('template.json'), 'utf8'));
const GIVEN = [`--access-key=${KEYS.accessKey}`, `--secret-key=${KEYS.secretKey}`];

describe('`admin registry`', () => {
  test('starts it as the README prints it, and fills in the template', async () => {
    const [port] = await freePorts(1);
    const started = succeeded(await cluster.admin('registry', `--port=${port}`, ...GIVEN), 'admin registry');
    expect(started.stdout).toMatch(/^Started registry: pid \d+, port \d+, log at .*\/logs\/registry\.out\n/);
    expect(started.stdout).not.toContain(KEYS.secretKey);
    expect(template()).toMatchObject({ registry: 'remote', registry_server: `http://127.0.0.1:${port}` });
    expect(readFileSync(config('template.json'), 'utf8')).not.toContain(KEYS.secretKey);
    expect(statSync(config('registry-keys.json')).mode & 0o777).toBe(0o600);

    const again = succeeded(await cluster.admin('registry', ...GIVEN), 'admin registry');
    expect(again.stdout).toContain('Registry runs already: pid');
    const others = await cluster.admin('registry', '--access-key=A', '--secret-key=B');
    expect([others.status, others.stderr]).toEqual([8, expect.stringContaining('runs already')]);
    expect(readFileSync(config('registry-keys.json'), 'utf8')).toContain(KEYS.secretKey);
  });

  test('is shown by status, and stopped by kill', async () => {
    const registry = await TestRegistry.start(cluster);
    const pid = registry.pid();
    const status = await cluster.admin('status');
    expect(status.stdout).toMatch(/\nRegistry:\n {2}http:\/\/localhost:\d+ => ready \[200 OK\]\n/);
    const { registry: facts } = JSON.parse((await cluster.admin('status', '--json')).stdout);
    expect(facts).toMatchObject({ pid, reachable: true });
    const killed = succeeded(await cluster.admin('kill'), 'admin kill');
    expect(killed.stdout).toBe(`Kill registry process with PID ${pid}\nStopped registry\n`);
    await expect.poll(() => existsSync(`/proc/${pid}`)).toBe(false);
    expect((await cluster.admin('status')).stdout).not.toContain('Registry:');
  });

  test('that died is said by status, and begins again with what it had', async () => {
    const registry = await TestRegistry.start(cluster);
    const bundle = makeBundle();
    expect((await registry.send('PUT', '/registry/hello.tgz', bundle)).status).toBe(200);
    process.kill(registry.pid(), 'SIGKILL');
    await expect.poll(async () => (await cluster.admin('status')).status).toBe(6);
    expect((await cluster.admin('status')).stdout).toMatch(/Registry:\n.*=> not reachable \(it died; see /);
    const again = succeeded(await cluster.admin('registry', '--json'), 'admin registry');
    expect(JSON.parse(again.stdout)).toMatchObject({ url: registry.url, already: false });
    expect((await registry.send('GET', '/registry/hello.tgz')).bytes).toEqual(bundle);
  });

  test('that can not start says why, and leaves all as it was', async () => {
    const squatter = createServer();
    const port = await new Promise<number>((done) => {
      squatter.listen(0, '127.0.0.1', () => done((squatter.address() as { port: number }).port));
    });
    const refused = await cluster.admin('registry', `--port=${port}`, ...GIVEN);
    squatter.close();
    expect([refused.status, refused.stderr]).toEqual([8, expect.stringContaining('is taken by another program')]);
    writeFileSync(join(cluster.dir, 'registry-store'), 'in the way');
    const failed = await cluster.admin('registry', '--port=0', ...GIVEN);
    expect([failed.status, failed.stderr]).toEqual([1, expect.stringContaining('registry ended with exit code 1')]);
    expect(failed.stderr).toContain('registry-store');
    expect(readdirSync(join(cluster.dir, 'config'))).not.toContain('registry-keys.json');
    expect(readdirSync(join(cluster.dir, 'logs'))).toEqual(['registry.out']);
    expect(template()).toMatchObject({ registry: 'local' });
  });
});

describe('keys', () => {
  test('are made where none are given, shown once, and kept', async () => {
    const [port] = await freePorts(1);
    const first = succeeded(await cluster.admin('registry', `--port=${port}`), 'admin registry');
    const secret = /^Secret key: ([0-9a-f]{60})$/m.exec(first.stdout)?.[1];
    expect(JSON.parse(readFileSync(config('registry-keys.json'), 'utf8')).secret_key).toBe(secret);
    succeeded(await cluster.admin('kill'), 'admin kill');
    const second = succeeded(await cluster.admin('registry'), 'admin registry');
    expect(second.stdout).not.toContain('Secret key');
    expect(JSON.parse(readFileSync(config('registry-keys.json'), 'utf8')).secret_key).toBe(secret);
  });

  test('are on no command line and in no environment of the server, nor in its log', async () => {
    const registry = await TestRegistry.start(cluster);
    const proc = (name: string) => readFileSync(`/proc/${registry.pid()}/${name}`, 'utf8');
    expect(proc('cmdline')).toContain('registry-exec');
    expect(proc('cmdline')).not.toContain(KEYS.secretKey);
    expect(proc('environ')).not.toContain(KEYS.secretKey);
    expect(registry.log()).not.toContain(KEYS.secretKey);
  });

  test('come from the environment or from a file, too', async () => {
    const env = cleanEnvironment({ ISLA_REGISTRY_ACCESS_KEY: 'FROMENV', ISLA_REGISTRY_SECRET_KEY: 'env-secret' });
    const start = (...args: string[]) =>
      runAdmin(['registry', `--cluster=${cluster.dir}`, '--port=0', ...args], { env });
    succeeded(await start(), 'admin registry');
    const pid = Number(readFileSync(join(cluster.dir, 'logs/registry.pid'), 'utf8'));
    expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).not.toContain('env-secret');
    expect(JSON.parse(readFileSync(config('registry-keys.json'), 'utf8')).access_key).toBe('FROMENV');
    succeeded(await cluster.admin('kill'), 'admin kill');
    const file = join(cluster.dir, 'keys.json');
    writeFileSync(file, '{"access_key": "FROMFILE", "secret_key": "file-secret"}', { mode: 0o600 });
    succeeded(await start(`--keys-file=${file}`), 'admin registry');
    expect(JSON.parse(readFileSync(config('registry-keys.json'), 'utf8')).access_key).toBe('FROMFILE');
    expect((await start(`--keys-file=${file}`, ...GIVEN)).status).toBe(2);
  });
});

describe('`admin registry fsck` and `gc`', () => {
  test('look after what is kept, beside the server', async () => {
    expect((await cluster.admin('registry', 'fsck')).status).toBe(3);
    const registry = await TestRegistry.start(cluster);
    for (const _ of [1, 2, 3]) await registry.send('PUT', '/registry/hello.tgz', makeBundle(1_000));
    const checked = succeeded(await cluster.admin('registry', 'fsck'), 'fsck');
    expect(checked.stdout).toMatch(/^1 objects, 3 versions, 3 blobs \(.*\): all whole\n$/);
    const tidied = succeeded(await cluster.admin('registry', 'gc', '--keep=1'), 'gc');
    expect(tidied.stdout).toMatch(/^removed 2 versions, 0 unfinished uploads, 2 files/);
    const store = join(cluster.dir, 'registry-store/blobs');
    writeFileSync(join(store, readdirSync(store)[0] as string), 'damaged');
    const damaged = await cluster.admin('registry', 'fsck');
    expect([damaged.status, damaged.stdout]).toEqual([1, expect.stringContaining('damage: blob ')]);
    expect((await cluster.admin('registry', 'tidy')).status).toBe(2);
  });
});
