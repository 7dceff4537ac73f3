import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { holdPidFile, removeUnheld, runningPid, watchPidFile } from '../../../src/cluster/pid-file.ts';
import { Failure } from '../../../src/config/failure.ts';

let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'isla-unit-'));
  path = join(dir, 'worker-0.pid');
});
afterEach(() => rmSync(dir, { recursive: true }));

test('a held file names its process, holds just the number, and is gone afterwards', () => {
  expect(runningPid(path)).toBeUndefined();
  writeFileSync(path, '999999999 of an earlier, longer life');
  const held = holdPidFile(path);
  expect(readFileSync(path, 'utf8')).toBe(String(process.pid));
  expect(runningPid(path)).toBe(process.pid);
  held.release();
  held.release();
  expect(existsSync(path)).toBe(false);
  expect(runningPid(path)).toBeUndefined();
});

test('a second holder is refused by the name of the first', () => {
  const held = holdPidFile(path);
  expect(() => holdPidFile(path)).toThrow(new RegExp(`held by process ${process.pid}`));
  held.release();
  holdPidFile(path).release();
});

test('a living process whose number is in a file that nobody holds does not count', () => {
  writeFileSync(path, String(process.pid));
  expect(runningPid(path)).toBeUndefined();
});

test.each(['', 'garbage', '-1', '0', '1 2', '99999999999999'])(
  '%j in a file that nobody holds is nobody',
  (content) => {
    writeFileSync(path, content);
    expect(runningPid(path)).toBeUndefined();
  },
);

test('a held file without a number is an error, not nobody', () => {
  const held = holdPidFile(path);
  writeFileSync(path, '');
  expect(() => runningPid(path)).toThrow(Failure);
  held.release();
});

test('a child started meanwhile does not keep the lock alive', async () => {
  const code = `
    import { spawn } from 'node:child_process';
    const { pid } = spawn('sleep', ['100'], { stdio: 'ignore', detached: true });
    console.log(pid);
    process.kill(process.pid, 'SIGKILL');`;
  // What holdPidFile does, in a process that can be killed.
  const hold = `
    import { spawnSync } from 'node:child_process';
    import { openSync, writeSync } from 'node:fs';
    const fd = openSync(${JSON.stringify(path)}, 'w');
    spawnSync('flock', ['-x', '3'], { stdio: ['ignore', 'ignore', 'ignore', fd] });
    writeSync(fd, String(process.pid));`;
  const holder = spawn(process.execPath, ['--input-type=module', '-e', hold + code], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let said = '';
  holder.stdout.on('data', (piece) => {
    said += piece;
  });
  await new Promise((done) => holder.once('close', done));
  expect(runningPid(path)).toBeUndefined();
  const lock = watchPidFile(path);
  expect(await lock.free(0)).toBe(true);
  lock.close();
  process.kill(Number(said), 'SIGKILL');
});

test('the wait for a holder ends when the holder does, even if it removed the file before', async () => {
  const script = 'flock -x 3; echo held; read word; rm "$0"; echo removed; exec sleep 100';
  const holder = spawn('sh', ['-c', `exec 3>"$0"; ${script}`, path], { stdio: ['pipe', 'pipe', 'ignore'] });
  const said = () => new Promise((done) => holder.stdout.once('data', done));
  await said();
  const lock = watchPidFile(path);
  expect(await lock.free(0)).toBe(false);
  await removeUnheld(path);
  expect(existsSync(path)).toBe(true);
  const removed = said();
  holder.stdin.write('go\n');
  await removed;
  expect(existsSync(path)).toBe(false);
  expect(await lock.free(30)).toBe(false);
  const waiting = lock.free(5_000);
  holder.kill('SIGKILL');
  expect(await waiting).toBe(true);
  lock.close();
});

test('a file that nobody holds is removed, and one that is not there is no error', async () => {
  writeFileSync(path, '1');
  await removeUnheld(path);
  await removeUnheld(path);
  expect(existsSync(path)).toBe(false);
});
