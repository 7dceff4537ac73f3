/** Sessions of a real worker, seen from its gateway's end of the link: the built program, and real kernels. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Fleet } from '../../src/gateway/agents/fleet.ts';
import { uuidV7 } from '../../src/lib/uuid-v7.ts';
import type { ExecuteResult, HostEvent, SessionSpec } from '../../src/session/host.ts';
import { type GatewayEnd, openGatewayEnd } from './gateway-end.ts';
import { statusOf } from './ids.ts';
import { useCluster } from './use-cluster.ts';

const FLUSH_MS = 20_000;

const cluster = useCluster();
let end: GatewayEnd;
let fleet: Fleet;
let events: HostEvent[];

beforeAll(async () => {
  end = await openGatewayEnd(join(cluster().dir, 'gateway', 'agents'));
  ({ fleet, events } = end);
  await end.joined(1);
});
afterAll(async () => {
  for (const { id } of await fleet.list()) await fleet.destroy(id, 'user-requested');
  await end.close();
});

async function started(more: Partial<SessionSpec> = {}): Promise<string> {
  const spec = { id: uuidV7(), language: 'python', env: {}, idleTimeoutMs: 0, lifetimeMs: 0, ...more };
  return (await fleet.create(spec)).id;
}

function query(id: string, code: string, runId?: string): Promise<ExecuteResult> {
  return fleet.execute(id, { mode: 'query', code, runId }, FLUSH_MS);
}

const stdout = ({ console }: ExecuteResult) =>
  console.flatMap(([type, said]) => (type === 'stdout' ? [said] : [])).join('');
const endingOf = (id: string) =>
  events.flatMap((event) => (event.kind === 'ended' && event.session === id ? [event.facts.ending] : []))[0];

describe('a worker that has joined its gateway', () => {
  test('says what it can run, and how much of it', async () => {
    const [agent] = fleet.agents();
    expect(agent).toMatchObject({ state: 'alive', sessions: 0, capacity: { sessionsMax: 500 } });
    expect(agent?.languages.map(({ id }) => id)).toContain('python');
  });

  test('keeps the state of a session from cell to cell', async () => {
    const id = await started();
    await query(id, 'x = 40');
    expect(stdout(await query(id, 'print(x + 2)'))).toBe('42\n');
    expect(await fleet.info(id)).toMatchObject({ executions: 2, language: 'python', runId: null });
    await fleet.destroy(id, 'user-requested');
    await expect(query(id, '1')).rejects.toMatchObject({ code: 'session-missing' });
  });

  test('asks for input, and is interrupted', async () => {
    const id = await started();
    const asked = await query(id, 'name = input("who? ")', 'r1');
    expect(asked).toMatchObject({ status: 'waiting-input', options: { is_password: false } });
    expect(stdout(asked)).toBe('who? ');
    await fleet.execute(id, { mode: 'input', code: 'Bob', runId: 'r1' }, FLUSH_MS);
    const running = query(id, 'print(name, flush=True)\nwhile True: pass', 'r2');
    await expect.poll(async () => (await fleet.info(id)).runId).toBe('r2');
    await expect.poll(async () => await fleet.logs(id)).toContain('Bob');
    await fleet.interrupt(id);
    expect(await running).toMatchObject({ status: 'finished', error: { name: 'KeyboardInterrupt' } });
  });

  test('moves files, keeps them over a restart, and forgets the names', async () => {
    const id = await started();
    await fleet.upload(id, 'in/data.txt', Buffer.from('grüße'));
    expect(stdout(await query(id, 'x = 1; print(open("in/data.txt").read())'))).toBe('grüße\n');
    await fleet.restart(id);
    const after = await query(id, 'print("x" in globals(), open("in/data.txt").read())');
    expect(stdout(after)).toBe('False grüße\n');
    expect((await fleet.files(id, 'in')).map(({ filename }) => filename)).toEqual(['data.txt']);
    await expect(fleet.upload(id, '../out', Buffer.from(''))).rejects.toMatchObject({ code: 'path-invalid' });
  });

  test('forks a session: both go on by themselves', async () => {
    const id = await started();
    await query(id, 'x = [1]');
    const fork = await fleet.fork(id, { id: uuidV7(), idleTimeoutMs: 0, lifetimeMs: 0 });
    await query(id, 'x.append(2)');
    expect(stdout(await query(fork.id, 'print(x)'))).toBe('[1]\n');
    expect(stdout(await query(id, 'print(x)'))).toBe('[1, 2]\n');
    expect(fleet.agentOf(fork.id)).toBe(fleet.agentOf(id));
  });

  test('runs a start-up command, and tells how it ended', async () => {
    const id = await started({ startupCommand: 'echo work; exit 3' });
    await expect.poll(() => endingOf(id)).toMatchObject({ reason: 'task-finished', exitCode: 3 });
    expect(await fleet.logs(id)).toContain('work');
  });
});

async function forked(id: string): Promise<string> {
  return (await fleet.fork(id, { id: uuidV7(), idleTimeoutMs: 0, lifetimeMs: 0 })).id;
}

/** Where no control group limits memory, each process finds out by itself, and goes on. */
async function expectNoMemory(id: string): Promise<void> {
  const { uses } = await statusOf(cluster());
  const result = await query(id, 'x = bytearray(256 << 20)');
  expect(result.status).toBe('finished');
  if (uses.join().includes('memory by')) {
    await expect.poll(() => endingOf(id)).toMatchObject({ reason: 'out-of-memory' });
  } else {
    expect(result.error?.name).toBe('MemoryError');
    expect(stdout(await query(id, 'print(1)'))).toBe('1\n');
  }
}

