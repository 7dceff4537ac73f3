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
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { resolveBase } from '../../../src/cluster/base.ts';
import { writeEtc } from '../../../src/cluster/etc.ts';
import { findPython } from '../../../src/cluster/python.ts';
import { Failure } from '../../../src/config/failure.ts';

let dir: string;
let base_dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'isla-unit-'));
  base_dir = join(dir, 'base');
  mkdirSync(base_dir);
});
afterEach(() => rmSync(dir, { recursive: true }));

describe('the made /etc', () => {
  let from: string;
  let etc: string;
  beforeEach(() => {
    from = join(dir, 'host-etc');
    etc = join(dir, 'etc');
    mkdirSync(join(from, 'ssl/certs'), { recursive: true });
    mkdirSync(join(from, 'ssl/private'));
    mkdirSync(join(from, 'alternatives'));
    mkdirSync(join(from, 'python3.11'));
  });

  test('has what programs need and nothing that is secret', () => {
    for (const name of [
      'shadow',
      'machine-id',
      'services',
      'ssl/private/key',
      'ssl/certs/ca-certificates.crt',
      'resolv.conf',
    ]) {
      writeFileSync(join(from, name), name);
    }
    writeFileSync(join(from, 'passwd'), 'alice:x:1000:1000:Alice Secret:/home/alice:/bin/bash\n');
    writeFileSync(join(from, 'python3.11/sitecustomize.py'), '');
    writeFileSync(join(from, 'protocols'), 'not for everybody');
    chmodSync(join(from, 'protocols'), 0o640);
    symlinkSync('/usr/bin/true', join(from, 'alternatives/awk'));
    symlinkSync('/etc/secret', join(from, 'alternatives/config'));
    writeEtc(etc, from);
    expect(readFileSync(join(etc, 'passwd'), 'utf8')).not.toContain('alice');
    expect(readFileSync(join(etc, 'passwd'), 'utf8')).toMatch(/^root:.*\nnobody:.*\nsandbox:.*\n(sandbox-.*\n)*$/);
    expect(readFileSync(join(etc, 'ssl/certs/ca-certificates.crt'), 'utf8')).toBe('ssl/certs/ca-certificates.crt');
    expect(existsSync(join(etc, 'python3.11/sitecustomize.py'))).toBe(true);
    expect(readdirSync(join(etc, 'alternatives'))).toEqual(['awk']);
    // The host's is not copied: it names servers that a sandbox does not ask itself.
    expect(readFileSync(join(etc, 'resolv.conf'), 'utf8')).toBe('nameserver 127.0.0.1\n');
    for (const name of ['shadow', 'machine-id', 'ssl/private', 'protocols', 'pki']) {
      expect(existsSync(join(etc, name)), name).toBe(false);
    }
  });

  test('names the user and the group of every sandbox that there can be', () => {
    writeEtc(etc, from);
    const source = readFileSync(join(import.meta.dirname, '../../../src/sandbox/sock/spawner/ids.py'), 'utf8');
    const constant = (name: string) => Number(new RegExp(`^${name} = (\\d+)$`, 'm').exec(source)?.[1]);
    const [first, count] = [constant('FIRST_SANDBOX'), constant('SANDBOXES_MAX')];
    for (const [file, homes] of Object.entries({ passwd: ':sandbox:/tmp:/usr/sbin/nologin', group: '' })) {
      const lines = readFileSync(join(etc, file), 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => line.split(':'));
      const ids = lines.map((line) => Number(line[2])).filter((id) => id !== 0 && id !== 65_534);
      expect(ids).toEqual(Array.from({ length: count }, (_, slot) => first + slot));
      expect(new Set(lines.map(([name]) => name)).size).toBe(lines.length);
      expect(lines.at(-1)?.join(':')).toBe(
        `sandbox-${first + count - 1}:x:${first + count - 1}:${file === 'passwd' ? first + count - 1 : ''}${homes}`,
      );
    }
  });

  test('is readable by everybody once it is there', () => {
    writeFileSync(join(from, 'services'), '');
    writeEtc(etc, from);
    for (const name of readdirSync(etc, { recursive: true }) as string[]) {
      const stats = lstatSync(join(etc, name));
      if (!stats.isSymbolicLink()) expect(stats.mode & 0o777, name).toBe(stats.isDirectory() ? 0o755 : 0o644);
    }
  });

  test('keeps links into /usr and follows those to elsewhere', () => {
    symlinkSync('/usr/share', join(from, 'localtime'));
    writeFileSync(join(dir, 'elsewhere'), 'content');
    symlinkSync(join(dir, 'elsewhere'), join(from, 'timezone'));
    symlinkSync('/nowhere', join(from, 'services'));
    symlinkSync('loop', join(from, 'magic'));
    writeEtc(etc, from);
    expect(readlinkSync(join(etc, 'localtime'))).toBe('/usr/share');
    expect(lstatSync(join(etc, 'timezone')).isFile()).toBe(true);
    expect(existsSync(join(etc, 'services'))).toBe(false);
  });

  test('of this machine is made once, and again if it is missing', async () => {
    const base = await resolveBase({ base: 'host', base_dir });
    expect(base).toEqual({ kind: 'host', etcDir: join(base_dir, 'etc') });
    const { ino } = statSync(join(base_dir, 'etc'));
    await resolveBase({ base: 'host', base_dir });
    expect(statSync(join(base_dir, 'etc')).ino).toBe(ino);
    rmSync(join(base_dir, 'etc'), { recursive: true });
    await resolveBase({ base: 'host', base_dir });
    expect(readdirSync(base_dir)).toEqual(['etc']);
  });
});

