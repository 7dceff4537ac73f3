import { describe, expect, test } from 'vitest';
import { Failure } from '../../../src/config/failure.ts';
import { LIMIT_FIELDS } from '../../../src/config/limit-fields.ts';
import type { ExecuteResult, HostEvent } from '../../../src/session/host.ts';
import { scriptedHost, specOf } from './scripted-host.ts';

const LONG = 20_000;

async function session(more: Parameters<typeof specOf>[0] = {}) {
  const { host, kernels } = scriptedHost();
  const events: HostEvent[] = [];
  host.onEvent((event) => events.push(event));
  const { id } = await host.create(specOf(more));
  const query = (code: string, runId?: string, flushMs = LONG) =>
    host.execute(id, { mode: 'query', code, runId }, flushMs);
  const goOn = (runId: string, after?: number, flushMs = LONG) =>
    host.execute(id, { mode: 'continue', code: '', runId, options: { after } }, flushMs);
  return { host, kernels, id, events, query, goOn };
}

const out = ({ console }: ExecuteResult) => console.map(([type, said]) => `${type}:${said}`);

describe('an execution', () => {
  test('answers once with what it said, in order, streams that follow each other as one', async () => {
    const { query } = await session();
    const result = await query('say a\nsay b\nerr c\nmedia d\nsay e');
    expect(out(result)).toEqual(['stdout:ab', 'stderr:c', 'media:text/html,d', 'stdout:e']);
    expect(result).toMatchObject({ status: 'finished', exitCode: 0, options: null, files: [] });
    expect(result.runId).toMatch(/^[0-9a-f]{16}$/);
  });

  test('says so after the flush time if it still runs, and goes on', async () => {
    const { query, goOn, host, id } = await session();
    const first = await query('say a\nwait\nsay b', 'r1', 30);
    expect([first.status, ...out(first)]).toEqual(['continued', 'stdout:a']);
    await host.interrupt(id);
    const second = await goOn('r1');
    expect([second.status, ...out(second)]).toEqual(['finished', 'stdout:b']);
  });

  test('that waits for input says so at once, and goes on with it', async () => {
    const { host, query, id } = await session();
    const first = await query('say name?\nask password\nsay !', 'r1');
    expect(first).toMatchObject({ status: 'waiting-input', options: { is_password: true } });
    const second = await host.execute(id, { mode: 'input', code: 'Bob', runId: 'r1' }, LONG);
    expect([second.status, ...out(second)]).toEqual(['finished', 'stdout:Bob!']);
  });

  test('waits for its turn; each is told by its own id', async () => {
    const { host, id, query } = await session();
    const first = await query('wait\nsay 1', 'r1', 20);
    const second = query('say 2', 'r2');
    const waiting = await host.info(id);
    expect([first.status, waiting.runId, waiting.queued]).toEqual(['continued', 'r1', 1]);
    await expect(host.execute(id, { mode: 'input', code: '', runId: 'r2' }, 1)).rejects.toMatchObject({
      code: 'run-conflict',
    });
    await host.interrupt(id);
    expect(out(await second)).toEqual(['stdout:2']);
  });

  test('of a batch tells each stage', async () => {
    const { host, id, goOn } = await session();
    const options = { clean: null, build: '*', exec: 'say run' };
    const first = await host.execute(id, { mode: 'batch', code: '', runId: 'b', options }, LONG);
    const statuses = [first, await goOn('b'), await goOn('b')].map(({ status }) => status);
    expect(statuses).toEqual(['clean-finished', 'build-finished', 'finished']);
  });

  test('tells what the code raised', async () => {
    const { query } = await session();
    expect(await query('raise ValueError')).toMatchObject({
      status: 'finished',
      exitCode: 0,
      error: { name: 'ValueError' },
    });
  });

  test('goes on for a client that comes back, from where it says', async () => {
    const { query, goOn, host, id } = await session();
    const first = await query('say a\nask\nsay b', 'r1');
    await host.execute(id, { mode: 'input', code: '-', runId: 'r1' }, LONG);
    // The answer was lost; so was the client's memory of it.
    const again = await goOn('r1', first.next);
    expect([again.status, ...out(again)]).toEqual(['finished', 'stdout:-b']);
    const whole = await goOn('r1', 0);
    expect([whole.status, ...out(whole)]).toEqual(['finished', 'stdout:a-b']);
    expect(await goOn('r1')).toMatchObject({ status: 'finished', exitCode: 0, console: [] });
  });

  test('is asked for twice and runs once', async () => {
    const { query, host, id } = await session();
    await query('say a\nwait', 'r1', 20);
    const again = await query('say a\nwait', 'r1', 20);
    expect([again.status, (await host.info(id)).executions]).toEqual(['continued', 1]);
    await expect(query('say other', 'r1')).rejects.toMatchObject({ code: 'run-conflict' });
  });

  test('hands nothing out to a client that has gone', async () => {
    const { host, id, goOn } = await session();
    const gone = new AbortController();
    const asked = host.execute(id, { mode: 'query', code: 'say a\nwait', runId: 'r1' }, LONG, gone.signal);
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    gone.abort(new Error('gone'));
    await expect(asked).rejects.toThrow('gone');
    expect(out(await goOn('r1', undefined, 10))).toEqual(['stdout:a']);
  });

  test('with more output than one result holds is told in several', async () => {
    const { query, goOn } = await session();
    const first = await query('much 500000\nmuch 500000\nsay end', 'r1');
    const second = await goOn('r1');
    const third = second.status === 'finished' ? undefined : await goOn('r1');
    const lengths = [first, second, third].map((result) => result?.console.map(([, said]) => said.length));
    expect(first.status).toBe('continued');
    for (const [length] of lengths.filter((one) => one !== undefined)) expect(length).toBeLessThanOrEqual(524_288);
    expect(lengths.flat().reduce<number>((sum, length) => sum + (length ?? 0), 0)).toBe(1_000_003);
  });

  test('with more output than is kept says what was lost', async () => {
    const { query, goOn } = await session();
    const lines = Array.from({ length: 24 }, () => 'much 500000').join('\n');
    let result = await query(`${lines}\nsay end`, 'r1', 50);
    const said: string[] = out(result);
    for (; result.status === 'continued'; said.push(...out(result))) result = await goOn('r1');
    expect(said.at(-1)).toMatch(/end$/);
    const again = await goOn('r1', 0);
    expect(out(again)[0]).toMatch(/the first \d+ characters of the output are lost/);
  });

  test('that nobody knows, or has no id where it must, is refused', async () => {
    const { host, id, goOn } = await session();
    await expect(goOn('nope')).rejects.toMatchObject({ code: 'run-missing' });
    await expect(host.execute(id, { mode: 'continue', code: '' }, 1)).rejects.toMatchObject({
      code: 'session-invalid',
    });
  });
});

