/** What handlers print and what became of calls, through `admin logs`. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ADMIN, cleanEnvironment, type Finished, succeeded } from './admin.ts';
import type { TestCluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { useCluster, withCluster } from './use-cluster.ts';
import { letGo } from './waiting-lambda.ts';

/** Of a handler: on the host /host may belong to an id that is not the user's. */
const OPENS = 'os.chmod("/host", 0o777)';
/** Of a handler: until the test lets it go. */
const WAITS = '*(time.sleep(0.01) for _ in iter(lambda: os.path.exists("/host/go"), True))';

/** Runs what the event says, and prints its marks before. */
const TALK = `
import ctypes, os, subprocess, sys, threading, time
def handler(event):
    for mark in event.get("say", []):
        print(mark)
    return eval(event.get("run", "None"))
`;

interface Entry {
  type: 'start' | 'call' | 'output';
  worker: string;
  time: string;
  lambda: string;
  requestId?: string;
  instance?: number;
  stream?: string;
  text?: string;
  cut?: true;
  outcome?: string;
  errorType?: string;
  cold?: boolean;
  initMs?: number;
  memoryBytes?: number;
}

async function entries(cluster: TestCluster, ...args: string[]): Promise<Entry[]> {
  return entriesIn(succeeded(await cluster.admin('logs', '--json', ...args), 'admin logs'));
}

function entriesIn({ stdout }: Pick<Finished, 'stdout'>): Entry[] {
  return stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Entry);
}

/** Entries of a lambda, once the calls named have ended in them. */
function ended(cluster: TestCluster, lambda: string, ids: readonly string[]): Promise<Entry[]> {
  return eventually(async () => {
    const found = await entries(cluster, lambda, '-n', '100000');
    const missing = ids.filter((id) => !found.some((one) => one.type === 'call' && one.requestId === id));
    if (missing.length > 0) throw new Error(`no end of ${missing.join(', ')}`);
    return found;
  }, 30_000);
}

const call = (cluster: TestCluster, lambda: string, id: string, event: unknown = {}) =>
  cluster.post(`/runLambda/${lambda}`, JSON.stringify(event), { headers: { 'X-Request-Id': id } });

const textOf = (found: readonly Entry[], id: string | undefined, stream = 'stdout') =>
  found
    .filter((one) => one.type === 'output' && one.requestId === id && one.stream === stream)
    .map((one) => one.text)
    .join('');

