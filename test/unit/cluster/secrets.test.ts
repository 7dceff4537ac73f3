import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SecretStore, secretDirs } from '../../../src/cluster/secret-store.ts';
import { SecretWatch } from '../../../src/cluster/secret-watch.ts';

const BAD_NAMES = ['', '.', '..', 'a/b', '../a', 'a b', 'a:b', 'a~1', 'ä', 'a\n', '-'.repeat(65)];

let home: string;
let root: string;
let store: SecretStore;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'isla-secrets-'));
  root = join(home, 'config/secrets');
  store = new SecretStore(root);
});
afterEach(() => rmSync(home, { recursive: true }));

const modeOf = (path: string) => statSync(path).mode & 0o777;
const value = (text: string) => Buffer.from(text);
const pathOf = (name: string) => join(root, 'values', name);

describe('the store', () => {
  test("is the operator's alone, whoever made its directories", () => {
    mkdirSync(root, { recursive: true, mode: 0o755 });
    chmodSync(root, 0o755);
    store.set('key', value('v'));
    store.grant({ lambda: 'one', secret: 'key' });
    for (const dir of secretDirs(root)) expect(modeOf(dir)).toBe(0o700);
    expect(modeOf(pathOf('key'))).toBe(0o600);
    expect(modeOf(join(root, 'grants/one:key'))).toBe(0o600);
  });

  test('keeps every byte, and replaces a value in one step', () => {
    const bytes = Buffer.from([0, 255, 10, 13, 10]);
    store.set('key', value('old'));
    const before = statSync(pathOf('key')).ino;
    store.set('key', bytes);
    expect(readFileSync(pathOf('key'))).toEqual(bytes);
    expect(statSync(pathOf('key')).ino).not.toBe(before);
    expect(readdirSync(join(root, 'values'))).toEqual(['key']);
  });

  test('keeps the old value when the new one cannot be written', () => {
    store.set('key', value('old'));
    mkdirSync(`${pathOf('key')}~${process.pid}`);
    expect(() => store.set('key', value('new'))).toThrow();
    expect(readFileSync(pathOf('key'), 'utf8')).toBe('old');
  });

  test('what a crash left of a write is no secret, and goes with the secret', () => {
    store.set('key', value('v'));
    writeFileSync(`${pathOf('key')}~12345`, 'half of');
    expect(store.list().map(({ name }) => name)).toEqual(['key']);
    store.remove('key');
    expect(readdirSync(join(root, 'values'))).toEqual([]);
  });

  test.each(BAD_NAMES)('refuses %j as the name of a secret or a lambda, without saying it', (name) => {
    store.set('key', value('v'));
    const named = expect.objectContaining({ code: 'name-invalid' });
    expect(() => store.set(name, value('v'))).toThrow(named);
    expect(() => store.remove(name)).toThrow(named);
    expect(() => store.grant({ lambda: 'one', secret: name })).toThrow(named);
    expect(() => store.grant({ lambda: name, secret: 'key' })).toThrow(named);
    expect(() => store.revoke({ lambda: name, secret: 'key' })).toThrow(named);
    expect(() => store.set('a/hunter2', value('v'))).toThrow(/^(?!.*hunter2)/);
    expect(readdirSync(join(root, 'values'))).toEqual(['key']);
  });

  test('takes 64 KiB and not a byte more, nor nothing', () => {
    store.set('key', Buffer.alloc(65_536, 1));
    expect(() => store.set('key', Buffer.alloc(65_537, 2))).toThrow(/65536 bytes; nothing was stored/);
    expect(() => store.set('key', Buffer.alloc(0))).toThrow(/empty/);
    expect(readFileSync(pathOf('key'))[0]).toBe(1);
  });

  test('lists names, grants and times, and no value', () => {
    store.set('b', value('hunter2'));
    store.set('a', value('hunter3'));
    store.grant({ lambda: 'two', secret: 'b' });
    store.grant({ lambda: 'one', secret: 'b' });
    expect(store.list()).toEqual([
      { name: 'a', grants: [], changed: expect.any(Date) },
      { name: 'b', grants: ['one', 'two'], changed: expect.any(Date) },
    ]);
    expect(JSON.stringify(store.list())).not.toContain('hunter');
    expect(new SecretStore(join(home, 'none')).list()).toEqual([]);
  });

  test('grants and revokes, and says whether that changed anything', () => {
    store.set('key', value('v'));
    const grant = { lambda: 'one', secret: 'key' };
    expect([store.grant(grant), store.grant(grant)]).toEqual([true, false]);
    expect([store.revoke(grant), store.revoke(grant)]).toEqual([true, false]);
    const missing = expect.objectContaining({ code: 'secret-missing' });
    expect(() => store.grant({ lambda: 'one', secret: 'none' })).toThrow(missing);
    expect(() => store.revoke({ lambda: 'one', secret: 'none' })).toThrow(missing);
    expect(() => store.remove('none')).toThrow(missing);
  });

  test('a lambda has at most 64', () => {
    for (let n = 0; n < 65; n += 1) store.set(`s${n}`, value('v'));
    for (let n = 0; n < 64; n += 1) store.grant({ lambda: 'one', secret: `s${n}` });
    expect(() => store.grant({ lambda: 'one', secret: 's64' })).toThrow(/64 secrets already/);
    expect(store.grant({ lambda: 'two', secret: 's64' })).toBe(true);
  });

  test('a secret that is removed and comes back is granted to nobody', () => {
    store.set('key', value('v'));
    store.grant({ lambda: 'one', secret: 'key' });
    expect(store.remove('key')).toEqual(['one']);
    store.set('key', value('w'));
    expect(store.list()).toMatchObject([{ name: 'key', grants: [] }]);
  });
});