describe('a stream', () => {
  test('tells frames, takes input, and can be left and taken up again', async () => {
    const { host, id } = await session();
    const frames: ExecuteResult[] = [];
    const hear = (frame: ExecuteResult) => {
      frames.push(frame);
      return true;
    };
    const stream = await host.stream(id, { mode: 'query', code: 'say a\nask\nsay b' }, hear);
    await expect.poll(() => frames.at(-1)?.status).toBe('waiting-input');
    stream.leave();
    await stream.done;
    const again = await host.stream(id, { mode: 'continue', code: '', runId: stream.runId }, hear);
    again.input('x');
    await again.done;
    expect(frames.map(({ status }) => status)).toEqual(['waiting-input', 'finished']);
    expect(frames.flatMap(out)).toEqual(['stdout:a', 'stdout:xb']);
  });

  test('waits for who has enough', async () => {
    const { host, id } = await session();
    const frames: ExecuteResult[] = [];
    const code = 'much 500000\nmuch 500000\nmuch 500000';
    const stream = await host.stream(id, { mode: 'query', code }, (frame) => frames.push(frame) < 0);
    await expect.poll(() => frames.length).toBe(1);
    await new Promise((resolve) => setImmediate(resolve));
    expect(frames.length).toBe(1);
    while (frames.at(-1)?.status === 'continued') stream.goOn();
    await stream.done;
    expect(frames.flatMap(({ console }) => console).reduce((sum, [, said]) => sum + said.length, 0)).toBe(1_500_000);
  });
});

