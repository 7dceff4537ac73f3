/** The fleet's life with workers that are real processes, though they run no lambdas. */
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createSocketServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createCluster } from '../../../src/cluster/create.ts';
import { listFleet } from '../../../src/cluster/fleet.ts';
import type { Layout } from '../../../src/cluster/layout.ts';
import { ping } from '../../../src/cluster/ping.ts';
import { type StartedWorker, startFleet } from '../../../src/cluster/start.ts';
import { type StopEvent, stopFleet } from '../../../src/cluster/stop.ts';
import { Failure } from '../../../src/config/failure.ts';

const program = { node: process.execPath, main: join(import.meta.dirname, 'fake-worker.mjs') };

let dir: string;
let layout: Layout;
let reclaimed: string[];
/** Closed by the kernel if this test run is interrupted: that ends the fakes. */
let lifeline: Server;
let lines: Set<Socket>;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'isla-unit-'));
  layout = createCluster(join(dir, 'c')).layout;
  reclaimed = [];
  lines = new Set();
  lifeline = createSocketServer((line) => {
    lines.add(line.on('error', () => {}));
  }).listen(join(dir, 'lifeline'));
  await once(lifeline, 'listening');
  process.env.FAKE_WORKER_LIFELINE = join(dir, 'lifeline');
});
afterEach(async () => {
  fakeWorker(undefined);
  await stop();
  cutLifelines();
  delete process.env.FAKE_WORKER_LIFELINE;
  rmSync(dir, { recursive: true });
});

function cutLifelines(): void {
  lifeline.close();
  for (const line of lines) line.destroy();
}

/** What the workers that are started from now on do. */
function fakeWorker(way: string | undefined): void {
  if (way === undefined) delete process.env.FAKE_WORKER;
  else process.env.FAKE_WORKER = way;
}

function start(count: number, port = 0, signal = new AbortController().signal): Promise<StartedWorker[]> {
  return startFleet({ layout, count, port, program, signal });
}

async function stop(): Promise<{ events: StopEvent[]; failures: Failure[] }> {
  const events: StopEvent[] = [];
  const reclaim = async (workerDir: string) => void reclaimed.push(workerDir);
  const failures = await stopFleet({ layout, reclaim, marginMs: 500, report: (event) => events.push(event) });
  return { events, failures };
}

async function failureOf(promise: Promise<unknown>): Promise<Failure> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(Failure);
  return error as Failure;
}