describe('the watch', () => {
  const changed: string[] = [];
  let watch: SecretWatch | undefined;
  afterEach(() => watch?.close());

  function start(): SecretWatch {
    changed.length = 0;
    watch = new SecretWatch({ dir: root, onChange: (lambda) => changed.push(lambda) });
    return watch;
  }

  /** As a request does: it is read in one turn of the event loop and decided in its check phase. */
  async function granted(lambda = 'one') {
    await new Promise((done) => setTimeout(done, 1));
    await turn();
    return watch?.granted(lambda) as { names: readonly string[]; edition: string };
  }

  test('knows every state by name, and each by another edition', async () => {
    store.set('key', value('v'));
    store.set('other', value('v'));
    store.grant({ lambda: 'two', secret: 'other' });
    start();
    const editions = [await granted()];
    const steps = [
      () => store.grant({ lambda: 'one', secret: 'key' }),
      () => store.set('key', value('w')),
      () => store.grant({ lambda: 'one', secret: 'other' }),
      () => store.revoke({ lambda: 'one', secret: 'key' }),
    ];
    for (const step of steps) {
      step();
      editions.push(await granted());
    }
    expect(editions.map(({ names }) => names.join())).toEqual(['', 'key', 'key', 'key,other', 'other']);
    expect(new Set(editions.map(({ edition }) => edition)).size).toBe(5);
    store.remove('other');
    expect(await granted()).toEqual(editions[0]);
    expect(await granted('two')).toEqual(editions[0]);
  });

  test('tells whose secrets have changed, and nobody else', async () => {
    store.set('key', value('v'));
    store.set('other', value('v'));
    store.grant({ lambda: 'one', secret: 'key' });
    store.grant({ lambda: 'two', secret: 'other' });
    start();
    expect(changed).toEqual([]);
    store.set('key', value('w'));
    await expect.poll(() => changed).toEqual(['one']);
    store.revoke({ lambda: 'two', secret: 'other' });
    await expect.poll(() => changed).toEqual(['one', 'two']);
    store.set('other', value('w'));
    await granted();
    expect(changed).toEqual(['one', 'two']);
  });

  test('does not mind that the directory comes, goes and is replaced', async () => {
    start();
    expect((await granted()).names).toEqual([]);
    store.set('key', value('v'));
    store.grant({ lambda: 'one', secret: 'key' });
    expect((await granted()).names).toEqual(['key']);
    renameSync(root, `${root}.old`);
    expect((await granted()).names).toEqual([]);
    renameSync(`${root}.old`, root);
    expect((await granted()).names).toEqual(['key']);
    rmSync(root, { recursive: true });
    expect((await granted()).names).toEqual([]);
    expect(existsSync(root)).toBe(false);
  });

  test('a file that is no grant grants nothing', async () => {
    store.set('key', value('v'));
    start();
    for (const name of ['one', 'one:', ':key', 'one:key:', 'one:..', 'one:none', '..:key']) {
      writeFileSync(join(root, 'grants', name), '');
    }
    expect((await granted()).names).toEqual([]);
  });

  test('a directory that cannot be listed is a failure with its reason', () => {
    mkdirSync(root, { recursive: true });
    writeFileSync(join(root, 'grants'), 'a file');
    expect(start).toThrow(/the secrets in .* can not be listed: /);
  });
});
