import { cpSync, mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { useCluster } from './use-cluster.ts';
import { callRuns, letGo, waitingCode } from './waiting-lambda.ts';

const cluster = useCluster();
const returning = (value: number) => `def handler(event):\n    return ${value}\n`;

/** Ways in which editors, cp, git and rsync change a file. */
const WRITERS: Record<string, (file: string, text: string) => void> = {
  'overwriting it in place': (file, text) => writeFileSync(file, text),
  'renaming another file over it': (file, text) => {
    writeFileSync(`${file}~`, text);
    renameSync(`${file}~`, file);
  },
  'deleting and writing it': (file, text) => {
    unlinkSync(file);
    writeFileSync(file, text);
  },
  'swapping the whole directory': (file, text) => {
    const dir = join(file, '..');
    const other = join(dir, '..', '..', 'next');
    cpSync(dir, other, { recursive: true });
    writeFileSync(join(other, 'lambda_func.py'), text);
    renameSync(dir, `${other}-old`);
    renameSync(other, dir);
    rmSync(`${other}-old`, { recursive: true });
  },
};

test.each(Object.keys(WRITERS))('a call after %s runs the new code, every time', async (how) => {
  const lambda = `edit-${Object.keys(WRITERS).indexOf(how)}`;
  cluster().install(lambda, returning(0));
  const file = join(cluster().dir, 'registry', lambda, 'lambda_func.py');
  for (let version = 1; version <= 100; version += 1) {
    WRITERS[how]!(file, returning(version));
    const answer = await cluster().call(lambda);
    expect([answer.status, answer.json, version]).toEqual([200, version, version]);
  }
});

test('a change of a module beside the handler counts as a change', async () => {
  cluster().install('beside', {
    'lambda_func.py': 'from lib.value import VALUE\ndef handler(event):\n    return VALUE\n',
    'lib/__init__.py': '',
    'lib/value.py': 'VALUE = 0\n',
  });
  for (let version = 1; version <= 30; version += 1) {
    writeFileSync(join(cluster().dir, 'registry/beside/lib/value.py'), `VALUE = ${version}\n`);
    expect((await cluster().call('beside')).json).toBe(version);
  }
});

test('a lambda that is deleted is gone, and can come back', async () => {
  cluster().install('comes-back', returning(1));
  expect((await cluster().call('comes-back')).json).toBe(1);
  rmSync(join(cluster().dir, 'registry/comes-back'), { recursive: true });
  expect((await cluster().call('comes-back')).status).toBe(404);
  cluster().install('comes-back', returning(2));
  expect((await cluster().call('comes-back')).json).toBe(2);
});

test('a lambda asked for before it exists works once it does', async () => {
  expect((await cluster().call('late')).status).toBe(404);
  cluster().install('late', returning(1));
  expect((await cluster().call('late')).json).toBe(1);
});

test('a call in flight ends on the code it began with', async () => {
  cluster().install('slow', waitingCode('old'));
  const inFlight = cluster().call('slow', {});
  const scratch = await callRuns(cluster(), 'slow');
  cluster().install('slow', 'def handler(event):\n    return "new"\n');
  expect((await cluster().call('slow')).json).toBe('new');
  letGo(scratch);
  expect((await inFlight).json).toBe('old');
});

test('an old instance never imports a new file', async () => {
  cluster().install('lazy', {
    'lambda_func.py': `${waitingCode('x')}\n_wait = handler\ndef handler(event):\n    _wait(event)\n    import late\n    return late.VALUE\n`,
    'late.py': 'VALUE = "old"\n',
  });
  const inFlight = cluster().call('lazy', {});
  const scratch = await callRuns(cluster(), 'lazy');
  writeFileSync(join(cluster().dir, 'registry/lazy/late.py'), 'VALUE = "new"\n');
  letGo(scratch);
  expect((await inFlight).json).toBe('old');
});

test('a link out of the registry shows no file of the host', async () => {
  const outside = join(cluster().dir, '..', 'outside');
  mkdirSync(outside);
  writeFileSync(join(outside, 'secret'), 'of the host');
  cluster().install('linked', 'def handler(event):\n    return open("/handler/way-out/secret").read()\n');
  symlinkSync(outside, join(cluster().dir, 'registry/linked/way-out'));
  const answer = await cluster().call('linked');
  expect(answer.status).toBeGreaterThanOrEqual(400);
  expect(answer.text).not.toContain('of the host');
});
