/** `admin session` and `admin run`: the built program, a gateway, and real sandboxes. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { ADMIN, cleanEnvironment, type RunOptions, run, runAdmin, succeeded } from './admin.ts';
import { startGateway } from './gateway.ts';
import { useCluster } from './use-cluster.ts';

const cluster = useCluster();
let work: string;

beforeAll(async () => {
  await startGateway(cluster());
  work = join(cluster().dir, '..', 'work');
  mkdirSync(work);
});

/** As somebody who stands in a directory of their own. */
function admin(args: readonly string[], options: RunOptions = {}) {
  const env = cleanEnvironment({ ISLA_CLUSTER: cluster().dir, HOME: work });
  return runAdmin(args, { cwd: work, env, ...options });
}
const session = (...args: string[]) => admin(['session', ...args]);

describe('admin session', () => {
  test('keeps state from run to run, and tells what there is', async () => {
    expect(await session('start', 'kept')).toMatchObject({ status: 0, stdout: 'kept\n', stderr: '' });
    expect(await session('run', 'kept', 'x = 6 * 7')).toMatchObject({ status: 0, stdout: '', stderr: '' });
    expect(await session('run', 'kept', 'print("so"); x')).toMatchObject({ status: 0, stdout: 'so\n42\n' });
    const { stdout } = await session('ls');
    expect(stdout).toMatch(/^NAME +LANGUAGE +STATUS.*\nkept +python +running/);
    expect((await session('info', 'kept')).stdout).toMatch(/^runs +2$/m);
    expect((await session('logs', 'kept')).stdout).toBe('so\n42\n');
    const { sessions } = JSON.parse((await session('ls', '--json')).stdout);
    expect(sessions).toMatchObject([{ name: 'kept', language: 'python' }]);
    expect(await session('start', 'kept')).toMatchObject({
      status: 8,
      stderr: expect.stringMatching(/^admin: There is a session kept already\. \(request/),
    });
    expect(await session('rm', 'kept')).toMatchObject({ status: 0, stdout: 'kept is gone\n' });
    expect(await session('run', 'kept', 'x')).toMatchObject({
      status: 3,
      stdout: '',
      stderr: expect.stringContaining('kept'),
    });
  });

  test('passes on how code ends', async () => {
    await session('start', 'ends', '--env=NAME=Alice');
    const raised = await session('run', 'ends', 'print("a")\n1 / 0');
    expect(raised).toMatchObject({
      status: 1,
      stdout: 'a\n',
      stderr: expect.stringMatching(/ZeroDivisionError: division by zero\n$/),
    });
    const told = await session('run', 'ends', 'import os; os.environ["NAME"]', '--json');
    expect(JSON.parse(told.stdout)).toMatchObject({
      exitCode: 0,
      stdout: "'Alice'\n",
      displays: [{ execution: true }],
    });
    const piped = await admin(['session', 'run', 'ends'], { input: 'print("piped")\nprint("twice")\n' });
    expect(piped).toMatchObject({ status: 0, stdout: 'piped\ntwice\n' });
    const asks = await session('run', 'ends', 'input("Name: ")');
    expect(asks).toMatchObject({ status: 2, stderr: expect.stringContaining('waits for a line of input') });
    const back = await session('rewind', 'ends');
    expect(back).toMatchObject({ status: 8, stderr: expect.stringContaining('no session but a rewindable one') });
    const networks = await session('start', 'reaching', '--network=host');
    expect(networks).toMatchObject({ status: 2, stderr: expect.stringContaining('"network_allowed":["none","host"]') });
    expect((await session('start', '--help')).stdout).toMatch(
      /--network <network> .*choices: "none",\s+"outbound",\s+"host"/s,
    );
    await session('rm', 'ends');
  });

  test('says why a session has ended under a run', async () => {
    await session('start', 'doomed');
    const ended = await session('run', 'doomed', 'print("last words", flush=True); import os; os._exit(5)');
    expect(ended).toMatchObject({ status: 1, stdout: 'last words\n' });
    expect(ended.stderr).toMatch(/^admin: the session has ended: .*5/);
    await session('start', 'full');
    const full = await session('run', 'full', 'kept = bytearray(1 << 30)');
    expect(full.status).toBe(1);
    expect(full.stderr).toMatch(/^admin: the session has ended: .*memory|MemoryError/);
  });

  test('moves files and directories in and out', async () => {
    await session('start', 'files');
    mkdirSync(join(work, 'data/deep'), { recursive: true });
    writeFileSync(join(work, 'data/a.txt'), 'A');
    writeFileSync(join(work, 'data/deep/b.bin'), Buffer.from([0, 255, 13, 10]));
    const put = await session('upload', 'files', 'data', '--to=input');
    expect(put).toMatchObject({ status: 0, stdout: expect.stringContaining('input/data/deep/b.bin\n') });
    const code = 'b = open("input/data/deep/b.bin", "rb").read(); open("out.bin", "wb").write(b * 2); len(b)';
    expect((await session('run', 'files', code)).stdout).toBe('4\n');
    expect((await session('files', 'files')).stdout).toMatch(/^-rw\S+ +8 +\S+ +out\.bin$/m);
    expect(await session('download', 'files', 'out.bin', 'input', '--to=got')).toMatchObject({ status: 0 });
    expect(readFileSync(join(work, 'got/out.bin'))).toEqual(Buffer.from([0, 255, 13, 10, 0, 255, 13, 10]));
    expect(readFileSync(join(work, 'got/input/data/a.txt'), 'utf8')).toBe('A');
    expect(await session('download', 'files', '../../etc/passwd')).toMatchObject({ status: 2 });
    expect(await session('download', 'files', 'nothing')).toMatchObject({ status: 3 });
    await session('rm', 'files');
  });

  test('interrupts and restarts', async () => {
    await session('start', 'first');
    await session('run', 'first', 'x = 1');
    const running = admin(['session', 'run', 'first', 'print("on", flush=True)\nwhile True: pass']);
    const isRunning = expect.poll(async () => (await session('info', 'first')).stdout, { timeout: 20_000 });
    await isRunning.toMatch(/^running +[0-9a-f]+$/m);
    // It may be interrupted before it has begun, too.
    await expect.poll(async () => (await session('logs', 'first')).stdout).toBe('on\n');
    expect(await session('interrupt', 'first')).toMatchObject({ status: 0 });
    const interrupted = { status: 1, stdout: 'on\n', stderr: expect.stringContaining('KeyboardInterrupt') };
    expect(await running).toMatchObject(interrupted);
    expect(await session('restart', 'first')).toMatchObject({ status: 0 });
    expect(await session('run', 'first', 'x')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('NameError'),
    });
    expect(await session('rm', '--all')).toMatchObject({ status: 0, stdout: 'first is gone\n' });
    expect((await session('ls')).stdout).toBe('there are no sessions\n');
  });

  test('forks', async () => {
    await session('start', 'first');
    await session('run', 'first', 'x = 1');
    expect(await session('fork', 'first', 'second')).toMatchObject({ status: 0, stdout: 'second\n' });
    await session('run', 'second', 'x += 1');
    expect((await session('run', 'first', 'x')).stdout).toBe('1\n');
    expect((await session('run', 'second', 'x')).stdout).toBe('2\n');
    await session('rm', 'first', 'second');
  });

  test('goes back to before the last run', async () => {
    await session('start', 'back', '--rewindable');
    await session('run', 'back', 'x = 1');
    await session('run', 'back', 'x = 2');
    expect(await session('rewind', 'back')).toMatchObject({ status: 0 });
    expect((await session('run', 'back', 'x')).stdout).toBe('1\n');
    await session('rm', 'back');
  });

  test('says what is wrong', async () => {
    expect(await session('fly')).toMatchObject({ status: 2, stderr: expect.stringContaining('start, run, shell') });
    expect(await session('run')).toMatchObject({ status: 2, stderr: expect.stringContaining('name of a session') });
    expect(await session('start', 'x')).toMatchObject({ status: 2, stderr: expect.stringContaining('4 to 64') });
    expect(await session('start', '--language=cobol')).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('cobol'),
    });
    expect(await session('rm')).toMatchObject({ status: 2 });
    expect(await session('ls', '--endpoint=http://127.0.0.1:9')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('BACKEND_ACCESS_KEY'),
    });
    const keys = { BACKEND_ENDPOINT: 'http://127.0.0.1:9', BACKEND_ACCESS_KEY: 'a', BACKEND_SECRET_KEY: 'b' };
    const unreachable = await admin(['session', 'ls'], { env: cleanEnvironment(keys) });
    expect(unreachable).toMatchObject({
      status: 6,
      stderr: expect.stringContaining('http://127.0.0.1:9 does not answer'),
    });
  });
});

