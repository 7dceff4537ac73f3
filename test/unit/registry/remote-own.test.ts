import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Listener } from '../../../src/http/listener.ts';
import { validateBundle } from '../../../src/registry/bundle.ts';
import { RegistryClient } from '../../../src/registry/client.ts';
import { RemoteSource } from '../../../src/registry/remote.ts';
import type { RemoteStore } from '../../../src/registry/remote-store.ts';
import { serveRegistry } from '../../../src/registry/server/serve.ts';
import { Store } from '../../../src/registry/server/store.ts';
import type { CodeVersion, LambdaName } from '../../../src/registry/source.ts';
import { scratchDir } from '../scratch-dir.ts';
import { tarGz } from './archives.ts';

const KEYS = { accessKey: 'AK', secretKey: 'a secret' };
const HELLO = 'hello' as LambdaName;

let home: string;
let port: number;
let served: { store: Store; listener: Listener } | undefined;
let client: RegistryClient;
let source: RemoteSource;
let logged: string[];
let changed: string[];

const log = (_level: string, message: string, facts?: object) => {
  logged.push(`${message} ${JSON.stringify(facts ?? {})}`);
};

async function serve(dir = 'store'): Promise<void> {
  const store = await Store.open({ dir: join(home, dir), checkBundle: validateBundle, log, now: Date.now });
  const listener = await serveRegistry({ store, keys: KEYS, host: '127.0.0.1', port, log });
  port = listener.port;
  served = { store, listener };
}

async function stopServing(): Promise<void> {
  served?.store.changes.close();
  await served?.listener.close(0);
  served?.store.close();
  served = undefined;
}

function remote(): RemoteStore {
  const address = { server: `http://127.0.0.1:${port}`, region: 'anywhere', bucket: 'registry' };
  return { ...address, addressing: 'path', credentials: KEYS };
}

function openSource(store = remote()): RemoteSource {
  const onChange = (lambda: LambdaName) => changed.push(lambda);
  return new RemoteSource({ store, codeDir: join(home, `code-${Math.random()}`), cacheMs: 0, log, onChange });
}

beforeEach(async () => {
  home = mkdtempSync(join(scratchDir(), 'isla-own-'));
  port = 0;
  logged = [];
  changed = [];
  await serve();
  client = new RegistryClient(remote());
  source = openSource();
});

afterEach(async () => {
  await source.close();
  client.close();
  await stopServing();
  rmSync(home, { recursive: true });
});

async function upload(text: string): Promise<string> {
  const file = join(home, 'bundle.tar.gz');
  writeFileSync(file, tarGz([{ name: 'lambda_func.py', body: `def handler(event):\n    return "${text}"\n` }]));
  return (await client.upload({ lambda: HELLO, file, format: 'tar.gz' })).version;
}

async function code(from = source): Promise<string> {
  const version = await from.current(HELLO);
  if (version === undefined) return 'none';
  from.release(version);
  return /"(.*)"/.exec(readFileSync(join(version.dir, 'lambda_func.py'), 'utf8'))?.[1] ?? '';
}

test('what was acknowledged is what the next look finds, however many follow', async () => {
  const others = [openSource(), openSource()];
  const sources = [source, ...others];
  expect(await Promise.all(sources.map((one) => code(one)))).toEqual(['none', 'none', 'none']);
  for (let round = 0; round < 50; round += 1) {
    await upload(`${round}`);
    expect(await Promise.all(sources.map((one) => code(one)))).toEqual(Array(3).fill(`${round}`));
  }
  for (const one of others) await one.close();
});

test('also of one that has just begun to follow', async () => {
  for (let round = 0; round < 20; round += 1) {
    const fresh = openSource();
    const looked = code(fresh);
    await Promise.race([looked, upload(`${round}`)]);
    await upload(`${round} again`);
    expect(await code(fresh)).toBe(`${round} again`);
    await looked;
    await fresh.close();
  }
});

test('a change is told at once, and a deletion and a rollback are changes', async () => {
  const first = await upload('one');
  expect(await code()).toBe('one');
  await upload('two');
  expect(changed).toContain('hello');
  await client.rollback(HELLO, first.slice(0, 6));
  expect(await code()).toBe('one');
  await client.remove(HELLO);
  expect(await code()).toBe('none');
  expect((await client.rollback(HELLO, undefined)).version).toBeDefined();
  expect(await code()).not.toBe('none');
  expect((await client.versions(HELLO)).map(({ current }) => current).sort()).toEqual([false, true]);
});

test('while it is down what is known goes on, and what is not known is not said to be missing', async () => {
  await upload('one');
  expect(await code()).toBe('one');
  await stopServing();
  await expect.poll(() => logged.join()).toContain('can not be followed');
  expect(await code()).toBe('one');
  await expect(source.current('other' as LambdaName)).rejects.toMatchObject({ code: 'registry-unreachable' });
  await serve();
  await expect.poll(() => logged.join()).toContain('answers again');
  await upload('two');
  expect(await code()).toBe('two');
  expect(logged.filter((line) => line.includes('can not be followed'))).toHaveLength(1);
});

test('another registry in its place is listed anew', async () => {
  await upload('one');
  expect(await code()).toBe('one');
  await stopServing();
  await serve('another');
  await expect.poll(() => code()).toBe('none');
  await upload('two');
  expect(await code()).toBe('two');
});

test('a version that was pulled is not pulled again, and needs no registry', async () => {
  await upload('one');
  const held = (await source.current(HELLO)) as CodeVersion;
  await stopServing();
  for (let at = 0; at < 10; at += 1) expect(await code()).toBe('one');
  source.release(held);
});

test('other bytes than the version says are not unpacked', async () => {
  await upload('one');
  expect(await code()).toBe('one');
  const file = join(home, 'bundle.tar.gz');
  const version = await upload('two');
  const blob = served?.store.blobs.path(version) as string;
  await source.close();
  const { size } = { size: readFileSync(blob).length };
  const other = tarGz([{ name: 'lambda_func.py', body: 'import evil\n' }]);
  rmSync(blob);
  writeFileSync(blob, Buffer.concat([other, Buffer.alloc(size)]).subarray(0, size));
  source = openSource();
  await expect(source.current(HELLO)).rejects.toMatchObject({
    code: 'registry-refused',
    message: `the registry sent other bytes than version ${version} of hello`,
  });
  expect(readFileSync(file).length).toBe(size);
});

test('with other keys it refuses, and says so', async () => {
  const other = openSource({ ...remote(), credentials: { ...KEYS, secretKey: 'wrong' } });
  await expect(other.current(HELLO)).rejects.toMatchObject({
    code: 'registry-refused',
    message: expect.stringContaining('the keys are not those of the registry'),
  });
  await other.close();
});

test('a bundle that is none is refused by the registry, and the version before is still there', async () => {
  await upload('one');
  const file = join(home, 'bad.tar.gz');
  writeFileSync(file, tarGz([{ name: 'readme' }]));
  await expect(client.upload({ lambda: HELLO, file, format: 'tar.gz' })).rejects.toMatchObject({
    code: 'lambda-invalid',
    message: expect.stringContaining('there is none of lambda_func.py'),
  });
  expect(await code()).toBe('one');
});
