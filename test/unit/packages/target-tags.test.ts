/** python/target_tags.py, run by this machine's Python. */
import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';

const DIR = resolve(import.meta.dirname, '../../../src/packages/python');

function argumentsFor(target: object): string[] {
  const script =
    'import json, sys; sys.path.insert(0, sys.argv[1]); import target_tags; print(json.dumps(target_tags.arguments(json.loads(sys.argv[2]))))';
  return JSON.parse(
    execFileSync('python3', ['-I', '-B', '-c', script, DIR, JSON.stringify(target)], { encoding: 'utf8' }),
  );
}

const markers = { platform_machine: 'x86_64' };

test('another version is asked for with every platform that its libc can load', () => {
  const words = argumentsFor({ version: '3.9.1', soabi: 'cpython-39-x86_64-linux-gnu', libc: 'glibc2.17', markers });
  expect(words.slice(0, 6)).toEqual(['--python-version', '3.9.1', '--implementation', 'cp', '--abi', 'cp39']);
  const platforms = words.filter((_word, at) => words[at - 1] === '--platform');
  expect(platforms.slice(0, 3)).toEqual(['manylinux_2_17_x86_64', 'manylinux2014_x86_64', 'manylinux_2_16_x86_64']);
  expect(platforms.slice(-3)).toEqual(['manylinux_2_5_x86_64', 'manylinux1_x86_64', 'linux_x86_64']);
});

test('musl has platforms of its own, and a free-threaded build its own ABI', () => {
  const words = argumentsFor({
    version: '3.13.0',
    soabi: 'cpython-313t-x86_64-linux-musl',
    libc: 'musl1.2.5',
    markers,
  });
  expect(words).toContain('cp313t');
  expect(words.filter((_word, at) => words[at - 1] === '--platform')).toEqual([
    'musllinux_1_2_x86_64',
    'musllinux_1_1_x86_64',
    'musllinux_1_0_x86_64',
    'linux_x86_64',
  ]);
});

test('the interpreter that runs pip needs no such words', () => {
  const script =
    'import os, sys, sysconfig; print("%d.%d.%d" % sys.version_info[:3], sysconfig.get_config_var("SOABI"), os.confstr("CS_GNU_LIBC_VERSION").replace(" ", ""))';
  const [version, soabi, libc] = execFileSync('python3', ['-I', '-c', script], { encoding: 'utf8' }).trim().split(' ');
  expect(argumentsFor({ version, soabi, libc, markers })).toEqual([]);
});
