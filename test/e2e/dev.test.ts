/** `admin dev` as somebody uses it who writes a lambda: save, look, call, look, ctrl-C. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ADMIN, cleanEnvironment, runAdmin } from './admin.ts';
import { type Answer, request } from './cluster.ts';
import { eventually } from './eventually.ts';
import { Footprint } from './footprint.ts';
import { freePorts } from './free-ports.ts';

let home: string;
let temporary: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'isla-e2e-'));
  temporary = join(home, 'tmp');
  mkdirSync(temporary);
});
afterEach(async () => {
  await Dev.endAll();
  rmSync(home, { recursive: true });
});

function write(path: string, text: string): void {
  mkdirSync(join(home, path, '..'), { recursive: true });
  writeFileSync(join(home, path), text);
}

class Dev {
  static readonly #started = new Set<Dev>();
  readonly child: ChildProcess;
  readonly url: string;
  readonly exited: Promise<number | NodeJS.Signals>;
  text = '';
  footprint: Footprint | undefined;

  private constructor(args: readonly string[], port: number) {
    this.url = `http://localhost:${port}`;
    // A process group of its own, as a terminal makes it.
    this.child = spawn(ADMIN, ['dev', ...args, `--port=${port}`], {
      cwd: home,
      env: cleanEnvironment({ TMPDIR: temporary }),
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.setEncoding('utf8').on('data', (piece: string) => {
        this.text += piece;
      });
    }
    this.exited = new Promise((done) => this.child.once('exit', (status, signal) => done(status ?? signal!)));
    Dev.#started.add(this);
  }

  /** Those that a failed test has left running end, too, as if the terminal went away with everything in it. */
  static async endAll(): Promise<void> {
    for (const dev of Dev.#started) {
      Dev.#started.delete(dev);
      if (dev.child.exitCode !== null || dev.child.signalCode !== null) continue;
      process.kill(-dev.child.pid!, 'SIGKILL');
      await dev.exited;
      await eventually(() => expect(dev.footprint?.left() ?? []).toEqual([]));
    }
  }

  static async start(...args: string[]): Promise<Dev> {
    const [port] = (await freePorts(1)) as [number];
    const dev = new Dev(args, port);
    await dev.shows(/^Serving |^\{.*"type":"serving"/m);
    dev.footprint = new Footprint(dev.cluster).look();
    return dev;
  }

  get cluster(): string {
    return /(?:--cluster=|"cluster":")([^\s"]+)/.exec(this.text)![1]!;
  }

  /** Waits for words that have not been waited for yet. */
  async shows(words: RegExp): Promise<void> {
    await eventually(() => expect(this.text).toMatch(words), 30_000);
    this.text = this.text.replace(words, '');
  }

  call(lambda: string, event: unknown = {}): Promise<Answer> {
    this.footprint?.look();
    return request(`${this.url}/runLambda/${lambda}`, { method: 'POST', body: JSON.stringify(event) });
  }

  /** As ctrl-C does it. */
  interrupt(): void {
    this.footprint?.look();
    process.kill(-this.child.pid!, 'SIGINT');
  }

  /** Ends it, and nothing of it is left. */
  async end(exitCode: number): Promise<void> {
    expect(await this.exited, this.text).toBe(exitCode);
    expect(readdirSync(temporary)).toEqual([]);
    await eventually(() => expect(this.footprint?.left() ?? []).toEqual([]));
  }
}

const HELLO = 'def handler(event):\n    print("called with", event)\n    return "hello"\n';