describe('a handler’s output', () => {
  const cluster = useCluster({
    // A thread of a paused instance prints nothing.
    settings: { pause_after_ms: 60_000, limits: { timeout_ms: 3000, memory_mb: 64, output_kb: 64, concurrency: 4 } },
  });

  test('is its call’s, however many run at the same time', async () => {
    cluster().install('many', TALK);
    const ids = Array.from({ length: 60 }, (_, n) => `many-${n}`);
    const run = 'time.sleep(0.01), subprocess.run(["echo", "child of", event["say"][0]]).returncode';
    const answers = await Promise.all(ids.map((id) => call(cluster(), 'many', id, { say: [id, 'again'], run })));
    expect(answers.map(({ status }) => status)).toEqual(ids.map(() => 200));
    const found = await ended(cluster(), 'many', ids);
    for (const id of ids) expect(textOf(found, id)).toBe(`${id}\nagain\nchild of ${id}\n`);
    expect(new Set(found.map(({ instance }) => instance)).size).toBeGreaterThan(1);
    expect(textOf(found, undefined)).toBe('');
  });

  test.each([
    [
      'an exception',
      '1 / 0',
      'raised',
      /^ZeroDivisionError$/,
      /^\[ERROR\] ZeroDivisionError: division by zero\nTraceback/,
    ],
    ['os._exit', 'os._exit(3)', 'ended', /^Runtime.ExitError$/, /^$/],
    ['a segmentation fault', 'ctypes.string_at(0)', 'ended', /^Runtime.ExitError$/, /^$/],
    // Without a cgroup to use, a process is refused more memory instead of being killed.
    [
      'too much memory',
      'len(bytearray(200 << 20))',
      undefined,
      /^Runtime.OutOfMemory$|^MemoryError$/,
      /^(\[ERROR\] MemoryError|$)/,
    ],
    ['too much time', 'time.sleep(60)', 'timeout', /^Sandbox.Timedout$/, /^$/],
    ['a result that is no JSON', '{1}', 'raised', /^Runtime.MarshalError$/, /^\[ERROR\] Runtime.MarshalError/],
  ])('is there though its call ended in %s', async (what, run, outcome, errorType, stderr) => {
    const id = what.replaceAll(' ', '-');
    cluster().install('failing', TALK);
    const { json } = await call(cluster(), 'failing', id, { say: ['last words'], run });
    const found = await ended(cluster(), 'failing', [id]);
    expect(textOf(found, id)).toBe('last words\n');
    expect(textOf(found, id, 'stderr')).toMatch(stderr);
    const end = found.find((one) => one.type === 'call' && one.requestId === id);
    expect(end).toMatchObject({ errorType: json.errorType, instance: expect.any(Number), cold: expect.any(Boolean) });
    expect(end?.errorType).toMatch(errorType);
    if (outcome !== undefined) expect(end?.outcome).toBe(outcome);
    // What it printed comes before its end.
    const mine = found.filter(({ requestId }) => requestId === id);
    expect(mine.at(-1)).toBe(end);
  });

  test('printed by code that can not be loaded is its first caller’s, with the reason', async () => {
    cluster().install('broken', 'print("begun")\nimport nothing_like_it\n');
    await call(cluster(), 'broken', 'b1');
    const found = await ended(cluster(), 'broken', ['b1']);
    expect(textOf(found, 'b1')).toBe('begun\n');
    expect(textOf(found, 'b1', 'stderr')).toContain("No module named 'nothing_like_it'");
    expect(found.at(-1)).toMatchObject({ outcome: 'init-failed', errorType: 'Runtime.ImportModuleError' });
  });

  test('without end is cut, with a mark, and the next call has its own', async () => {
    cluster().install('flood', TALK);
    await call(cluster(), 'flood', 'f1', { run: '[print("x" * 100) for _ in range(5000)] and None' });
    await call(cluster(), 'flood', 'f2', { say: ['still here'] });
    const found = await ended(cluster(), 'flood', ['f1', 'f2']);
    const flood = textOf(found, 'f1');
    expect(flood.length).toBe(64 * 1024);
    expect(found.filter(({ cut }) => cut)).toEqual([expect.objectContaining({ requestId: 'f1' })]);
    expect(textOf(found, 'f2')).toBe('still here\n');
    const { stdout } = await cluster().admin('logs', 'flood');
    expect(stdout).toMatch(/ flood\/0 f1 stdout \(cut here: more than output_kb was printed/);
  });

  test('of a thread after the answer has no request id', async () => {
    cluster().install('later', TALK);
    const thread = `[${WAITS}, print("later"), open("/host/said", "w").close()]`;
    const run = `${OPENS} or threading.Thread(target=lambda: ${thread}).start()`;
    expect((await call(cluster(), 'later', 'l1', { run })).status).toBe(200);
    const scratch = cluster().instanceDirs('later')[0] as string;
    letGo(scratch);
    await eventually(() => expect(existsSync(join(scratch, 'said'))).toBe(true));
    await call(cluster(), 'later', 'l2', { say: ['now'] });
    const found = await ended(cluster(), 'later', ['l1', 'l2']);
    expect(['l1', undefined, 'l2'].map((id) => textOf(found, id))).toEqual(['', 'later\n', 'now\n']);
  });

  test('can forge no entry of another lambda, and moves no cursor', async () => {
    cluster().install('liar', TALK);
    cluster().install('victim', TALK);
    const forged = `{"time":"2030-01-01T00:00:00.000Z","type":"output","lambda":"victim","version":"","instance":0,"stream":"stdout","text":"forged"}`;
    const evil = [
      '\n',
      forged,
      '2030-01-01T00:00:00.000Z worker-0 victim/0 - stdout forged',
      '\x1b]0;title\x07\x1b[2J\x9b31m\r\u202e',
    ];
    await call(cluster(), 'liar', 'evil', { say: evil, run: 'os.write(1, b"\\xff\\xfe\\x00raw")' });
    await call(cluster(), 'victim', 'v1', { say: ['mine'] });
    await ended(cluster(), 'liar', ['evil']);
    const victim = await ended(cluster(), 'victim', ['v1']);
    expect(victim.map(({ text }) => text).join('')).toBe('mine\n');
    const shown = succeeded(await cluster().admin('logs', '-n', '100000'), 'admin logs').stdout;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: none may come through
    expect(shown).not.toMatch(/[\0-\x08\x0b-\x1f\x7f-\x9f\u202e]/);
    const lines = shown.split('\n').filter((line) => line.includes('forged'));
    expect(lines).toHaveLength(2);
    for (const line of lines) expect(line).toMatch(/^\S+ worker-0 liar\/0 evil stdout /);
    expect(shown).toContain('\\x1b]0;title\\x07\\x1b[2J\\x9b31m\\x0d\\u202e');
    expect(shown).toContain('\ufffd\ufffd\\x00raw');
    const raw = (await cluster().admin('logs', 'liar', '--json')).stdout;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: none may come through
    expect(raw).not.toMatch(/[\0-\x08\x0b-\x1f\x7f-\x9f\u202e]/);
    expect(textOf(entriesIn({ stdout: raw }), 'evil')).toContain('\x1b]0;title\x07\x1b[2J\x9b31m\r\u202e\n');
  });

  test('stands in a line with time, worker, lambda, instance and request id, and each call has its end', async () => {
    cluster().install('plain', TALK);
    await call(cluster(), 'plain', 'p1', { say: ['one', 'two'] });
    await call(cluster(), 'plain', 'p2');
    await ended(cluster(), 'plain', ['p1', 'p2']);
    const lines = (await cluster().admin('logs', 'plain')).stdout.split('\n').slice(0, -1);
    const head = String.raw`^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z worker-0 plain/0`;
    const end = String.raw`END result [\d.]+ ms, queue [\d.]+ ms`;
    const wanted = [
      'p1 START$',
      'p1 stdout one$',
      'p1 stdout two$',
      String.raw`p1 ${end}, cold, init [\d.]+ ms, run [\d.]+ ms, CPU [\d.]+ ms, [\d.]+ MiB$`,
      'p2 START$',
      String.raw`p2 ${end}, warm, init 0 ms, run [\d.]+ ms, CPU [\d.]+ ms, [\d.]+ MiB$`,
    ];
    expect(lines).toHaveLength(wanted.length);
    for (const [at, pattern] of wanted.entries()) expect(lines[at]).toMatch(new RegExp(`${head} ${pattern}`));
  });

  test('is shown as far as it is asked for', async () => {
    cluster().install('asked', TALK);
    for (const id of ['a1', 'a2', 'a3']) await call(cluster(), 'asked', id, { say: [id] });
    const all = await ended(cluster(), 'asked', ['a1', 'a2', 'a3']);
    expect(all.map(({ type }) => type)).toEqual(['a1', 'a2', 'a3'].flatMap(() => ['start', 'output', 'call']));
    expect(await entries(cluster(), 'asked', '-n', '2')).toEqual(all.slice(-2));
    expect(await entries(cluster(), 'asked', '-n=0')).toEqual([]);
    expect(await entries(cluster(), 'asked', '--since=1h')).toEqual(all);
    expect(await entries(cluster(), 'asked', `--since=${(all[2] as Entry).time}`)).toEqual(
      all.filter(({ time }) => time >= (all[2] as Entry).time),
    );
    expect(await entries(cluster(), 'asked', '-since', '2030-01-01')).toEqual([]);
  });

  test.each([
    [['nobody'], 3, /there is no lambda "nobody", and no entry of one/],
    [['--since=10x'], 2, /--since.*'10x'.*duration such as 90s, 10m/],
    [['--since='], 2, /--since/],
    [['-n', '-1'], 2, /whole number/],
    [['--tail=many'], 2, /whole number/],
    [['a', 'b'], 2, /too many arguments/],
  ])('is not shown for a wish that makes no sense: %j', async (args, status, said) => {
    const finished = await cluster().admin('logs', ...args);
    expect(finished).toMatchObject({ status, stdout: '', stderr: expect.stringMatching(said) });
  });

  test('of a lambda that was never called is nothing, which is no error', async () => {
    cluster().install('silent', TALK);
    expect(await cluster().admin('logs', 'silent')).toMatchObject({
      status: 0,
      stdout: '',
      stderr: 'there are no entries\n',
    });
  });
});

describe('the files', () => {
  test('are no more and no larger than is set, and a lambda’s last words are kept', async () => {
    await withCluster({ settings: { log_file_mb: 1, log_files: 2 } }, async (cluster) => {
      cluster.install('flood', TALK);
      const run = '[print("x" * 1000) for _ in range(900)] and None';
      for (let n = 0; n < 6; n += 1) expect((await call(cluster, 'flood', `f${n}`, { run })).status).toBe(200);
      await call(cluster, 'flood', 'last', { say: ['last words'] });
      const found = await ended(cluster, 'flood', ['last']);
      expect(textOf(found, 'last')).toBe('last words\n');
      expect(textOf(found, 'f0')).toBe('');
      const files = readdirSync(join(cluster.dir, 'logs')).filter((name) => name.endsWith('.jsonl'));
      expect(files).toHaveLength(2);
      for (const name of files) {
        const { size, mode } = statSync(join(cluster.dir, 'logs', name));
        expect(size).toBeLessThanOrEqual(1 << 20);
        expect(mode & 0o077).toBe(0);
      }
    });
  });

  test('outlive instances, workers and lambdas; a worker that starts again adds to them', async () => {
    await withCluster({ workers: 2 }, async (cluster) => {
      cluster.install('kept', TALK);
      await call(cluster, 'kept', 'k1', { say: ['one'] });
      await cluster.post('/runLambda/kept', '{"say": ["two"]}', { headers: { 'X-Request-Id': 'k2' } }, 1);
      // A graceful end writes all.
      succeeded(await cluster.admin('kill'), 'admin kill');
      expect(await entries(cluster, 'kept')).toHaveLength(6);
      await cluster.startWorkers(2);
      await call(cluster, 'kept', 'k3', { say: ['three'], run: 'os._exit(1)' });
      const found = await ended(cluster, 'kept', ['k1', 'k2', 'k3']);
      const [k1, k2, k3] = ['worker-0 k1', 'worker-1 k2', 'worker-0 k3'];
      expect(found.map(({ worker, requestId, text, type }) => `${worker} ${requestId} ${text ?? type}`)).toEqual([
        ...[`${k1} start`, `${k1} one\n`, `${k1} call`],
        ...[`${k2} start`, `${k2} two\n`, `${k2} call`],
        ...[`${k3} start`, `${k3} three\n`, `${k3} call`],
      ]);
    });
  });
});

describe('following', () => {
  /** `admin logs -f`, with what it has printed so far. */
  class Follower {
    readonly child: ChildProcess;
    stdout = '';

    constructor(cluster: TestCluster, ...args: string[]) {
      const stdio = ['ignore', 'pipe', 'inherit'] as const;
      this.child = spawn(ADMIN, ['logs', '-f', `--cluster=${cluster.dir}`, ...args], {
        stdio: [...stdio],
        env: cleanEnvironment(),
      });
      this.child.stdout?.setEncoding('utf8').on('data', (piece: string) => {
        this.stdout += piece;
      });
    }

    saw(...words: string[]): Promise<void> {
      return eventually(() => {
        for (const word of words) if (!this.stdout.includes(word)) throw new Error(`not yet ${word}:\n${this.stdout}`);
      }, 30_000);
    }

    async end(signal: NodeJS.Signals): Promise<number | null> {
      const closed = once(this.child, 'close');
      this.child.kill(signal);
      return (await closed)[0] as number | null;
    }
  }

  test('shows what comes: through rotation, a restart, and of workers that are new, until ctrl-C', async () => {
    await withCluster({ settings: { log_file_mb: 1, log_files: 2 } }, async (cluster) => {
      cluster.install('live', TALK);
      await call(cluster, 'live', 'before', { say: ['before'] });
      await ended(cluster, 'live', ['before']);
      const follower = new Follower(cluster, 'live');
      try {
        await follower.saw('before stdout before', 'before END');
        const run = '[print("x" * 1000) for _ in range(700)] and None';
        for (const id of ['r1', 'r2', 'r3']) {
          await call(cluster, 'live', id, { say: [`begin of ${id}`], run });
          await follower.saw(`${id} stdout begin of ${id}`, `${id} END`);
        }
        expect(existsSync(join(cluster.dir, 'logs/worker-0.1.jsonl'))).toBe(false);
        succeeded(await cluster.admin('kill'), 'admin kill');
        await cluster.startWorkers(2);
        await call(cluster, 'live', 'after', { say: ['after the restart'] });
        await cluster.post('/runLambda/live', '{"say": ["new here"]}', { headers: { 'X-Request-Id': 'n1' } }, 1);
        await follower.saw('after stdout after the restart', 'worker-1 live/0 n1 stdout new here', 'n1 END');
        for (const id of ['before', 'r1', 'r2', 'r3', 'after', 'n1']) {
          expect(follower.stdout.split(` ${id} END `)).toHaveLength(2);
        }
      } finally {
        expect(await follower.end('SIGINT')).toBe(130);
      }
    });
  });

  test.each([
    ['text', [], ['hangs START', 'hangs stdout still at it'], 'hangs END'],
    ['JSON', ['--json'], ['"type":"start"', '"text":"still at it\\n"'], '"type":"call"'],
  ])('shows a call that has begun and what it prints before it ends, as %s', async (_what, args, soon, late) => {
    await withCluster({}, async (cluster) => {
      cluster.install('live', TALK);
      const follower = new Follower(cluster, ...args);
      try {
        const run = `[${OPENS}, ${WAITS}] and None`;
        const reply = call(cluster, 'live', 'hangs', { say: ['still at it'], run });
        await follower.saw(...soon);
        expect(follower.stdout).not.toContain(late);
        letGo(cluster.instanceDirs('live')[0] as string);
        expect((await reply).status).toBe(200);
        await follower.saw(late);
        expect(follower.stdout.split('still at it')).toHaveLength(2);
      } finally {
        await follower.end('SIGINT');
      }
    });
  });

  test('ends when nobody reads it any more', async () => {
    await withCluster({}, async (cluster) => {
      cluster.install('live', TALK);
      const follower = new Follower(cluster, '--json');
      const closed = once(follower.child, 'close');
      await call(cluster, 'live', 'one', { say: ['one'] });
      await follower.saw('"requestId":"one"');
      follower.child.stdout?.destroy();
      await call(cluster, 'live', 'two', { say: ['two'] });
      expect(await closed).toEqual([0, null]);
    });
  });
});