describe('a root file system', () => {
  let root: string;
  beforeEach(() => {
    root = join(dir, 'root');
    mkdirSync(join(root, 'usr/bin'), { recursive: true });
    mkdirSync(join(root, 'usr/lib64'));
    symlinkSync('usr/bin', join(root, 'bin'));
    symlinkSync('usr/lib64', join(root, 'lib64'));
    writeFileSync(join(root, 'usr/lib64/ld-linux-x86-64.so.2'), '');
    writeFileSync(join(root, 'usr/bin/python3.9'), '');
    symlinkSync('/usr/bin/python3.9', join(root, 'usr/bin/python3'));
  });

  function pack(name: string): string {
    const path = join(dir, name);
    execFileSync('tar', ['--create', '--auto-compress', '--file', path, '--directory', root, '.']);
    return path;
  }

  async function failure(base: string): Promise<Failure> {
    const error = await resolveBase({ base, base_dir }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(Failure);
    return error as Failure;
  }

  test('as a directory is used as it is', async () => {
    expect(await resolveBase({ base: root, base_dir })).toEqual({ kind: 'directory', path: root });
  });

  test('without Python or loader is refused by what it lacks', async () => {
    rmSync(join(root, 'usr/bin/python3'));
    rmSync(join(root, 'usr/lib64/ld-linux-x86-64.so.2'));
    expect((await failure(root)).message).toMatch(/no python3 in .* and no dynamic loader/);
    expect((await failure(join(dir, 'none'))).message).toContain('does not exist');
    expect((await failure('/etc/passwd')).message).toContain('neither a directory nor a .tar');
  });

  test.each(['base.tar', 'base.tar.gz', 'base.tgz', 'base.tar.xz'])('as %s is unpacked once', async (name) => {
    writeFileSync(join(root, 'usr/bin/su'), '');
    chmodSync(join(root, 'usr/bin/su'), 0o6755);
    const base = pack(name);
    const first = await resolveBase({ base, base_dir });
    expect(first.kind).toBe('directory');
    const path = first.kind === 'directory' ? first.path : '';
    expect(statSync(join(path, 'usr/bin/su')).mode & 0o7777).toBe(0o755);
    expect(readlinkSync(join(path, 'usr/bin/python3'))).toBe('/usr/bin/python3.9');
    const { ino } = statSync(path);
    expect(await resolveBase({ base, base_dir })).toEqual(first);
    expect(statSync(path).ino).toBe(ino);
    utimesSync(base, 1, 1);
    expect(await resolveBase({ base, base_dir })).not.toEqual(first);
    expect(readdirSync(base_dir)).toHaveLength(2);
  });

  test('that several workers want at once is unpacked for all', async () => {
    const base = pack('base.tar');
    const all = await Promise.all([1, 2, 3].map(() => resolveBase({ base, base_dir })));
    expect(new Set(all.map((one) => JSON.stringify(one))).size).toBe(1);
    expect(readdirSync(base_dir)).toHaveLength(1);
  });

  test('in a broken or unfit tarball is refused, and nothing stays', async () => {
    writeFileSync(join(dir, 'broken.tar.gz'), 'no archive');
    expect(await failure(join(dir, 'broken.tar.gz'))).toMatchObject({
      code: 'config-invalid',
      problems: expect.arrayContaining(['gzip: stdin: not in gzip format']),
    });
    rmSync(join(root, 'usr/bin/python3'));
    expect((await failure(pack('unfit.tar'))).message).toContain('no python3');
    expect(readdirSync(base_dir)).toEqual([]);
  });

  test('has its Python named by what it is, where it can not be asked', async () => {
    // An empty file does not run; its name is what is left.
    expect(await findPython({ kind: 'directory', path: root }, '')).toEqual({
      path: '/usr/bin/python3.9',
      version: '3.9',
    });
    symlinkSync('python3.9', join(root, 'usr/bin/python3.8'));
    await expect(findPython({ kind: 'directory', path: root }, '/usr/bin/none')).rejects.toThrow(/no usable Python/);
  });
});

describe('the Python of this machine', () => {
  const host = { kind: 'host', etcDir: '' } as const;

  test('is one that sandboxes can see', async () => {
    const { path, version } = await findPython(host, '');
    expect(path).toMatch(/^\/usr\//);
    expect(version).toMatch(/^3\.\d+\.\d+$/);
    expect(await findPython(host, path)).toEqual({ path, version });
  });

  test('may not lie elsewhere, nor be something else', async () => {
    const shim = join(dir, 'python3');
    writeFileSync(shim, '#!/bin/sh\nexec /usr/bin/python3 "$@"\n', { mode: 0o755 });
    const refused = await findPython(host, shim).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'machine-unfit', problems: [expect.stringContaining('outside /usr')] });
    const wrong = await findPython(host, '/usr/bin/true').catch((error: unknown) => error);
    expect(wrong).toMatchObject({ problems: ['/usr/bin/true: it does not run'] });
    await expect(findPython(host, '/nope')).rejects.toMatchObject({ problems: ['/nope: it can not be executed'] });
  });
});
