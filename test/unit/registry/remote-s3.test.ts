import dns from 'node:dns';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import S3rver from 's3rver';
import { afterEach, beforeEach, expect, type MockInstance, test, vi } from 'vitest';
import { RegistryClient } from '../../../src/registry/client.ts';
import { RemoteSource } from '../../../src/registry/remote.ts';
import type { RemoteStore } from '../../../src/registry/remote-store.ts';
import type { CodeVersion, LambdaName } from '../../../src/registry/source.ts';
import { scratchDir } from '../scratch-dir.ts';
import { tarGz, zip } from './archives.ts';

/** The one pair of keys of somebody else's S3 server, which looks at access keys only. */
const KEYS = { accessKey: 'S3RVER', secretKey: 'S3RVER' };
const HELLO = 'hello' as LambdaName;

let home: string;
let server: S3rver;
let store: RemoteStore;
let source: RemoteSource;
let client: RegistryClient;
let logged: string[];
let changed: string[];
let port: number;

async function startServer(): Promise<void> {
  const directory = join(home, 'store');
  mkdirSync(directory, { recursive: true });
  const serviceEndpoint = 'store.test';
  const configureBuckets = [{ name: 'team-registry' }];
  server = new S3rver({ address: '127.0.0.1', port, silent: true, directory, serviceEndpoint, configureBuckets });
  ({ port } = await server.run());
}

function openSource(over: Partial<RemoteStore> = {}, cacheMs = 0): RemoteSource {
  return new RemoteSource({
    store: { ...store, ...over },
    codeDir: join(home, `code-${Math.random()}`),
    cacheMs,
    log: (_level, message, facts) => logged.push(`${message} ${JSON.stringify(facts ?? {})}`),
    onChange: (lambda) => changed.push(lambda),
  });
}

beforeEach(async () => {
  home = mkdtempSync(join(scratchDir(), 'isla-remote-'));
  logged = [];
  changed = [];
  port = 0;
  await startServer();
  const address = { server: `http://127.0.0.1:${port}`, region: 'us-east-1', bucket: 'team-registry' };
  store = { ...address, addressing: 'path', credentials: KEYS };
  client = new RegistryClient(store);
  source = openSource();
});

afterEach(async () => {
  vi.restoreAllMocks();
  await source.close();
  client.close();
  await server.close();
  rmSync(home, { recursive: true });
});

function bundle(text: string, format: 'tar.gz' | 'zip' = 'tar.gz') {
  const file = join(home, `bundle.${format}`);
  const item = { name: 'lambda_func.py', body: `def handler(event):\n    return ${JSON.stringify(text)}\n` };
  writeFileSync(file, format === 'zip' ? zip([item]) : tarGz([item]));
  return { lambda: HELLO, file, format };
}

/** The current version, given back at once: it stays as long as it is the newest. */
async function look(lambda = HELLO): Promise<CodeVersion | undefined> {
  const version = await source.current(lambda);
  if (version !== undefined) source.release(version);
  return version;
}

async function code(): Promise<string> {
  const version = await look();
  return version === undefined ? 'none' : readFileSync(join(version.dir, 'lambda_func.py'), 'utf8');
}

test('what is uploaded is the next version, whatever its format, and its digest is that of the bundle', async () => {
  expect(await look()).toBeUndefined();
  const { version } = await client.upload(bundle('one'));
  expect(await code()).toContain('one');
  expect((await look())?.digest).toBe(version);
  await client.upload(bundle('two', 'zip'));
  expect(await code()).toContain('two');
  await client.upload(bundle('three'));
  expect(await code()).toContain('three');
  expect(changed).toContain('hello');
});

test('the same code under another name or time is the same version', async () => {
  await client.upload(bundle('one'));
  const first = await look();
  await client.upload(bundle('one'));
  expect((await look())?.digest).toBe(first?.digest);
});

test('calls that come together share one pull, and only the newest version stays on the disk', async () => {
  await client.upload(bundle('one'));
  const versions = await Promise.all(Array.from({ length: 20 }, () => source.current(HELLO)));
  expect(new Set(versions.map((version) => version?.dir)).size).toBe(1);
  await client.upload(bundle('two'));
  const next = await source.current(HELLO);
  const [first] = versions as [CodeVersion];
  expect(readFileSync(join(first.dir, 'lambda_func.py'), 'utf8')).toContain('one');
  for (const version of versions) source.release(version as CodeVersion);
  const dirs = () => readdirSync(join((next as CodeVersion).dir, '..')).filter((name) => !name.startsWith('.'));
  expect(dirs()).toEqual([next?.digest]);
  source.release(next as CodeVersion);
});

