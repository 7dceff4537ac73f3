import {
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runProgram } from '../../../src/cli/program.ts';

let cwd: string;
beforeEach(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'isla-unit-'));
  await admin(['new', '--cluster=c']);
});
afterEach(() => rmSync(cwd, { recursive: true }));

async function admin(args: string[], input: string | Buffer[] = []) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const status = await runProgram(args, {
    stdin: Readable.from(typeof input === 'string' ? [Buffer.from(input)] : input),
    stdout,
    stderr,
    env: {},
    cwd,
    program: { node: process.execPath, main: join(cwd, 'dist/main.js') },
    onSignal: () => () => {},
  });
  return { status, stdout: `${stdout.read() ?? ''}`, stderr: `${stderr.read() ?? ''}` };
}

const secrets = (args: string[], input?: string | Buffer[]) => admin(['secrets', ...args, '--cluster=c'], input);
const kept = (name: string) => readFileSync(join(cwd, 'c/config/secrets/values', name), 'utf8');

test('a value comes from standard input or a file, byte for byte, and is never said', async () => {
  expect(await secrets(['set', 'key'], 'hunter2')).toEqual({
    status: 0,
    stdout: 'key is kept (7 bytes)\n',
    stderr: '',
  });
  expect(kept('key')).toBe('hunter2');
  writeFileSync(join(cwd, 'pem'), 'hunter3\n');
  const { stdout } = await secrets(['set', 'pem', '-file', 'pem']);
  expect(stdout).toMatch(/^pem is kept \(8 bytes\)\nits last byte is a newline/);
  expect(kept('pem')).toBe('hunter3\n');
  await secrets(['grant', 'pem', '--lambda', 'hello']);
  const listed = `${(await secrets(['list'])).stdout}${(await secrets(['list', '--json'])).stdout}`;
  expect(listed).toMatch(/^NAME +CHANGED +LAMBDAS\nkey +\S+Z +-\npem +\S+Z +hello\n/);
  expect(listed).not.toContain('hunter');
});

test('a value on the command line is refused without being said again', async () => {
  for (const args of [
    ['set', 'key', 'hunter2'],
    ['set', 'key', 'hunter2', 'more'],
  ]) {
    const { status, stdout, stderr } = await secrets(args, 'v');
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain('never from the command line');
    expect(stderr).not.toContain('hunter2');
  }
  expect(existsSync(join(cwd, 'c/config/secrets'))).toBe(false);
});

test('stops reading when a value is too large, and keeps what was', async () => {
  await secrets(['set', 'key'], 'old');
  const pieces = Array.from({ length: 3 }, () => Buffer.alloc(30_000));
  expect(await secrets(['set', 'key'], pieces)).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/65536 bytes/),
  });
  expect(await secrets(['set', 'key'], '')).toMatchObject({ status: 2, stderr: expect.stringMatching(/empty/) });
  expect(await secrets(['set', 'key', '--file=none'])).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/can not read .*none/),
  });
  expect(kept('key')).toBe('old');
  expect(readdirSync(join(cwd, 'c/config/secrets/values'))).toEqual(['key']);
});

test('granting, revoking and removing say what they did, and again that there is nothing to do', async () => {
  await secrets(['set', 'key'], 'v');
  const said: string[] = [];
  for (const action of ['grant', 'grant', 'revoke', 'revoke', 'grant']) {
    said.push((await secrets([action, 'key', '--lambda=hello'])).stdout);
  }
  said.push((await secrets(['rm', 'key', '--json'])).stdout);
  expect(said).toEqual([
    'hello finds key at /run/secrets/key\n',
    'hello could read key already\n',
    'hello can read key no longer\n',
    'hello could not read key\n',
    'hello finds key at /run/secrets/key\n',
    '{"name":"key","revoked":["hello"]}\n',
  ]);
  expect((await secrets(['list'])).stdout).toBe('there are no secrets\n');
});

test.each<[args: string[], status: number, said: RegExp]>([
  [['put', 'key'], 2, /has the actions set, list, rm, grant, revoke/],
  [['set'], 2, /needs the name/],
  [['set', '../key'], 2, /not the name of a secret/],
  [['list', 'key'], 2, /takes no name/],
  [['rm', 'key', 'other'], 2, /takes one name/],
  [['rm', 'none'], 3, /there is no secret none/],
  [['grant', 'none', '--lambda=hello'], 3, /there is no secret none/],
  [['grant', 'key'], 2, /needs --lambda/],
  [['rm', 'key', '--lambda=hello'], 2, /takes no --lambda/],
  [['rm', 'key', '--file=x'], 2, /takes no --file/],
])('secrets %j is refused with its reason', async (args, status, said) => {
  const answer = await secrets(args, 'v');
  expect(answer).toMatchObject({ status, stdout: '' });
  expect(answer.stderr).toMatch(said);
});

test('a grant to a lambda that is not there is kept, and that is said', async () => {
  await secrets(['set', 'key'], 'v');
  const grant = () => secrets(['grant', 'key', '--lambda=hello']);
  expect(await grant()).toEqual({
    status: 0,
    stdout: 'hello finds key at /run/secrets/key\n',
    stderr: 'there is no lambda hello yet\n',
  });
  mkdirSync(join(cwd, 'c/registry/hello'));
  writeFileSync(join(cwd, 'c/registry/hello/lambda_func.py'), '');
  expect(await grant()).toMatchObject({ status: 0, stderr: '' });
});

test.skipIf(process.getuid?.() !== 0)('what root writes into the cluster of another user is theirs', async () => {
  const owner = { uid: 54_321, gid: 54_322 };
  const config = join(cwd, 'c/config');
  for (const path of [join(cwd, 'c'), config, join(config, 'template.json')]) chownSync(path, owner.uid, owner.gid);
  const target = join(cwd, 'of-root');
  writeFileSync(target, 'untouched');
  symlinkSync(target, join(config, `template.json~${process.pid}`));
  expect(await secrets(['set', 'key'], 'v')).toMatchObject({ status: 0 });
  await secrets(['grant', 'key', '--lambda=hello']);
  expect(await admin(['setconf', '--cluster=c', '{"pool_size": 7}'])).toMatchObject({ status: 0, stderr: '' });
  const written = readdirSync(config, { recursive: true, encoding: 'utf8' });
  expect(written).toEqual(expect.arrayContaining(['template.json', 'secrets/values/key', 'secrets/grants/hello:key']));
  for (const path of written) expect(lstatSync(join(config, path)), path).toMatchObject(owner);
  expect(readFileSync(target, 'utf8')).toBe('untouched');
  expect(lstatSync(target).uid).toBe(0);
});