describe('a directory of lambdas', () => {
  test('is served where it is edited: saves, calls and what they print are shown as they come', async () => {
    write('code/hello/lambda_func.py', HELLO);
    write('code/notes/README.md', 'no lambda');
    const dev = await Dev.start('code');
    await dev.shows(/hello it loads$/m);
    expect((await dev.call('hello', 1)).json).toBe('hello');
    await dev.shows(/hello \| called with 1\n.*hello result in \d+\.\d ms$/m);
    write('code/hello/lambda_func.py', HELLO.replace('"hello"', '1 / 0'));
    await dev.shows(/hello saved: it loads$/m);
    expect((await dev.call('hello', 2)).status).toBe(500);
    await dev.shows(/line 3, in handler\n[\s\S]*ZeroDivisionError in \d+\.\d ms$/m);
    write('code/new/lambda_func.py', 'def handler(event):\n    return "new"\n');
    await dev.shows(/new saved: it loads$/m);
    expect((await dev.call('new')).json).toBe('new');
    expect(dev.text).not.toContain('notes');
    expect(readdirSync(join(home, 'code')).sort()).toEqual(['hello', 'new', 'notes']);
    dev.interrupt();
    await dev.end(0);
  });

  test('is told as JSON to programs that watch: a line for each thing that happens', async () => {
    write('code/hello/lambda_func.py', HELLO);
    const dev = await Dev.start('code', '--json');
    await dev.shows(/"type":"load","lambda":"hello"\}$/m);
    expect((await dev.call('hello', 1)).json).toBe('hello');
    await dev.shows(/"type":"start","lambda":"hello","requestId":"[^"]+","version":"[0-9a-f]+","instance":\d+\}$/m);
    await dev.shows(/"type":"output".*"stream":"stdout","text":"called with 1\\n"\}$/m);
    await dev.shows(/"type":"call","lambda":"hello".*"outcome":"result".*"runMs":[\d.]+/m);
    write('code/hello/lambda_func.py', 'import nothing_of_this_name\n');
    await dev.shows(/"type":"load","lambda":"hello","errorType":"Runtime\.ImportModuleError"\}$/m);
    dev.interrupt();
    await dev.end(0);
  });

  test('shows what a call prints while it runs', async () => {
    // On the host /host may belong to an id that is not the user's.
    const waiting =
      'import os, time\ndef handler(event):\n    os.chmod("/host", 0o777)\n    print("at it")\n' +
      '    while not os.path.exists("/host/go"):\n        time.sleep(0.01)\n';
    write('code/slow/lambda_func.py', waiting);
    const dev = await Dev.start('code');
    await dev.shows(/slow it loads$/m);
    const reply = dev.call('slow');
    await dev.shows(/slow called\n.*slow \| at it$/m);
    expect(dev.text).not.toContain('slow result');
    const [instance] = readdirSync(join(dev.cluster, 'workers/worker-0/handlers/slow'));
    writeFileSync(join(dev.cluster, `workers/worker-0/handlers/slow/${instance}/go`), '');
    expect((await reply).status).toBe(200);
    await dev.shows(/slow result in /);
    dev.interrupt();
    await dev.end(0);
  });

  test('that has errors shows them when it is saved, with the traceback, and when they are gone', async () => {
    write('code/hello/lambda_func.py', 'import nothing_of_this_name\n');
    const dev = await Dev.start('code');
    await dev.shows(
      /line 1, in <module>\n.*import nothing_of_this_name\n[\s\S]*it does not load: Runtime\.ImportModuleError/,
    );
    write('code/hello/lambda_func.py', 'def handler(event)\n');
    await dev.shows(/hello saved: it does not load: Runtime\.UserCodeSyntaxError/);
    write('code/hello/lambda.json', '{"memory": 1}');
    await dev.shows(/hello saved: it does not load: Lambda\.Invalid: .*memory/);
    rmSync(join(home, 'code/hello/lambda.json'));
    write('code/hello/lambda_func.py', 'import os\nos._exit(3)\n');
    await dev.shows(/hello saved: it does not load: Runtime\.ExitError: .*exit status 3/);
    write('code/hello/lambda_func.py', HELLO);
    await dev.shows(/hello saved: it loads$/m);
    expect((await dev.call('hello')).json).toBe('hello');
    dev.interrupt();
    await dev.end(0);
  });

  test('that becomes again what it was is said to load, and one that is deleted is said to be', async () => {
    write('code/hello/lambda_func.py', HELLO);
    const dev = await Dev.start('code');
    await dev.shows(/hello it loads$/m);
    write('code/hello/lambda.json', '{"concurrency": 0}');
    await dev.shows(/hello saved: it does not load: Lambda\.Invalid: .*concurrency/);
    rmSync(join(home, 'code/hello/lambda.json'));
    await dev.shows(/hello saved: it loads$/m);
    const logs = await runAdmin(['logs', 'hello', `--cluster=${dev.cluster}`], { cwd: home });
    expect(logs).toMatchObject({ status: 0, stderr: 'there are no entries\n' });
    rmSync(join(home, 'code/hello'), { recursive: true });
    await dev.shows(/hello deleted$/m);
    dev.interrupt();
    await dev.end(0);
  });

  test('may be empty at first', async () => {
    mkdirSync(join(home, 'code'));
    const dev = await Dev.start('code');
    await dev.shows(/no lambda yet; write \S+code\/NAME\/lambda_func\.py/);
    write('code/first/lambda_func.py', HELLO);
    await dev.shows(/first saved: it loads$/m);
    dev.interrupt();
    await dev.end(0);
  });
});