test('within registry_cache_ms the store is not asked again', async () => {
  await source.close();
  source = openSource({}, 3_600_000);
  await client.upload(bundle('one'));
  expect(await code()).toContain('one');
  await client.upload(bundle('two'));
  expect(await code()).toContain('one');
});

test('while the store is down what is there goes on, and afterwards the new comes', async () => {
  await client.upload(bundle('one'));
  expect(await code()).toContain('one');
  await server.close();
  expect(await code()).toContain('one');
  expect(logged.filter((line) => line.includes('does not answer'))).toHaveLength(1);
  await expect(look('other' as LambdaName)).rejects.toMatchObject({ code: 'registry-unreachable' });
  await startServer();
  await client.upload(bundle('two'));
  await expect.poll(() => code()).toContain('two');
});

test('a bad bundle is the typed error of a lambda without a version, and of no other', async () => {
  const bad = bundle('bad');
  writeFileSync(bad.file, 'no archive');
  await client.upload(bad);
  await expect(look()).rejects.toMatchObject({
    code: 'lambda-invalid',
    message: expect.stringMatching(/lambda hello cannot be used: .*no archive/),
  });
  await client.upload(bundle('one'));
  expect(await code()).toContain('one');
  writeFileSync(bad.file, tarGz([{ name: '../escape' }]));
  await client.upload(bad);
  expect(await code()).toContain('one');
  expect(await code()).toContain('one');
  expect(logged.filter((line) => line.includes('new version of a lambda can not be used'))).toHaveLength(1);
  await client.upload(bundle('two'));
  expect(await code()).toContain('two');
});

test('a deleted lambda is gone, and comes back', async () => {
  await client.upload(bundle('one'));
  expect(await code()).toContain('one');
  await client.remove(HELLO);
  expect(await look()).toBeUndefined();
  await client.upload(bundle('two'));
  expect(await code()).toContain('two');
});

test('a version whose files have vanished is pulled again', async () => {
  await client.upload(bundle('one'));
  const version = (await source.current(HELLO)) as CodeVersion;
  rmSync(version.dir, { recursive: true });
  expect(source.hasVanished(version)).toBe(true);
  source.release(version);
  expect(await code()).toContain('one');
});

test('wrong keys, a bucket that is not there, and a server that is not there are said', async () => {
  const problem = async (over: Partial<RemoteStore>) => {
    const other = openSource(over);
    const said = await other.current(HELLO).catch((error) => error);
    await other.close();
    return `${said.code}: ${said.message}`;
  };
  await client.upload(bundle('one'));
  expect(await problem({ credentials: { accessKey: 'OTHER', secretKey: 'S3RVER' } })).toMatch(
    /^registry-refused: .*the keys are not those/,
  );
  expect(await problem({ bucket: 'other-bucket' })).toMatch(
    /^registry-refused: there is no bucket other-bucket at http/,
  );
  expect(await problem({ server: 'http://127.0.0.1:1' })).toMatch(
    /^registry-unreachable: .*127\.0\.0\.1:1 does not answer: nobody listens there/,
  );
  expect(await problem({ server: 'http://nowhere.invalid' })).toMatch(/^registry-unreachable: .*host/);
});

test('a bucket before the host name is found there', async () => {
  await client.upload(bundle('one'));
  const resolver = vi.spyOn(dns, 'lookup') as MockInstance;
  const names: string[] = [];
  resolver.mockImplementation((name, { all }, found) => {
    names.push(name);
    if (all) found(null, [{ address: '127.0.0.1', family: 4 }]);
    else found(null, '127.0.0.1', 4);
  });
  const other = openSource({ addressing: 'virtual', server: `http://s3.store.test:${port}` });
  const version = await other.current(HELLO);
  await other.close();
  expect(version).toMatchObject({ lambda: 'hello' });
  expect(names).toContain('team-registry.s3.store.test');
});

test('the client lists, shows and deletes, and says what only an own registry can', async () => {
  await client.upload(bundle('one'));
  await client.upload({ ...bundle('two', 'zip'), lambda: 'other' as LambdaName });
  expect((await client.list()).map(({ name, key }) => [name, key])).toEqual([
    ['hello', 'hello.tar.gz'],
    ['other', 'other.zip'],
  ]);
  expect(await client.show(HELLO)).toMatchObject({
    name: 'hello',
    size: expect.any(Number),
    uploaded: expect.any(Date),
  });
  await client.remove(HELLO);
  await expect(client.show(HELLO)).rejects.toMatchObject({ code: 'lambda-missing' });
  await expect(client.remove(HELLO)).rejects.toMatchObject({ code: 'lambda-missing' });
  await expect(client.versions(HELLO)).rejects.toThrow(/only Isla's own registry keeps versions/);
});
