import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Failure } from '../../../src/config/failure.ts';
import { LocalSource } from '../../../src/registry/local.ts';
import {
  type CodeVersion,
  type LambdaName,
  parseCalledName,
  parseLambdaName,
  partsOf,
  versionName,
} from '../../../src/registry/source.ts';
import { listTree, TreeChanged } from '../../../src/registry/tree.ts';
import { copyTree } from '../../../src/registry/tree-copy.ts';
import { scratchDir } from '../scratch-dir.ts';

let home: string;
let source: LocalSource;
let logged: string[];
let changed: string[];

function openSource(registryDir = join(home, 'registry'), earlierMax = 0): LocalSource {
  return new LocalSource({
    registryDir,
    earlierMax,
    codeDir: join(home, 'code'),
    log: (_level, message) => logged.push(message),
    onChange: (lambda) => changed.push(lambda),
  });
}

beforeEach(() => {
  home = realpathSync(mkdtempSync(join(scratchDir(), 'isla-local-')));
  mkdirSync(join(home, 'registry'));
  logged = [];
  changed = [];
  source = openSource();
});

afterEach(async () => {
  await source.close();
  rmSync(home, { recursive: true });
});

const HELLO = 'hello' as LambdaName;

function make(path: string, content = ''): string {
  const full = join(home, 'registry', path);
  mkdirSync(join(full, '..'), { recursive: true });
  writeFileSync(full, content);
  return full;
}

/** The current version, given back at once: it stays as long as it is the newest. */
async function look(lambda: LambdaName = HELLO): Promise<CodeVersion | undefined> {
  const version = await source.current(lambda);
  if (version !== undefined) source.release(version);
  return version;
}

async function problem(): Promise<string> {
  const failure = await look().catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(Failure);
  expect((failure as Failure).code).toBe('lambda-invalid');
  return (failure as Failure).message;
}

/** Longer than the grain of file times, after which a listing can be relied on. */
function settle(): Promise<void> {
  return delay(40);
}

function snapshots(): string[] {
  return readdirSync(join(home, 'code')).filter((name) => name !== '.isla-code');
}

test('a name is a name', () => {
  for (const name of ['a', 'A.b_c-9', '.hidden', '...', 'x'.repeat(64)]) expect(parseLambdaName(name), name).toBe(name);
  for (const name of ['', '.', '..', 'a/b', 'a\n', 'ä', 'x'.repeat(65)]) expect(parseLambdaName(name)).toBeUndefined();
});

test('a version of a lambda has a name of its own, which no lambda has', () => {
  const digest = 'a'.repeat(64);
  for (const name of ['a', 'a~1', 'a~123456789', `a~${digest}`]) expect(parseCalledName(name), name).toBe(name);
  for (const name of ['a~', 'a~0', 'a~01', 'a~1234567890', 'a~x', '~1', '..~1', 'a~1~2', 'a~$LATEST', `a~${digest}0`]) {
    expect(parseCalledName(name), name).toBeUndefined();
  }
  expect(parseLambdaName('a~1')).toBeUndefined();
  expect(partsOf('a~1' as LambdaName)).toEqual({ lambda: 'a', version: '1' });
});

describe('code that was current once', () => {
  const byDigest = (digest: string) => look(versionName(HELLO, digest));

  test('is kept by its digest, the last of it, and then no more', async () => {
    await source.close();
    source = openSource(join(home, 'registry'), 2);
    const digests: string[] = [];
    for (const text of ['1', '22', '333', '4444']) {
      make('hello/lambda_func.py', text);
      digests.push((await look())?.digest as string);
      await settle();
    }
    const [first, second, third, fourth] = digests as [string, string, string, string];
    expect(await byDigest(first)).toBeUndefined();
    expect(changed).toContain(versionName(HELLO, first));
    const earlier = await byDigest(second);
    expect(earlier).toMatchObject({ lambda: `hello~${second}`, digest: second });
    expect(readFileSync(join(earlier?.dir as string, 'lambda_func.py'), 'utf8')).toBe('22');
    expect((await byDigest(third))?.digest).toBe(third);
    expect(await byDigest(fourth)).toMatchObject({ lambda: `hello~${fourth}`, digest: fourth });
    // What is no more is moved away at once and removed when there is time.
    await expect.poll(() => snapshots().sort()).toEqual([second, third, fourth].sort());
    rmSync(join(home, 'code', second), { recursive: true });
    expect(await byDigest(second)).toBeUndefined();
  });

  test('goes at once where none is to be kept', async () => {
    make('hello/lambda_func.py', '1');
    const first = (await look())?.digest as string;
    await settle();
    make('hello/lambda_func.py', '22');
    await look();
    expect(await byDigest(first)).toBeUndefined();
    expect(await byDigest('0'.repeat(64))).toBeUndefined();
  });
});