test('the directory of one lambda is served by its name, which URLs can have', async () => {
  write('my lambda/lambda_func.py', HELLO);
  const dev = await Dev.start('my lambda');
  expect(dev.text).toContain(`${join(home, 'my lambda')} until ctrl-C:`);
  await dev.shows(/curl -X POST http:\/\/localhost:\d+\/runLambda\/my-lambda -d '\{\}'$/m);
  await dev.shows(/my-lambda it loads$/m);
  expect((await dev.call('my-lambda')).json).toBe('hello');
  write('my lambda/lambda_func.py', HELLO.replace('"hello"', '"changed"'));
  await dev.shows(/my-lambda saved: it loads$/m);
  expect((await dev.call('my-lambda')).json).toBe('changed');
  dev.interrupt();
  await dev.end(0);
  expect(readdirSync(join(home, 'my lambda'))).toEqual(['lambda_func.py']);
});

test('a cluster that is named is made, known to the other commands, and stays', async () => {
  const dev = await Dev.start('--cluster=kept');
  expect(dev.cluster).toBe(join(home, 'kept'));
  write('kept/registry/hello/lambda_func.py', HELLO);
  await dev.shows(/hello saved: it loads$/m);
  expect(await runAdmin(['invoke', 'hello', '--cluster=kept'], { cwd: home })).toMatchObject({ stdout: '"hello"\n' });
  const [other] = (await freePorts(1)) as [number];
  const second = await runAdmin(['dev', '--cluster=kept', `--port=${other}`], { cwd: home });
  expect(second).toMatchObject({ status: 8, stderr: expect.stringContaining('runs already') });
  expect((await dev.call('hello')).json).toBe('hello');
  dev.interrupt();
  await dev.end(0);
  expect(existsSync(join(home, 'kept/config/template.json'))).toBe(true);
  expect(existsSync(join(home, 'kept/logs/worker-0.pid'))).toBe(false);
});

describe('it ends', () => {
  const ENDLESS = 'import time\ndef handler(event):\n    time.sleep(600)\n';

  test('at once with a second ctrl-C, whatever is in flight, and leaves nothing', async () => {
    write('code/endless/lambda_func.py', ENDLESS);
    const dev = await Dev.start('code');
    await dev.shows(/endless it loads$/m);
    const inFlight = dev.call('endless').catch((error: Error) => error);
    await eventually(async () => {
      const { json } = await request(`${dev.url}/status`, { headers: { accept: 'application/json' } });
      expect(json.sandboxes).toContainEqual(expect.objectContaining({ lambda: 'endless', state: 'busy' }));
    });
    dev.interrupt();
    await dev.shows(/^Ending; /m);
    dev.interrupt();
    await dev.end(130);
    expect(await inFlight).toBeInstanceOf(Error);
  });

  test.each([
    ['no such directory', ['nowhere'], 2, 'nowhere does not exist'],
    ['a file', ['file'], 2, 'file is no directory'],
  ])('before it begins, for %s, and leaves nothing', async (_what, args, status, words) => {
    write('file', '');
    const failed = await runAdmin(['dev', ...args], { cwd: home, env: cleanEnvironment({ TMPDIR: temporary }) });
    expect(failed).toMatchObject({ status, stdout: '', stderr: expect.stringContaining(words) });
    expect(readdirSync(temporary)).toEqual([]);
  });

  test('before it serves, if its port is taken, and leaves nothing', async () => {
    const holder = createServer().listen(0, '127.0.0.1');
    await new Promise((done) => holder.once('listening', done));
    const { port } = holder.address() as { port: number };
    try {
      mkdirSync(join(home, 'code'));
      const env = cleanEnvironment({ TMPDIR: temporary });
      const failed = await runAdmin(['dev', 'code', `--port=${port}`], { cwd: home, env });
      expect(failed).toMatchObject({ status: 8, stdout: '', stderr: expect.stringContaining(String(port)) });
      expect(readdirSync(temporary)).toEqual([]);
    } finally {
      await new Promise((done) => holder.close(done));
    }
  });
});
