import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DEFAULT_TERMS } from '../../../src/config/lambda-spec.ts';
import { unpackBundle, validateBundle } from '../../../src/registry/bundle.ts';
import { packDirectory } from '../../../src/registry/bundle-pack.ts';
import { scratchDir } from '../scratch-dir.ts';
import { pax, tarGz, zip } from './archives.ts';

const CODE = 'def handler(event):\n    return event\n';

let place: string;
beforeEach(() => {
  place = mkdtempSync(join(scratchDir(), 'isla-bundle-'));
});
afterEach(() => rmSync(place, { recursive: true, force: true }));

function bundle(bytes: Buffer): string {
  const file = join(place, 'bundle');
  writeFileSync(file, bytes);
  return file;
}

/** Every path with its mode, below the directory. */
function listing(dir: string): Record<string, string> {
  const paths = readdirSync(dir, { recursive: true, encoding: 'utf8' }).sort();
  return Object.fromEntries(paths.map((path) => [path, (lstatSync(join(dir, path)).mode & 0o7777).toString(8)]));
}

const LAMBDA = { name: 'lambda_func.py', body: CODE };

describe('a bundle is unpacked', () => {
  const kinds: [string, Buffer][] = [
    [
      '.tar.gz',
      tarGz([{ name: 'pkg/', type: '5', mode: 0o700 }, LAMBDA, { name: 'pkg/run', mode: 0o4711, body: 'x' }]),
    ],
    [
      '.zip',
      zip([
        { name: 'pkg/', stored: true, mode: 0o040700 },
        LAMBDA,
        { name: 'pkg/run', mode: 0o104711, body: 'x', stored: true },
      ]),
    ],
  ];
  test.each(kinds)('from a %s, with the modes of a snapshot and no setuid bit', async (_, bytes) => {
    const dir = join(place, 'out');
    const facts = await unpackBundle(bundle(bytes), dir);
    expect(facts).toMatchObject({ handler: 'lambda_func.py', entries: 3, bytes: CODE.length + 1 });
    expect(listing(dir)).toEqual({ 'lambda_func.py': '644', pkg: '755', 'pkg/run': '755' });
    expect(readFileSync(join(dir, 'lambda_func.py'), 'utf8')).toBe(CODE);
    expect(await validateBundle(join(place, 'bundle'))).toEqual(facts);
  });

  test.each([
    [
      '.tar.gz',
      tarGz([
        { name: 'hello/lambda_func.py', body: CODE },
        { name: 'hello/a/b', body: 'b' },
      ]),
    ],
    [
      '.zip',
      zip([
        { name: 'hello/lambda_func.py', body: CODE },
        { name: 'hello/a/b', body: 'b' },
      ]),
    ],
    [
      '.zip of a Mac',
      zip([
        { name: 'hello/lambda_func.py', body: CODE },
        { name: 'hello/a/b', body: 'b' },
        { name: '__MACOSX/hello/._a', body: 'x' },
        { name: 'hello/.DS_Store', body: 'x' },
      ]),
    ],
  ])('without the one folder around it: %s', async (_, bytes) => {
    const dir = join(place, 'out');
    await unpackBundle(bundle(bytes), dir);
    expect(Object.keys(listing(dir))).toEqual(['a', 'a/b', 'lambda_func.py']);
    expect(readdirSync(place).sort()).toEqual(['bundle', 'out']);
  });

  test('without what is no code', async () => {
    const names = ['./lambda_func.py', './__pycache__/a.pyc', '.git/config', '.lambda_func.py.swp'];
    await unpackBundle(
      bundle(tarGz([{ name: './', type: '5' }, ...names.map((name) => ({ name, body: CODE }))])),
      join(place, 'out'),
    );
    expect(Object.keys(listing(join(place, 'out')))).toEqual(['lambda_func.py']);
  });

  test('with links that stay inside, however they get there', async () => {
    const items = [
      LAMBDA,
      { name: 'lib/libx.so.1', body: 'x' },
      { name: 'lib/libx.so', type: '2', link: 'libx.so.1' },
      { name: 'a/up', type: '2', link: '..' },
      { name: 'b', type: '2', link: 'a/up/lib/../lib/libx.so' },
    ];
    await unpackBundle(bundle(tarGz(items)), join(place, 'out'));
    expect(readlinkSync(join(place, 'out/lib/libx.so'))).toBe('libx.so.1');
    expect(readFileSync(join(place, 'out/b'), 'utf8')).toBe('x');
    const zipped = zip([LAMBDA, { name: 'x', mode: 0o120777, body: 'lambda_func.py' }]);
    await unpackBundle(bundle(zipped), join(place, 'zip'));
    expect(readlinkSync(join(place, 'zip/x'))).toBe('lambda_func.py');
  });

  test('with names that need an extension of the format', async () => {
    const long = `${'d'.repeat(90)}/${'ü'.repeat(60)}`;
    const items = [
      pax({ comment: 'a commit' }, 'g'),
      LAMBDA,
      pax({ path: long, mtime: '1.5', 'SCHILY.xattr.x': 'y' }),
      { name: 'short', body: 'pax' },
      { name: '././@LongLink', type: 'L', body: `${long}2\0` },
      { name: 'short', body: 'gnu' },
      pax({ path: 'file' }),
      { name: 'directory/', body: 'of today' },
      pax({ path: 'sized', size: '3' }),
      { name: 'short', body: 'abc', size: 3 },
    ];
    await unpackBundle(bundle(tarGz(items)), join(place, 'out'));
    expect(readFileSync(join(place, 'out', long), 'utf8')).toBe('pax');
    expect(readFileSync(join(place, 'out', `${long}2`), 'utf8')).toBe('gnu');
    expect(readFileSync(join(place, 'out/file'), 'utf8')).toBe('of today');
    expect(readFileSync(join(place, 'out/sized'), 'utf8')).toBe('abc');
  });

  test('as GNU tar and Info-ZIP-like programs write it', async () => {
    const dir = join(place, 'hello');
    mkdirSync(join(dir, 'pkg'), { recursive: true });
    writeFileSync(join(dir, 'lambda_func.py'), CODE);
    writeFileSync(join(dir, 'pkg/grün'), 'x'.repeat(100_000));
    execFileSync('tar', ['-czf', join(place, 'a.tgz'), '-C', place, 'hello']);
    execFileSync('tar', ['-czf', join(place, 'b.tgz'), '-C', dir, '--format=posix', '.']);
    execFileSync('python3', ['-m', 'zipfile', '-c', join(place, 'c.zip'), dir]);
    execFileSync('python3', [
      '-c',
      'import shutil,sys; shutil.make_archive(sys.argv[1], "zip", sys.argv[2])',
      join(place, 'd'),
      dir,
    ]);
    for (const name of ['a.tgz', 'b.tgz', 'c.zip', 'd.zip']) {
      await unpackBundle(join(place, name), join(place, `of-${name}`));
      expect(listing(join(place, `of-${name}`)), name).toEqual(listing(dir));
    }
  });

  test('with sizes that follow the data, a comment, and a lambda_func.py that is a link', async () => {
    const items = [
      { name: 'main.py', body: CODE, descriptor: true },
      { name: 'lambda_func.py', mode: 0o120777, body: 'main.py' },
    ];
    await unpackBundle(bundle(zip(items, { comment: Buffer.from('0123456789abcdef') })), join(place, 'out'));
    expect(readFileSync(join(place, 'out/lambda_func.py'), 'utf8')).toBe(CODE);
  });
});

