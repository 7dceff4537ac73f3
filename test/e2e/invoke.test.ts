/** `admin invoke` as people and scripts use it: results on stdout, tracebacks on stderr, exit codes. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cleanEnvironment, ROOT, run, runAdmin } from './admin.ts';
import { useCluster, withCluster } from './use-cluster.ts';
import { callRuns, letGo, waitingCode } from './waiting-lambda.ts';

const cluster = useCluster({ workers: 2, settings: { event_kb: 256, limits: { timeout_ms: 20_000 } } });
const invoke = (...args: string[]) => cluster().admin('invoke', ...args);

describe('the event', () => {
  const echoed = (text: string) => ({ status: 0, stdout: `${text}\n`, stderr: '' });

  test('is the argument, a file or standard input, and the result comes out as it was made', async () => {
    cluster().installExample('echo');
    const event = '{"big": 12345678901234567890, "ü": "\\u00e9"}';
    const echo = '{"big": 12345678901234567890, "\\u00fc": "\\u00e9"}';
    expect(await invoke('echo', event)).toMatchObject(echoed(echo));
    const path = join(cluster().dir, 'event.json');
    writeFileSync(path, event);
    expect(await invoke('echo', `--file=${path}`)).toMatchObject(echoed(echo));
    expect(await runAdmin(['invoke', '-cluster', cluster().dir, 'echo'], { input: event })).toMatchObject(echoed(echo));
    expect(await runAdmin(['invoke', '-cluster', cluster().dir, 'echo', '-file', '-'], { input: event })).toMatchObject(
      echoed(echo),
    );
    expect(await invoke('echo', '-5')).toMatchObject(echoed('-5'));
  });

  test('is {} where there is none', async () => {
    cluster().installExample('echo');
    expect(await invoke('echo')).toMatchObject(echoed('{}'));
    expect(await onTerminal(`invoke echo --cluster='${cluster().dir}'`)).toMatchObject({ stdout: '{}\r\n', status: 0 });
  });

  test('may be as large as the worker takes, and not larger', async () => {
    cluster().installExample('echo');
    const fits = JSON.stringify('x'.repeat(256 * 1024 - 2));
    const command = ['invoke', `--cluster=${cluster().dir}`, 'echo'];
    expect((await runAdmin(command, { input: fits })).stdout === `${fits}\n`).toBe(true);
    expect(await runAdmin(command, { input: `${fits} ` })).toMatchObject({
      status: 2,
      stdout: '',
      stderr: expect.stringMatching(
        /^admin: An event may have 262144 bytes at most; `admin setconf` changes that \(event_kb\)\. \(Request\.EventTooLarge\)\n/,
      ),
    });
  });

  test('is refused with exit code 2 if it is not JSON, given twice or can not be read', async () => {
    cluster().installExample('echo');
    for (const args of [['{"a": '], ['{}', '--file=x'], ['--file=/nowhere'], [`--file=${ROOT}`]]) {
      expect(await invoke('echo', ...args), args.join(' ')).toMatchObject({ status: 2, stdout: '' });
    }
    expect((await invoke('echo', '{"a": ')).stderr).toMatch(
      /^admin: .*line 1 column 7.*\(.*\)\nadmin: request \S+ on worker-0\n$/,
    );
  });
});

describe('each kind of failure has an exit code of its own:', () => {
  test('4 with the traceback on stderr, if the handler raised', async () => {
    cluster().install('raises', 'def handler(event):\n    raise ValueError("no\\nway")\n');
    const { status, stdout, stderr } = await invoke('raises');
    expect({ status, stdout }).toEqual({ status: 4, stdout: '' });
    expect(stderr).toMatch(
      /^Traceback \(most recent call last\):\n {2}File ".*lambda_func\.py", line 2, in handler\n {4}raise ValueError.*\nValueError: no\nway\nadmin: request \S+ on worker-0\n$/,
    );
  });

  test.each([
    ['has a syntax error', 'def handler(event)\n    pass\n', /SyntaxError/],
    ['can not be imported', 'import nothing_of_this_name\n', /lambda_func\.py", line 1[\s\S]*nothing_of_this_name/],
    ['exits', 'import os\ndef handler(event):\n    os._exit(3)\n', /^Runtime\.ExitError: .*exit status 3/],
    ['needs too much memory', 'def handler(event):\n    return len(b"x" * 10**9)\n', /MemoryError|OutOfMemory/],
    ['returns what is not JSON', 'def handler(event):\n    return {1}\n', /MarshalError/],
  ])('4, if the lambda %s', async (what, code, said) => {
    const name = what.replaceAll(' ', '-');
    cluster().install(name, code);
    expect(await invoke(name)).toMatchObject({ status: 4, stdout: '', stderr: expect.stringMatching(said) });
  });

  test('3, if there is no such lambda or cluster; 2, if that is no name', async () => {
    expect(await invoke('nobody')).toMatchObject({ status: 3, stdout: '', stderr: expect.stringContaining('nobody') });
    cluster().install('greetings', 'def handler(event):\n    return 1\n');
    expect((await invoke('greeting')).stderr).toBe('admin: there is no lambda "greeting"; did you mean greetings?\n');
    expect(await runAdmin(['invoke', 'echo', '{}', '--cluster=/nowhere'])).toMatchObject({ status: 3 });
    expect(await invoke('..')).toMatchObject({ status: 2, stderr: expect.stringContaining('Request.NameInvalid') });
    expect(await invoke('a/b')).toMatchObject({ status: 2, stderr: expect.stringContaining('Request.NameInvalid') });
  });

  test('5, if the lambda takes longer than it may, or than one waits', async () => {
    cluster().install('slow', {
      'lambda_func.py': 'import time\ndef handler(event):\n    time.sleep(60)\n',
      'lambda.json': '{"timeout_ms": 200}',
    });
    expect(await invoke('slow')).toMatchObject({ status: 5, stderr: expect.stringContaining('Sandbox.Timedout') });
    const code = `${waitingCode('late')}wait = handler\ndef handler(event):\n    return wait(event) if event else None\n`;
    cluster().install('waits', code);
    // An instance that is there is given the event at once; where one has to be made, it goes when the caller does.
    expect(await invoke('waits', 'null')).toMatchObject({ status: 0 });
    const impatient = await invoke('waits', '1', '--timeout=1');
    expect(impatient).toMatchObject({ status: 5, stdout: '', stderr: expect.stringContaining('no answer within 1 s') });
    letGo(await callRuns(cluster(), 'waits'));
  });

  test('6, if no worker runs, the one that is wanted does not, or it does not listen', async () => {
    expect(await invoke('echo', '--worker=7')).toMatchObject({
      status: 6,
      stderr: expect.stringContaining('worker-7 does not run; worker-0, worker-1'),
    });
    await withCluster({}, async (other) => {
      await other.admin('kill');
      const { status, stderr } = await other.admin('invoke', 'echo', '{}');
      expect({ status, stderr }).toEqual({ status: 6, stderr: expect.stringContaining('`admin workers --cluster=') });
    });
  });
});

describe('which worker', () => {
  test('it is the one of --worker, else the first that listens', async () => {
    cluster().install('where', 'import os\ndef handler(event):\n    open("/host/here", "w")\n');
    const served = (worker: number) => cluster().instanceDirs('where', worker).length;
    await invoke('where');
    expect([served(0), served(1)]).toEqual([1, 0]);
    await invoke('where', '--worker', '1');
    expect([served(0), served(1)]).toEqual([1, 1]);
  });

  test('one that runs but does not listen is passed over, for the event has gone nowhere', async () => {
    await withCluster({ workers: 2 }, async (two) => {
      two.installExample('echo');
      const config = join(two.dir, 'config/worker-0.json');
      const settings = JSON.parse(readFileSync(config, 'utf8'));
      const dead = await closedPort();
      writeFileSync(config, JSON.stringify({ ...settings, worker_port: String(dead) }));
      expect(await two.admin('invoke', 'echo', '1')).toMatchObject({ status: 0, stdout: '1\n', stderr: '' });
      expect(await two.admin('invoke', 'echo', '1', '--worker=0')).toMatchObject({
        status: 6,
        stderr: expect.stringContaining('worker-0: nobody listens there'),
      });
      writeFileSync(config, JSON.stringify(settings));
    });
  });

  test('one that hangs up is not followed by another: the event may have run', async () => {
    let asked = 0;
    const rude = createServer((request) => {
      asked += 1;
      request.socket.destroy();
    }).listen(0, '127.0.0.1');
    await new Promise((done) => rude.once('listening', done));
    try {
      await withCluster({ workers: 2 }, async (two) => {
        two.installExample('echo');
        const config = join(two.dir, 'config/worker-0.json');
        const settings = JSON.parse(readFileSync(config, 'utf8'));
        const { port } = rude.address() as AddressInfo;
        writeFileSync(config, JSON.stringify({ ...settings, worker_port: port }));
        const { status, stdout, stderr } = await two.admin('invoke', 'echo', '1');
        expect({ status, stdout }).toEqual({ status: 6, stdout: '' });
        expect(stderr).toContain('worker-0 broke off before its answer');
        expect(asked).toBe(1);
        expect(two.instanceDirs('echo', 1)).toEqual([]);
        writeFileSync(config, JSON.stringify(settings));
      });
    } finally {
      await new Promise((done) => rude.close(done));
    }
  });
});

describe('--json', () => {
  test('says the result and facts of the call in one line', async () => {
    cluster().install('number', 'def handler(event):\n    return {"n": 12345678901234567890}\n');
    const { status, stdout, stderr } = await invoke('number', '--json');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('"result":{"n": 12345678901234567890}}\n');
    expect(JSON.parse(stdout)).toEqual({
      lambda: 'number',
      worker: 'worker-0',
      request_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      http_status: 200,
      timings_ms: { queue: expect.any(Number), init: expect.any(Number), run: expect.any(Number) },
      result: expect.any(Object),
    });
  });

  test('says the error there, too, with the same exit code', async () => {
    cluster().install('breaks', 'def handler(event):\n    return 1 / 0\n');
    const { status, stdout, stderr } = await invoke('breaks', '-json');
    expect({ status, stderr }).toEqual({ status: 4, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({
      http_status: 500,
      error: { errorType: 'ZeroDivisionError', errorMessage: 'division by zero', stackTrace: [expect.any(String)] },
    });
    expect(await invoke('nobody', '--json')).toMatchObject({ status: 3, stderr: '' });
  });
});

/** Through util-linux's `script`, which gives the command a terminal. */
describe('an answer that a sandbox wrote itself, past all encoding,', () => {
  const FORGES = `
import os, struct
def handler(event):
    kind, body = event
    meta = b'{"init_us":0,"run_us":1}'
    frame = struct.pack(">H", len(meta)) + meta + body.encode("latin-1")
    os.write(3, struct.pack(">IB", len(frame), kind) + frame)
    os._exit(0)
`;
  const RESULT = 0x11;
  const RAISED = 0x12;

  test('comes out as it is, but a terminal obeys nothing of it', async () => {
    cluster().install('forges', FORGES);
    const event = JSON.stringify([RESULT, '"\x1b]0;title\x07\x1b[2J"']);
    expect((await invoke('forges', event)).stdout).toBe('"\x1b]0;title\x07\x1b[2J"\n');
    for (const flag of ['', '--json']) {
      const { stdout } = await onTerminal(`invoke forges '${event}' ${flag} --cluster='${cluster().dir}'`);
      expect(stdout).toContain('"\\x1b]0;title\\x07\\x1b[2J"');
      // biome-ignore lint/suspicious/noControlCharactersInRegex: what must not be there
      expect(stdout).not.toMatch(/[\x1b\x07]/);
    }
  });

  test.each([
    ['no trace', { errorType: 'E', errorMessage: 'm', stackTrace: 'x' }, 'E: m'],
    ['a trace of numbers', { errorType: 'E', errorMessage: 'm', stackTrace: [1] }, 'E: m'],
    ['no words', { errorType: 1, errorMessage: ['m'], stackTrace: null }, ''],
    ['no error', 5, ''],
    ['words for a terminal', { errorType: '\x1b[2J', errorMessage: '\x1b[2J' }, '\\x1b[2J: \\x1b[2J'],
  ])('is told as far as it is an error: %s', async (_what, error, said) => {
    cluster().install('forges', FORGES);
    const { status, stdout, stderr } = await invoke('forges', JSON.stringify([RAISED, JSON.stringify(error)]));
    expect({ status, stdout }).toEqual({ status: 4, stdout: '' });
    expect(stderr).toContain(said);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what must not be there
    expect(stderr).not.toMatch(/\x1b|TypeError/);
  });
});

function onTerminal(commandLine: string) {
  expect(existsSync('/usr/bin/script')).toBe(true);
  return run('script', ['-qec', `bin/admin ${commandLine}`, '/dev/null'], { cwd: ROOT, env: cleanEnvironment() });
}

/** A port at which nobody listens: one that was given out by the kernel just now. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}