function states(): string[] {
  return listFleet(layout).map(({ name, state }) => `${name} ${state.kind}`);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('workers', () => {
  test('are started, answer, and are stopped with nothing left', async () => {
    const started = await start(2);
    expect(started.map(({ name, already }) => [name, already])).toEqual([
      ['worker-0', false],
      ['worker-1', false],
    ]);
    expect(states()).toEqual(['worker-0 running', 'worker-1 running']);
    for (const { name, pid, port } of started) {
      expect(readFileSync(layout.pidFile(name), 'utf8')).toBe(String(pid));
      const config = JSON.parse(readFileSync(layout.workerConfig(name), 'utf8'));
      expect(config).toMatchObject({ worker_port: String(port), worker_dir: layout.workerDir(name) });
      expect(await ping({ host: '127.0.0.1', port })).toMatchObject({ kind: 'answer', status: { state: 'ready' } });
    }
    const { events, failures } = await stop();
    expect(failures).toEqual([]);
    expect(events.map(({ kind }) => kind).sort()).toEqual(['stopped', 'stopped', 'stopping', 'stopping']);
    expect(reclaimed.sort()).toEqual([layout.workerDir('worker-0'), layout.workerDir('worker-1')]);
    for (const { name, pid } of started) {
      await expect.poll(() => isAlive(pid)).toBe(false); // Ended, and reaped a moment later.
      expect(existsSync(layout.pidFile(name))).toBe(false);
    }
    expect(await stop()).toEqual({ events: [], failures: [] });
  });

  test('that run already are left alone; one that died is started beside them', async () => {
    const before = await start(2);
    process.kill(before[1]!.pid, 'SIGKILL');
    await expect.poll(states).toEqual(['worker-0 running', 'worker-1 died']);
    const after = await start(2);
    expect(after.map(({ already }) => already)).toEqual([true, false]);
    expect(after[0]).toMatchObject({ pid: before[0]!.pid, port: before[0]!.port });
    expect((await start(2)).map(({ already }) => already)).toEqual([true, true]);
  });

  test('on other ports, or more than are wanted, are a conflict that changes nothing', async () => {
    const [first] = (await start(2)) as [StartedWorker];
    const fewer = await failureOf(start(1));
    expect(fewer).toMatchObject({
      code: 'conflict',
      problems: [expect.stringMatching(/^worker-0: pid/), expect.stringMatching(/^worker-1: pid/)],
    });
    expect(await failureOf(start(2, first.port === 1_024 ? 1_025 : 1_024))).toMatchObject({ code: 'conflict' });
    expect(states()).toEqual(['worker-0 running', 'worker-1 running']);
  });

  test('of which one does not start are all stopped, and its log is shown', async () => {
    fakeWorker('dies:worker-1');
    const failure = await failureOf(start(3));
    expect(failure.code).toBe('worker-failed');
    expect(failure.message).toMatch(/^worker-1 was ended by SIGKILL; the end of .*worker-1\.out:$/);
    expect(failure.problems).toEqual(['starting', 'it can not go on']);
    expect(states()).toEqual(['worker-0 stopped', 'worker-1 stopped', 'worker-2 stopped']);
  });

  test('are stopped if whoever asked for them no longer waits', async () => {
    fakeWorker('hangs:worker-1');
    const abort = new AbortController();
    const starting = start(2, 0, abort.signal);
    starting.catch(() => {});
    await expect.poll(states).toEqual(['worker-0 running', 'worker-1 running']);
    abort.abort(new Failure('usage', 'no more'));
    expect(await failureOf(starting)).toMatchObject({ message: 'no more' });
    expect(states()).toEqual(['worker-0 stopped', 'worker-1 stopped']);
  });

  test('whose port is taken are not started, and another port is proposed', async () => {
    const holder = createServer();
    await new Promise<void>((done) => holder.listen(0, '127.0.0.1', done));
    const { port } = holder.address() as AddressInfo;
    try {
      const failure = await failureOf(start(1, port));
      expect(failure.code).toBe('conflict');
      expect(failure.message).toMatch(
        new RegExp(
          `^port ${port} \\(worker-0\\) is taken by another program; choose another with --port, such as --port=\\d+$`,
        ),
      );
      expect(states()).toEqual([]);
    } finally {
      await new Promise((done) => holder.close(done));
    }
  });

  test('on an address that is not of this machine are not started, and the setting is named', async () => {
    writeFileSync(layout.template, '{"worker_host": "192.0.2.1"}'); // TEST-NET-1: nobody has it
    const failure = await failureOf(start(1));
    expect(failure.code).toBe('config-invalid');
    expect(failure.message).toBe(
      `worker_host 192.0.2.1 is no address of this machine; change it: admin setconf --cluster=${layout.root} '{"worker_host": "127.0.0.1"}'`,
    );
    expect(states()).toEqual([]);
  });

  test.each([
    [0, 8080],
    [101, 8080],
    [2, 65_535],
  ])('as many as %i from port %i are refused', async (count, port) => {
    expect(await failureOf(start(count, port))).toMatchObject({ code: 'usage' });
  });

  test('need a legal template', async () => {
    writeFileSync(layout.template, '{"pool_sice": 1}');
    expect(await failureOf(start(1))).toMatchObject({
      code: 'config-invalid',
      problems: [expect.stringContaining('pool_size')],
    });
  });
});

describe('stopping', () => {
  test('ends one that does not stop, after its grace', async () => {
    writeFileSync(layout.template, '{"grace_ms": 0}');
    fakeWorker('stays');
    const [{ pid }] = (await start(1)) as [StartedWorker];
    process.kill(pid, 'SIGSTOP'); // As a debugger or a hung disk would have it.
    const { events, failures } = await stop();
    expect(failures).toEqual([]);
    expect(events.map(({ kind }) => kind)).toEqual(['stopping', 'killing', 'stopped']);
    await expect.poll(() => isAlive(pid)).toBe(false);
  });

  test('never signals the number in a file that nobody holds, and stops at no bad file', async () => {
    writeFileSync(layout.pidFile('worker-0'), String(process.pid));
    writeFileSync(layout.pidFile('worker-1'), 'garbage');
    writeFileSync(layout.pidFile('worker-2'), '');
    writeFileSync(join(layout.logsDir, 'worker-x.pid'), '1');
    const { events, failures } = await stop();
    expect(failures).toEqual([]);
    expect(events.map(({ kind }) => kind)).toEqual(['had-died', 'had-died', 'had-died']);
    expect(states()).toEqual(['worker-0 stopped', 'worker-1 stopped', 'worker-2 stopped']);
  });

  test('works without the configuration of a worker', async () => {
    await start(1);
    rmSync(layout.workerConfig('worker-0'));
    expect((await stop()).failures).toEqual([]);
    expect(states()).toEqual(['worker-0 stopped']);
  });

  test.each(['worker-0', '.'])('removes what one left whose directory workers/%s was removed by hand', async (name) => {
    const [{ pid }] = (await start(1)) as [StartedWorker];
    process.kill(pid, 'SIGKILL');
    await expect.poll(states).toEqual(['worker-0 died']);
    rmSync(layout.pidFile('worker-0'));
    rmSync(join(layout.workersDir, name), { recursive: true });
    expect((await stop()).failures).toEqual([]);
    expect(reclaimed).toEqual([layout.workerDir('worker-0')]);
    expect(existsSync(layout.workerDir('worker-0'))).toBe(true); // Reclaiming works in it.
  });

  test('goes on if one fails, and tells of it', async () => {
    await start(2);
    const failures = await stopFleet({
      layout,
      report: () => {},
      async reclaim(workerDir) {
        if (workerDir.endsWith('0')) throw new Error('busy');
      },
    });
    expect(failures).toMatchObject([{ message: 'worker-0 could not be stopped: busy' }]);
    expect(states()).toEqual(['worker-0 stopped', 'worker-1 stopped']);
  });
});

test('the workers of this test end when it is interrupted', async () => {
  const [{ pid }] = (await start(1)) as [StartedWorker];
  cutLifelines();
  await expect.poll(() => isAlive(pid)).toBe(false);
});

describe('a ping', () => {
  test('of nobody, of somebody else and of a babbler are answers, too', async () => {
    const server = createServer((request, response) => {
      if (request.headers.accept === undefined) response.end();
      else response.writeHead(404).end('nothing here\nreally');
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const { port } = server.address() as AddressInfo;
    expect(await ping({ host: '0.0.0.0', port })).toEqual({
      kind: 'answer',
      httpStatus: 404,
      httpReason: 'Not Found',
      status: { state: 'nothing here' },
    });
    await new Promise((done) => server.close(done));
    expect(await ping({ host: '127.0.0.1', port })).toEqual({ kind: 'silent', reason: 'nobody listens there' });
  });

  test('of one that hangs ends', async () => {
    const server = createServer(() => {});
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const { port } = server.address() as AddressInfo;
    expect(await ping({ host: '127.0.0.1', port })).toEqual({ kind: 'silent', reason: 'no answer within 2 s' });
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  });
});