describe('a snapshot', () => {
  test('holds files, directories and execute bits, with the modes of nobody in particular', async () => {
    chmodSync(make('hello/lambda_func.py', 'x = 1'), 0o600);
    chmodSync(make('hello/bin/tool', '#!'), 0o700);
    chmodSync(join(home, 'registry', 'hello', 'bin'), 0o700);
    const dir = (await look())?.dir as string;
    const mode = (path: string) => (statSync(join(dir, path)).mode & 0o7777).toString(8);
    expect([mode('.'), mode('lambda_func.py'), mode('bin'), mode('bin/tool')]).toEqual(['755', '644', '755', '755']);
    expect(readFileSync(join(dir, 'lambda_func.py'), 'utf8')).toBe('x = 1');
  });

  test('leaves out what is no code', async () => {
    make('hello/lambda_func.py');
    for (const name of ['__pycache__/x.pyc', '.git/HEAD', 'pkg/__pycache__/y.pyc', '.lambda_func.py.swp']) {
      make(`hello/${name}`);
    }
    symlinkSync('me@host.1:2', join(home, 'registry/hello/.#lambda_func.py'));
    make('hello/.env');
    make('hello/pkg/mod.py');
    const dir = (await look())?.dir as string;
    expect(readdirSync(dir, { recursive: true }).sort()).toEqual(['.env', 'lambda_func.py', 'pkg', 'pkg/mod.py']);
  });

  test('is the same for the same code, and another for another name, mode or byte', async () => {
    const digests = new Set<string>();
    const add = async (digest: 'new' | 'known') => {
      const { digest: found } = (await look()) as CodeVersion;
      expect(digests.has(found)).toBe(digest === 'known');
      digests.add(found);
    };
    const file = make('hello/f.py', 'one');
    await add('new');
    writeFileSync(file, 'two');
    await add('new');
    writeFileSync(file, 'one');
    await add('known');
    chmodSync(file, 0o755);
    await add('new');
    chmodSync(file, 0o711);
    await add('known');
    renameSync(file, join(home, 'registry/hello/lambda_func.py'));
    await add('new');
    utimesSync(join(home, 'registry/hello/lambda_func.py'), 1, 1);
    await add('known');
    mkdirSync(join(home, 'registry/hello/empty'));
    await add('new');
  });

  test('stays as long as it is on loan, and no longer', async () => {
    const file = make('hello/f.py', 'old');
    const [first, second] = [await source.current(HELLO), await source.current(HELLO)];
    expect(first).toEqual(second);
    writeFileSync(file, 'new');
    const newest = await look();
    source.release(first as CodeVersion);
    await delay(20);
    expect(snapshots().sort()).toEqual([first?.digest, newest?.digest].sort());
    source.release(second as CodeVersion);
    await expect.poll(snapshots).toEqual([newest?.digest]);
    rmSync(join(home, 'registry', 'hello'), { recursive: true });
    expect(await look()).toBeUndefined();
    await expect.poll(snapshots).toEqual([]);
  });

  test('that an earlier worker left is removed', async () => {
    make('hello/f.py');
    await source.current(HELLO);
    await source.close();
    expect(snapshots()).toHaveLength(1);
    rmSync(join(home, 'registry', 'hello'), { recursive: true });
    source = openSource();
    await expect.poll(snapshots).toEqual([]);
    make('hello/f.py');
    expect(existsSync((await look())?.dir as string)).toBe(true);
  });

  test('is never put where others keep their files', () => {
    mkdirSync(join(home, 'mine'));
    writeFileSync(join(home, 'mine', 'thesis.tex'), '');
    const options = { registryDir: home, codeDir: join(home, 'mine'), log: () => {}, onChange: () => {} };
    expect(() => new LocalSource(options)).toThrow(/not this program's/);
    expect(readdirSync(join(home, 'mine'))).toEqual(['thesis.tex']);
  });
});

describe('links', () => {
  test('that stay inside are kept, as short as they can be', async () => {
    make('hello/lambda_func.py', 'code');
    make('hello/data/x.txt', 'x');
    const link = (target: string, path: string) => symlinkSync(target, join(home, 'registry/hello', path));
    link('lambda_func.py', 'alias.py');
    link(join(home, 'registry/hello/data'), 'absolute');
    link('../../hello/data/x.txt', 'data/roundabout');
    link('nowhere', 'dangling');
    const dir = (await look())?.dir as string;
    const targets = ['alias.py', 'absolute', 'data/roundabout', 'dangling'].map((path) =>
      readlinkSync(join(dir, path)),
    );
    expect(targets).toEqual(['lambda_func.py', 'data', 'x.txt', 'nowhere']);
  });

  test.each(['/etc/passwd', '../other', '../..', '/nowhere/at/all'])('to %s are refused by name', async (target) => {
    make('hello/lambda_func.py');
    make('other/f.py');
    symlinkSync(target, join(home, 'registry/hello/out'));
    expect(await problem()).toContain(`lambda hello cannot be used: the link out leads outside of it, to ${target}`);
    rmSync(join(home, 'registry/hello/out'));
    expect(await look()).toBeDefined();
  });

  test('to a directory elsewhere are lambdas, but to a file, to nothing or in a circle are not', async () => {
    mkdirSync(join(home, 'elsewhere'));
    writeFileSync(join(home, 'elsewhere', 'f.py'), '');
    writeFileSync(join(home, 'file'), '');
    const targets = { linked: join(home, 'elsewhere'), tofile: join(home, 'file'), tonothing: 'nix', circle: 'circle' };
    for (const [name, target] of Object.entries(targets)) symlinkSync(target, join(home, 'registry', name));
    expect(await look('linked' as LambdaName)).toBeDefined();
    for (const name of ['tofile', 'tonothing', 'circle']) expect(await look(name as LambdaName), name).toBeUndefined();
  });
});

test('a directory that becomes a link to elsewhere once it is listed brings nothing from there', async () => {
  const root = join(realpathSync(home), 'registry/hello');
  for (const dir of ['registry/hello/data', 'elsewhere']) mkdirSync(join(home, dir), { recursive: true });
  writeFileSync(join(root, 'data/text'), 'mine');
  writeFileSync(join(home, 'elsewhere/text'), 'host');
  const tree = await listTree(root, () => {});
  renameSync(join(root, 'data'), join(root, 'aside'));
  symlinkSync(join(home, 'elsewhere'), join(root, 'data'));
  await expect(copyTree(tree, join(home, 'copy'))).rejects.toThrow(TreeChanged);
  rmSync(join(root, 'data'));
  renameSync(join(root, 'aside'), join(root, 'data'));
  // As if nothing had been.
  expect((await listTree(root, () => {})).signature).toBe(tree.signature);
  await copyTree(tree, join(home, 'second'));
  expect(readFileSync(join(home, 'second/data/text'), 'utf8')).toBe('mine');
});

describe('what cannot be used says why:', () => {
  test('no handler file, found again once it is there', async () => {
    make('hello/readme.md');
    expect(await problem()).toBe(
      'lambda hello cannot be used: its directory has none of lambda_func.py, lambda_func.mjs, f.py, lambda_function.py, index.mjs, app.py, main.py',
    );
    mkdirSync(join(home, 'registry/hello/f.py'));
    await problem();
    make('hello/lambda_func.py');
    expect(await look()).toBeDefined();
  });

  test('a pipe', async () => {
    make('hello/f.py');
    execFileSync('mkfifo', [join(home, 'registry/hello/pipe')]);
    expect(await problem()).toContain('pipe is a socket, a pipe or a device');
  });

  test('too many files', async () => {
    make('hello/f.py');
    for (let n = 0; n < 10_000; n += 1) writeFileSync(join(home, 'registry/hello', `${n}.txt`), '');
    expect(await problem()).toContain('more than 10000 files');
  });

  test('too many bytes', async () => {
    truncateSync(make('hello/f.py'), 300 * 1024 * 1024);
    expect(await problem()).toContain('larger than 250 MiB');
  });

  test('too deep', async () => {
    make('hello/f.py');
    make(`hello/${'d/'.repeat(40)}x.py`);
    expect(await problem()).toContain('nested more than 32 deep');
  });

  test('a tree that never keeps still', { timeout: 20_000 }, async () => {
    const file = make('hello/f.py');
    let n = 0;
    let writing = true;
    const scribble = () => {
      n += 1;
      writeFileSync(file, String(n));
      if (writing) setImmediate(scribble);
    };
    // A copy that fits between two writes is a good one. With the watches laid before the first write and
    // its event delivered, there is none: each turn of the event loop has a write and hears of the last.
    await look();
    scribble();
    await delay(5);
    try {
      expect(await problem()).toContain('keep changing');
    } finally {
      writing = false;
      await delay(5);
    }
    expect(readFileSync(join((await look())?.dir as string, 'f.py'), 'utf8')).toBe(String(n));
  });
});

describe('a lambda that nobody has asked for yet', () => {
  test('is copied a moment after it has come, so that its first request finds it ready', async () => {
    make('hello/f.py', 'one');
    await expect.poll(snapshots).toHaveLength(1);
    const [digest] = snapshots();
    expect((await look())?.digest).toBe(digest);
  });

  test('is copied when the worker starts, and is its newest code when it is asked for', async () => {
    await source.close();
    const file = make('hello/f.py', 'one');
    source = openSource();
    await expect.poll(snapshots).toHaveLength(1);
    writeFileSync(file, 'two');
    expect(readFileSync(join((await look())?.dir as string, 'f.py'), 'utf8')).toBe('two');
  });
});

test('a plain file in the registry is no lambda', async () => {
  make('readme.md');
  expect(await look('readme.md' as LambdaName)).toBeUndefined();
});

test('a registry may be missing, come, go and come back', async () => {
  const registry = join(home, 'registry');
  rmSync(registry, { recursive: true });
  expect(await look()).toBeUndefined();
  make('hello/f.py', 'one');
  const first = await look();
  renameSync(registry, join(home, 'away'));
  await delay(5);
  expect(await look()).toBeUndefined();
  make('hello/f.py', 'two');
  const second = await look();
  expect(second?.digest).not.toBe(first?.digest);
  make('hello/f.py', 'three');
  await delay(5);
  expect((await look())?.digest).not.toBe(second?.digest);
});

test('a change is told without anybody asking', async () => {
  make('hello/f.py');
  await look();
  changed.length = 0;
  make('hello/f.py', 'new');
  await expect.poll(() => changed[0]).toBe('hello');
});

test('an unchanged tree is not looked at again', async () => {
  make('hello/f.py');
  const version = await look();
  await settle();
  // Deleting the copy would be noticed by any code that reads it, and by none that knows it is current.
  rmSync(version?.dir as string, { recursive: true });
  mkdirSync(version?.dir as string);
  for (let n = 0; n < 100; n += 1) expect(await look()).toBe(version);
});

test('many requests at once share one copy', async () => {
  make('hello/f.py');
  const versions = await Promise.all(Array.from({ length: 50 }, () => look()));
  expect(new Set(versions).size).toBe(1);
});

test('code of several megabytes is copied while others are served', async () => {
  make('hello/f.py');
  for (let n = 0; n < 300; n += 1) make(`hello/data/${n}`, 'x'.repeat(100_000));
  let turns = 0;
  const ticker = setInterval(() => {
    turns += 1;
  }, 1);
  expect(await look()).toBeDefined();
  clearInterval(ticker);
  expect(turns).toBeGreaterThan(3);
});

test('a worker’s directory that was moved away is not made again, and serves when it is back', async () => {
  await source.close();
  mkdirSync(join(home, 'worker'));
  const codeDir = join(home, 'worker/code');
  source = new LocalSource({ registryDir: join(home, 'registry'), codeDir, log: () => {}, onChange: () => {} });
  make('hello/f.py');
  const version = (await look()) as CodeVersion;
  renameSync(join(home, 'worker'), join(home, 'away'));
  expect(source.hasVanished(version)).toBe(true);
  await expect(look()).rejects.toMatchObject({ code: 'sandbox-failed', step: 'copy code' });
  expect(existsSync(join(home, 'worker'))).toBe(false);
  renameSync(join(home, 'away'), join(home, 'worker'));
  expect(existsSync((await look())?.dir as string)).toBe(true);
});