describe('a session ends', () => {
  const ended = (events: HostEvent[]) =>
    events.filter((event) => event.kind === 'ended').map(({ facts }) => facts.ending);

  test('when it is unused for too long, but not while something runs', async () => {
    const { host, id, events, query } = await session({ idleTimeoutMs: 60 });
    const running = query('wait');
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect((await host.info(id)).idleLeftMs).toBe(null);
    await host.interrupt(id);
    await running;
    expect((await host.info(id)).idleLeftMs).toBeLessThanOrEqual(60);
    await expect
      .poll(() => ended(events))
      .toMatchObject([{ reason: 'idle-timeout', detail: 'Nobody used it for 60 ms.' }]);
    await expect(query('say x')).rejects.toThrow(/has ended: Nobody used it/);
  });

  test('when it has lived for its time, whatever it does', async () => {
    const { events, query } = await session({ lifetimeMs: 80 });
    const result = await query('say a\nwait');
    expect(result).toMatchObject({ status: 'finished', exitCode: 130, error: { name: 'SessionEnded' } });
    await expect.poll(() => ended(events)).toMatchObject([{ reason: 'lifetime' }]);
  });

  test('when an execution takes too long; the time in which it waits for input does not count', async () => {
    const { host, id, events, query } = await session({ runTimeoutMs: 80 });
    expect((await query('ask\nwait', 'r1')).status).toBe('waiting-input');
    await new Promise((resolve) => setTimeout(resolve, 160));
    expect((await host.info(id)).state).toBe('running');
    const result = await host.execute(id, { mode: 'input', code: 'x', runId: 'r1' }, LONG);
    expect(result).toMatchObject({ status: 'exec-timeout', exitCode: 124 });
    await expect.poll(() => ended(events)).toMatchObject([{ reason: 'exec-timeout' }]);
  });

  test('when its kernel crashes: who waits is told, and what it said can be read still', async () => {
    const { host, id, events, query, goOn } = await session();
    const second = query('say never', 'r2', LONG);
    const crashed = query('say last words\ncrash', 'r1');
    expect(await crashed).toMatchObject({ status: 'finished', exitCode: 130, console: [['stdout', 'last words']] });
    await second;
    await expect.poll(() => ended(events)).toMatchObject([{ reason: 'kernel-crashed', detail: /SIGSEGV/ }]);
    expect(await host.logs(id)).toContain('last words');
    expect(await goOn('r1', 0)).toMatchObject({ status: 'finished', exitCode: 130 });
  });

  test('with its start-up command, whose exit code is told', async () => {
    const { events } = await session({ startupCommand: 'say done' });
    await expect.poll(() => ended(events)).toMatchObject([{ reason: 'task-finished', exitCode: 0 }]);
  });

  test('when it is asked to', async () => {
    const { host, id, events } = await session();
    const facts = await host.destroy(id, 'user-requested');
    expect(facts).toMatchObject({ state: 'ended', memoryBytes: 1_000_000, ending: { reason: 'user-requested' } });
    expect(ended(events)).toHaveLength(1);
    expect(await host.list()).toEqual([]);
  });
});