describe('its lambda.json', () => {
  const asking = (json: string) => tarGz([LAMBDA, { name: 'lambda.json', body: json }]);

  test('is read, and judged by the terms that are given', async () => {
    const file = bundle(asking('{"network": "outbound", "memory_mb": 16384}'));
    expect((await validateBundle(file)).config.limits.memory_mb).toBe(16384);
    await expect(validateBundle(file, { terms: DEFAULT_TERMS })).rejects.toThrow(/lambda\.json: .*limits_max/);
  });

  test.each([
    ['{"memory": 1}', /did you mean "memory_mb"/],
    ['{', /it is not JSON/],
    [`{"x":"${'x'.repeat(70_000)}"}`, /more than 65536 bytes/],
  ])('is refused: %.20s', async (json, complaint) => {
    await expect(validateBundle(bundle(asking(json)))).rejects.toThrow(complaint);
  });

  test('counts where the lambda is, and nowhere else', async () => {
    const items = [
      { name: 'b/lambda.json', body: '{' },
      { name: 'a/lambda.json', body: '{' },
      { name: 'lambda.json', body: '{"memory_mb": 64}' },
      LAMBDA,
    ];
    expect((await validateBundle(bundle(tarGz(items)))).config.limits.memory_mb).toBe(64);
    const inFolder = [
      { name: 'f/lambda.json', body: '{"memory_mb": 65}' },
      { name: 'f/lambda_func.py', body: CODE },
    ];
    expect((await validateBundle(bundle(tarGz(inFolder)))).config.limits.memory_mb).toBe(65);
  });

  test('is no link', async () => {
    const items = [LAMBDA, { name: 'x.json', body: '{}' }, { name: 'lambda.json', type: '2', link: 'x.json' }];
    await expect(validateBundle(bundle(tarGz(items)))).rejects.toThrow(/lambda\.json is a link/);
  });
});