describe('a shell that nobody types into', () => {
  test('runs its input as one cell, in a session that goes with it', async () => {
    const input = 'def f(n):\n\n  return n * 2\nprint(f(21))\nraise SystemExit(3)\n';
    expect(await admin(['session', 'shell'], { input })).toMatchObject({ status: 3, stdout: '42\n' });
    expect((await session('ls')).stdout).toBe('there are no sessions\n');
  });
});

describe('a gateway', () => {
  test('gives what it takes to call it from elsewhere', async () => {
    const { stdout: token } = succeeded(await admin(['gateway', 'token', '--ttl=60']), 'gateway token');
    const { stdout: text } = succeeded(await admin(['gateway', 'env']), 'gateway env');
    const asShell = 'eval "$1"; curl -sS -H "Authorization: Bearer $2" "$BACKEND_ENDPOINT/kernel"';
    const called = succeeded(await run('/bin/sh', ['-c', asShell, 'sh', text, token.trim()], { cwd: work }), 'curl');
    expect(JSON.parse(called.stdout)).toEqual({ sessions: [] });
    const variables = JSON.parse((await admin(['gateway', 'env', '--json'])).stdout);
    // Elsewhere there is no cluster to look into.
    const { ISLA_CLUSTER: _, ...elsewhere } = cleanEnvironment({ HOME: work, ...variables });
    expect(await admin(['session', 'ls'], { env: elsewhere })).toMatchObject({
      status: 0,
      stdout: 'there are no sessions\n',
    });
    const wrong = { ...elsewhere, BACKEND_SECRET_KEY: 'x' };
    expect(await admin(['session', 'ls'], { env: wrong })).toMatchObject({
      status: 7,
      stderr: expect.stringContaining('does not take this key'),
    });
    expect(await admin(['gateway', 'sing'])).toMatchObject({ status: 2 });
  });
});