/** As many processes as it may, none of which is a child of the kernel for long. */
const BOMB = [
  'import os, time',
  'made = 0',
  'try:',
  '    while made < 1000:',
  '        if os.fork() == 0:',
  '            os.setsid()',
  '            if os.fork() == 0: time.sleep(600)',
  '            os._exit(0)',
  '        os.wait()',
  '        made += 1',
  'except OSError: pass',
  '',
].join('\n');

describe('a session ends by itself, with its reason, and no other does', () => {
  test('when its kernel kills itself', async () => {
    const [id, other] = [await started(), await started()];
    const result = await query(
      id,
      'print("last", flush=True)\nimport os, signal\nos.kill(os.getpid(), signal.SIGKILL)',
    );
    expect(result).toMatchObject({ status: 'finished', exitCode: 130 });
    await expect.poll(() => endingOf(id)).toMatchObject({ reason: 'kernel-crashed', detail: /SIGKILL/ });
    expect(stdout(await query(other, 'print(1)'))).toBe('1\n');
  });

  test('when it takes too much memory', async () => {
    const id = await started({ limits: { memory_mb: 64 } });
    await expectNoMemory(id);
  });

  test('when it takes too much memory, being a fork: the first goes on', async () => {
    const id = await started({ limits: { memory_mb: 128 } });
    const fork = await forked(id);
    await expectNoMemory(fork);
    expect(stdout(await query(id, 'print(1)'))).toBe('1\n');
  });

  test('or is ended, with all the processes that it has made, being a fork', async ({ skip }) => {
    const { uses } = await statusOf(cluster());
    skip(!uses.join().includes('by cgroup'), 'there are no control groups: nobody could tell whose processes they are');
    const id = await started({ limits: { procs: 40 } });
    const fork = await forked(id);
    await query(fork, BOMB);
    await fleet.destroy(fork, 'user-requested');
    expect(stdout(await query(id, `${BOMB}print(made)`))).toMatch(/^[1-9]\d*\n$/);
    await fleet.destroy(id, 'user-requested');
  });

  test('when one execution takes too long', async () => {
    const id = await started({ runTimeoutMs: 300 });
    expect((await query(id, 'while True: pass')).status).toBe('exec-timeout');
    await expect.poll(() => endingOf(id)).toMatchObject({ reason: 'exec-timeout' });
  });

  test('but not for what it prints without an end: that is cut, with a mark', async () => {
    const id = await started();
    const running = await fleet.execute(id, { mode: 'query', code: 'while True: print("x" * 1000)', runId: 'r' }, 500);
    let text = '';
    for (let result = running; !text.includes('output_kb'); ) {
      text += result.console.map(([, said]) => said).join('');
      result = await fleet.execute(id, { mode: 'continue', code: '', runId: 'r' }, 500);
    }
    await fleet.interrupt(id);
    expect(stdout(await query(id, 'print("well")'))).toBe('well\n');
  });
});