describe('a host', () => {
  test('has as many sessions as it may, and no two of one id', async () => {
    const { host } = scriptedHost(1);
    const spec = specOf();
    await host.create(spec);
    await expect(host.create(spec)).rejects.toMatchObject({ code: 'conflict' });
    await expect(host.create(specOf())).rejects.toMatchObject({ code: 'sessions-full' });
    await host.destroy(spec.id, 'user-requested');
    await host.create(specOf());
  });

  test('refuses what is not allowed here, all of it at once', async () => {
    const { host } = scriptedHost();
    const memory_mb = LIMIT_FIELDS.memory_mb.initial + 1;
    const spec = specOf({ limits: { memory_mb }, network: { mode: 'host' }, idleTimeoutMs: -1 });
    await expect(host.create(spec)).rejects.toMatchObject({ code: 'session-invalid', problems: { length: 3 } });
    await expect(host.create(specOf({ network: { mode: 'host' } }))).rejects.toThrow(/`admin setconf .+` allows it/);
    await expect(host.create(specOf({ language: 'cobol' }))).rejects.toMatchObject({ code: 'language-missing' });
    expect(host.size).toBe(0);
  });

  test('restarts a kernel: what ran has finished, and what comes then runs', async () => {
    const { host, id, query, kernels, events } = await session();
    const running = query('wait');
    await host.restart(id);
    expect(await running).toMatchObject({ status: 'finished', exitCode: 130, error: { name: 'SessionRestarted' } });
    expect(out(await query('say again'))).toEqual(['stdout:again']);
    expect([kernels[0]?.restarts, events.at(-1)?.kind]).toEqual([1, 'restarted']);
  });

  test('whose kernel could not be started again takes what comes then', async () => {
    const { host, id, query, kernels } = await session();
    const kernel = kernels[0]!;
    kernel.restart = () => Promise.reject(new Failure('sandbox-failed', 'no process left'));
    await expect(host.restart(id)).rejects.toMatchObject({ code: 'sandbox-failed' });
    expect(out(await query('say again'))).toEqual(['stdout:again']);
  });

  test('has its packages as long as itself or a fork of it lives', async () => {
    const users = new Set<string>();
    const obtain = async (user: string) => void users.add(user);
    const { host } = scriptedHost(10, { obtain, forget: (user) => users.delete(user) });
    const { id } = await host.create(specOf({ requirements: 'numpy' }));
    const fork = await host.fork(id, { id: specOf().id, idleTimeoutMs: 0, lifetimeMs: 0 });
    await host.destroy(id, 'user-requested');
    expect([...users]).toEqual([`.session-${fork.id}`]);
    await host.destroy(fork.id, 'user-requested');
    expect([...users]).toEqual([]);
  });

  test('that can not be forked leaves no packages to a fork', async () => {
    const users = new Set<string>();
    const obtain = async (user: string) => void users.add(user);
    const { host, kernels } = scriptedHost(10, { obtain, forget: (user) => users.delete(user) });
    const { id } = await host.create(specOf({ requirements: 'numpy' }));
    kernels[0]!.fork = () => Promise.reject(new Failure('cannot-fork', 'it runs something'));
    const refused = host.fork(id, { id: specOf().id, idleTimeoutMs: 0, lifetimeMs: 0 });
    await expect(refused).rejects.toMatchObject({ code: 'cannot-fork' });
    expect([...users]).toEqual([`.session-${id}`]);
  });

  test('forks a session into one of its own', async () => {
    const { host, id } = await session();
    const fork = await host.fork(id, { id: specOf().id, idleTimeoutMs: 0, lifetimeMs: 0 });
    expect(fork).toMatchObject({ forkOf: id, language: 'python', state: 'running' });
    await host.destroy(id, 'user-requested');
    expect((await host.list()).map((one) => one.id)).toEqual([fork.id]);
  });

  test('completes where the cursor is', async () => {
    const { host, id } = await session();
    const options = { row: 1, col: 2 };
    const result = await host.execute(id, { mode: 'complete', code: 'ab\ncdef', options }, LONG);
    expect(result).toMatchObject({ status: 'finished', completions: ['ab\ncd!'] });
  });
});