describe('admin run', () => {
  const run = (name: string, text: string, args: string[] = [], input?: string) => {
    writeFileSync(join(work, name), text);
    return admin(['run', name, ...args], input === undefined ? {} : { input });
  };

  const flagged = (flags: string[], name: string, text: string, args: string[]) => {
    writeFileSync(join(work, name), text);
    return admin(['run', ...flags, name, ...args]);
  };

  test('passes on arguments, input and the exit code', async () => {
    const text = 'import sys\nprint(sys.argv[1:], sys.stdin.read())\nprint("no", file=sys.stderr)\nsys.exit(7)\n';
    const ran = await run('args.py', text, ['a', 'b c', '--', '--flag', '--cluster=none', '-x'], 'in\nput');
    expect(ran).toEqual({
      status: 7,
      signal: null,
      stdout: "['a', 'b c', '--', '--flag', '--cluster=none', '-x'] in\nput\n",
      stderr: 'no\n',
    });
    expect((await session('ls')).stdout).toBe('there are no sessions\n');
  });

  test('runs what its name says', async () => {
    expect(await run('hello.js', 'console.log("js", 1 + 1)')).toMatchObject({ status: 0, stdout: 'js 2\n' });
    expect(await run('hello.sh', 'echo $1; exit 4', ['x'])).toMatchObject({ status: 4, stdout: 'x\n' });
    expect(await flagged(['--language=bash'], 'hello', 'echo named $1', ['--language=c'])).toMatchObject({
      status: 0,
      stdout: 'named --language=c\n',
    });
    const c = '#include <stdio.h>\nint main(int n, char **v) { puts(v[1]); return n; }\n';
    expect(await run('hello.c', c, ['built'])).toMatchObject({ status: 2, stdout: 'built\n' });
    const broken = await run('broken.c', 'int main(void) { return x; }\n');
    expect(broken).toMatchObject({ status: 127, stderr: expect.stringContaining('x') });
    expect(await run('Makefile', 'all:')).toMatchObject({ status: 2, stderr: expect.stringContaining('no language') });
  });

  test('shows output as it comes, and ends with ctrl-C', async () => {
    writeFileSync(
      join(work, 'slow.py'),
      'import sys\nprint("begun", flush=True)\nsys.stdin.read()\nwhile True: pass\n',
    );
    const { spawn } = await import('node:child_process');
    const { ADMIN } = await import('./admin.ts');
    const env = cleanEnvironment({ ISLA_CLUSTER: cluster().dir });
    const child = spawn(ADMIN, ['run', 'slow.py'], { cwd: work, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const ended = new Promise<number | null>((done) => child.once('close', done));
    let said = '';
    await new Promise<void>((begun) => {
      child.stdout.on('data', (piece: Buffer) => {
        said += piece;
        if (said === 'begun\n') begun();
      });
    });
    child.kill('SIGINT');
    expect(await ended).not.toBe(0);
    expect((await session('ls')).stdout).toBe('there are no sessions\n');
  });
});

test('`admin run` leaves no session behind when nobody reads what it prints', async () => {
  writeFileSync(join(work, 'endless.py'), 'while True:\n    print("x" * 1000)\n');
  const piped = `${JSON.stringify(ADMIN)} run endless.py | head -n 1`;
  const env = cleanEnvironment({ ISLA_CLUSTER: cluster().dir, HOME: work });
  const { stdout } = await run('/bin/sh', ['-c', piped], { cwd: work, env });
  expect(stdout).toBe(`${'x'.repeat(1000)}\n`);
  const { sessions } = JSON.parse((await session('ls', '--json')).stdout) as { sessions: { name: string }[] };
  expect(sessions.map(({ name }) => name)).not.toContainEqual(expect.stringMatching(/^run-|^s-/));
});

test('the gateway that is not there is named, with what starts it', async () => {
  succeeded(await cluster().admin('kill'), 'kill');
  const gone = await session('ls');
  expect(gone).toMatchObject({ status: 6, stderr: expect.stringContaining('admin gateway --cluster=') });
  await cluster().startWorkers();
});
