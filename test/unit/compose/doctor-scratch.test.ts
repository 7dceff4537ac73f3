import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { checkScratch, judgeScratch } from '../../../src/compose/doctor-scratch.ts';

const SRC = resolve(import.meta.dirname, '../../../src');

test.each([
  ['mkfs.ext4 (package e2fsprogs) is not installed', 'apt-get install -y e2fsprogs'],
  [
    '/dev/loop-control: No such file or directory',
    'modprobe loop, or docker run --privileged (if this is a container)',
  ],
  ['only root may use loop devices', 'run workers as root'],
])('scratch that is memory is a limit less, and that is mended: %s', (problem, mend) => {
  expect(judgeScratch(problem)).toMatchObject({ state: 'weaker', needed: false, found: problem, mend });
});

test('this machine is tried: images work, or the reason is said', async () => {
  const check = await checkScratch('/usr/bin/python3', SRC);
  if (check.state === 'ok') expect(check.mend).toBeUndefined();
  else expect(check.found).toMatch(/loop|mkfs\.ext4/);
});

test('a trial that can not even be run is no proof of images', async () => {
  expect(await checkScratch('/usr/bin/false', SRC)).toMatchObject({ state: 'weaker' });
});