describe('a directory is packed', () => {
  test('to the same bytes whenever and by whomever, and unpacks to what a worker would copy', async () => {
    const dir = join(place, 'hello');
    mkdirSync(join(dir, 'deep'.repeat(40), '__pycache__'), { recursive: true });
    writeFileSync(join(dir, 'lambda_func.py'), CODE, { mode: 0o600 });
    writeFileSync(join(dir, 'run'), 'x'.repeat(300_000), { mode: 0o700 });
    writeFileSync(join(dir, 'deep'.repeat(40), 'y'), '');
    symlinkSync(join(dir, 'run'), join(dir, 'deep'.repeat(40), 'absolute'));
    await packDirectory(dir, join(place, 'one'));
    chmodSync(join(dir, 'lambda_func.py'), 0o644);
    writeFileSync(join(dir, 'run'), 'x'.repeat(300_000));
    await packDirectory(dir, join(place, 'two'));
    expect(readFileSync(join(place, 'one')).equals(readFileSync(join(place, 'two')))).toBe(true);
    await unpackBundle(join(place, 'one'), join(place, 'out'));
    const deep = 'deep'.repeat(40);
    expect(listing(join(place, 'out'))).toEqual({
      'lambda_func.py': '644',
      run: '755',
      [deep]: '755',
      [`${deep}/y`]: '644',
      [`${deep}/absolute`]: '777',
    });
    expect(readlinkSync(join(place, 'out', deep, 'absolute'))).toBe('../run');
  });

  test('and is whole for other programs, too', async () => {
    mkdirSync(join(place, 'hello'));
    writeFileSync(join(place, 'hello/lambda_func.py'), CODE);
    await packDirectory(join(place, 'hello'), join(place, 'one'));
    expect(execFileSync('tar', ['-tzf', join(place, 'one')], { encoding: 'utf8' })).toBe('lambda_func.py\n');
  });

  test('but not one whose links lead out, and then there is no file', async () => {
    mkdirSync(join(place, 'hello'));
    symlinkSync('/etc/passwd', join(place, 'hello/x'));
    await expect(packDirectory(join(place, 'hello'), join(place, 'one'))).rejects.toThrow(
      /hello can not be packed: .*leads outside/,
    );
    expect(existsSync(join(place, 'one'))).toBe(false);
  });
});

test('what is wrong is said before anything else is left: no directory, and the same from both', async () => {
  const bytes = gzipSync(gunzipSync(tarGz([LAMBDA])).subarray(0, 600));
  const dir = join(place, 'out');
  const said = await unpackBundle(bundle(bytes), dir).catch((error: Error) => error.message);
  expect(said).toMatch(/cut off/);
  expect(existsSync(dir)).toBe(false);
  await expect(validateBundle(join(place, 'bundle'))).rejects.toThrow(said as string);
});

describe('the handler of a bundle', () => {
  const body = CODE;
  const lambdaJson = (handler: string) => ({ name: 'lambda.json', body: JSON.stringify({ handler }) });

  test.each([
    ['lambda_function.py', [{ name: 'lambda_function.py', body }]],
    ['src/index.py', [{ name: 'src/index.py', body }, lambdaJson('src/index.handler')]],
    ['pkg/__init__.py', [{ name: 'pkg/__init__.py', body }, lambdaJson('pkg.handler')]],
  ])('is %s', async (handler, files) => {
    expect((await validateBundle(bundle(tarGz(files)))).handler).toBe(handler);
    const packed = files.map((file) => ({ ...file, name: `top/${file.name}` }));
    expect((await validateBundle(bundle(tarGz(packed)))).handler).toBe(handler);
  });

  test('must be there', async () => {
    await expect(validateBundle(bundle(tarGz([LAMBDA, lambdaJson('index.handler')])))).rejects.toThrow(
      'lambda.json: handler: "index.handler" is to be in index.py or index.mjs, and there is no such file',
    );
    const nameless = tarGz([
      { name: 'code.py', body },
      { name: 'lambda.json', body: '{}' },
    ]);
    await expect(validateBundle(bundle(nameless))).rejects.toThrow(
      /^there is none of .*lambda.json names no "handler"$/,
    );
  });
});
