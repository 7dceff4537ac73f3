import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import type { FakeSandbox } from './fake-engine.ts';
import { type Answer, Serving, type ServingOptions } from './serving.ts';

let serving: Serving;

async function serve(options: ServingOptions = {}): Promise<Serving> {
  serving = await new Serving(options).open();
  serving.lambda('hello');
  return serving;
}

afterEach(async () => {
  await serving.close();
  expect(serving.engine.live).toEqual([]);
});

function statuses(answers: Answer[]): number[] {
  return answers.map((answer) => answer.status).sort();
}

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

/** Resolves when so many requests have reached the worker and have not been answered. */
async function inFlight(count: number): Promise<void> {
  await expect.poll(() => serving.worker.inFlight, { interval: 1 }).toBe(count);
}

function alive(): FakeSandbox[] {
  return serving.engine.live;
}

/** Lets the calls end that wait at a gate, once there are so many instances. */
async function openGates(instances = 1): Promise<void> {
  await expect.poll(alive, { interval: 1 }).toHaveLength(instances);
  for (const sandbox of alive()) sandbox.openGate();
}

/** Sends so many calls that wait at a gate, and opens it when so many have been refused. */
async function gatedUntil(refused: number, { calls, instances }: { calls: number; instances: number }) {
  const answered: Answer[] = [];
  const all = times(calls, () => serving.run('hello', { gate: 1 }).then((answer) => answered.push(answer)));
  await expect.poll(() => statuses(answered)).toEqual(times(refused, () => 429));
  await openGates(instances);
  await Promise.all(all);
  return answered;
}

describe('instances of one lambda', () => {
  test('serve one event after the other as long as one is enough', async () => {
    await serve();
    for (let round = 0; round < 20; round += 1) await serving.run('hello', round);
    expect(serving.engine.made.map((sandbox) => sandbox.spec.instance)).toEqual([0]);
  });

  test('grow with those who wait, up to the limit, and each event runs once', async () => {
    await serve({ concurrencyMax: 4 });
    const calls = times(12, (n) => serving.run('hello', { gate: 1, n }));
    await openGates(4);
    expect(statuses(await Promise.all(calls))).toEqual(times(12, () => 200));
    expect(serving.engine.peak).toBe(4);
    expect(serving.engine.made.map((sandbox) => sandbox.spec.instance)).toEqual([0, 1, 2, 3]);
    const events = serving.engine.made.flatMap((sandbox) => sandbox.events);
    expect(new Set(events).size).toBe(12);
    expect(events).toHaveLength(12);
  });

  test('stay few when calls are short: a moment in the queue is cheaper than a new one', async () => {
    await serve({ concurrencyMax: 50, queueMax: 1000 });
    await serving.run('hello');
    await Promise.all(times(60, () => serving.run('hello')));
    expect(serving.engine.made.length).toBeLessThan(10);
  });

  test('are added when a usually short call turns out long', async () => {
    await serve({ concurrencyMax: 2 });
    for (let round = 0; round < 20; round += 1) await serving.run('hello', round);
    const long = serving.run('hello', { gate: 1 });
    await inFlight(1);
    expect((await serving.run('hello', 'short')).status).toBe(200);
    expect(serving.worker.inFlight).toBe(1);
    await openGates(2);
    await long;
  });

  test('are paused when they have rested, and woken by a call', async () => {
    await serve({ pauseAfterMs: 10 });
    await serving.run('hello');
    await expect.poll(() => alive()[0]?.paused).toBe(true);
    await serving.run('hello');
    expect(serving.engine.made).toHaveLength(1);
    await expect.poll(() => alive()[0]?.pauses).toBe(2);
  });

  test('are paused right after the answer if so set', async () => {
    await serve({ pauseAfterMs: 0 });
    for (let round = 0; round < 50; round += 1) await serving.run('hello', round);
    expect(serving.engine.made).toHaveLength(1);
    expect(alive()[0]?.pauses).toBeGreaterThanOrEqual(49);
  });

  test('that die while idle are replaced with the next call', async () => {
    await serve();
    await serving.run('hello');
    alive()[0]?.die({ cause: 'signal', signal: 'SIGKILL' });
    expect((await serving.run('hello', 1)).status).toBe(200);
    expect(serving.engine.made.map((sandbox) => sandbox.spec.instance)).toEqual([0, 1]);
    expect(serving.logged).toContain('warn an idle instance ended');
  });
});

describe('the queue', () => {
  test('refuses at once what is too much, and says when to try again', async () => {
    await serve({ concurrencyMax: 1, queueMax: 3 });
    const answers = await gatedUntil(4, { calls: 8, instances: 1 });
    expect(statuses(answers)).toEqual([200, 200, 200, 200, 429, 429, 429, 429]);
    const refused = answers.find((answer) => answer.status === 429);
    expect(refused?.headers['retry-after']).toBe('1');
    expect(JSON.parse(refused?.text ?? '').errorType).toBe('Queue.Full');
  });

  test('of length 0 still lets cold starts through', async () => {
    await serve({ concurrencyMax: 2, queueMax: 0 });
    serving.engine.createMs = 5;
    const answers = await gatedUntil(2, { calls: 4, instances: 2 });
    expect(statuses(answers)).toEqual([200, 200, 429, 429]);
  });

  test('has a deadline; what waited too long was never run', async () => {
    await serve({ concurrencyMax: 1, queueWaitMsMax: 100 });
    await serving.run('hello');
    const long = serving.run('hello', { gate: 1 });
    await expect.poll(() => alive()[0]?.events.length, { interval: 1 }).toBe(2);
    const late = await serving.run('hello', 'late');
    expect(late.status).toBe(503);
    expect(JSON.parse(late.text).errorType).toBe('Queue.Timeout');
    expect(late.headers['retry-after']).toBe('1');
    await openGates();
    expect((await long).status).toBe(200);
    expect(serving.engine.made.flatMap((sandbox) => sandbox.events)).not.toContain('"late"');
  });

  test('is left by a client that goes away, whose place is free again', async () => {
    await serve({ concurrencyMax: 1, queueMax: 1 });
    const long = serving.run('hello', { gate: 1 });
    await expect.poll(() => alive()[0]?.events.length, { interval: 1 }).toBe(1);
    const abort = new AbortController();
    const leaving = serving.run('hello', 'left', abort.signal).catch(() => 'left');
    await inFlight(2);
    expect((await serving.run('hello', 'refused')).status).toBe(429);
    abort.abort();
    expect(await leaving).toBe('left');
    await inFlight(1);
    const served = serving.run('hello', 'served');
    await inFlight(2);
    await openGates();
    expect(statuses(await Promise.all([long, served]))).toEqual([200, 200]);
    expect(serving.engine.made.flatMap((sandbox) => sandbox.events)).not.toContain('"left"');
  });

  test('serves first come, first served', async () => {
    await serve({ concurrencyMax: 1 });
    const done: number[] = [];
    const calls: Promise<unknown>[] = [serving.run('hello', { gate: 1 })];
    for (let n = 0; n < 5; n += 1) {
      await inFlight(n + 1);
      calls.push(serving.run('hello', n).then(() => done.push(n)));
    }
    await inFlight(6);
    await openGates();
    await Promise.all(calls);
    expect(done).toEqual([0, 1, 2, 3, 4]);
  });
});

describe('a client that closes its side before the answer', () => {
  function halfClosed(event: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port: serving.port, host: '127.0.0.1', allowHalfOpen: true });
      let text = '';
      socket.on('data', (piece) => {
        text += piece.toString();
      });
      socket
        .on('error', reject)
        .on('close', () => resolve(text))
        .on('end', () => socket.destroy());
      socket.end(`POST /runLambda/hello HTTP/1.1\r\nHost: a\r\nContent-Length: ${event.length}\r\n\r\n${event}`);
    });
  }

  test('has gone away and frees its place, but is told so if it listens still', async () => {
    await serve({ concurrencyMax: 1, queueMax: 1 });
    const long = serving.run('hello', { gate: 1 });
    await expect.poll(() => alive()[0]?.events.length, { interval: 1 }).toBe(1);
    const text = await halfClosed('"left"');
    expect(text).toMatch(/^HTTP\/1.1 400 Bad Request\r\n.*"errorType":"Request.HalfClosed"/s);
    expect(text.match(/HTTP\/1.1/g)).toHaveLength(1);
    await inFlight(1);
    const next = serving.run('hello', 'next');
    await inFlight(2);
    await openGates();
    expect(statuses(await Promise.all([next, long]))).toEqual([200, 200]);
    expect(serving.engine.made.flatMap((sandbox) => sandbox.events)).not.toContain('"left"');
  });

  test('in the middle of its event has sent no valid request', async () => {
    await serve();
    const socket = connect({ port: serving.port, host: '127.0.0.1', allowHalfOpen: true });
    socket.end('POST /runLambda/hello HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{"');
    const text = await new Promise<string>((resolve) => socket.once('data', (data) => resolve(data.toString())));
    socket.destroy();
    expect(text).toMatch(/^HTTP\/1.1 400 Bad Request\r\n.*"errorType":"Request.Invalid"/s);
  });
});

describe.each([false, true])('a snapshot that was deleted under the worker (sandboxes of a pool: %s)', (pooled) => {
  const deleteSnapshots = (...names: string[]) => {
    const code = join(serving.home, 'code');
    for (const name of names.length > 0 ? names : readdirSync(code)) rmSync(join(code, name), { recursive: true });
  };

  async function serveOne(): Promise<void> {
    await serve({ concurrencyMax: 8 });
    serving.engine.pooled = pooled;
    expect((await serving.run('hello')).status).toBe(200);
  }

  test('is copied again, and no caller hears of it', async () => {
    await serveOne();
    deleteSnapshots();
    const answers = await Promise.all(times(8, () => serving.run('hello', { sleep: 30 })));
    expect(statuses(answers)).toEqual(times(8, () => 200));
    expect(serving.logged).toContain('warn the copy of a lambda was deleted under the worker; it is made again');
    expect(readdirSync(join(serving.home, 'code')).filter((name) => !name.startsWith('.'))).toHaveLength(1);
  });

  test('is copied again though the directory of all snapshots went with it', async () => {
    await serveOne();
    rmSync(join(serving.home, 'code'), { recursive: true });
    const answers = await Promise.all(times(4, () => serving.run('hello', { sleep: 30 })));
    expect(statuses(answers)).toEqual(times(4, () => 200));
  });

  test('leaves no instance behind that lives on what was deleted', async () => {
    await serveOne();
    const long = serving.run('hello', { gate: 1 });
    await expect.poll(() => alive()[0]?.events.length, { interval: 1 }).toBe(2);
    deleteSnapshots();
    await Promise.all(times(3, () => serving.run('hello', { sleep: 30 })));
    for (const sandbox of alive()) sandbox.openGate();
    await long;
    await expect.poll(() => alive().some((sandbox) => sandbox.spec.instance === 0)).toBe(false);
  });

  test('does no harm when its lambda has changed or gone in the meantime', async () => {
    await serveOne();
    deleteSnapshots();
    serving.lambda('hello', 'def handler(event): return 2');
    expect((await serving.run('hello')).status).toBe(200);
    deleteSnapshots();
    rmSync(join(serving.home, 'registry/hello'), { recursive: true });
    expect((await serving.run('hello')).status).toBe(404);
    serving.lambda('hello');
    expect((await serving.run('hello')).status).toBe(200);
  });

  test('is not copied for ever when it is deleted each time', async () => {
    await serveOne();
    const realCreate = serving.engine.create.bind(serving.engine);
    let creations = 0;
    serving.engine.create = (spec) => {
      creations += 1;
      rmSync(spec.codeDir as string, { recursive: true, force: true });
      return realCreate(spec);
    };
    alive()[0]?.die({ cause: 'exit', status: 1 });
    expect((await serving.run('hello')).status).toBeGreaterThanOrEqual(500);
    expect(creations).toBe(3);
    serving.engine.create = realCreate;
    expect((await serving.run('hello')).status).toBe(200);
  });
});

describe('failures', () => {
  test('a call that takes too long is cut, and its sandbox with it', async () => {
    await serve({ timeoutMs: 500 });
    const answer = await serving.run('hello', { hang: 1 });
    expect(answer.status).toBe(504);
    expect(JSON.parse(answer.text)).toMatchObject({
      errorType: 'Sandbox.Timedout',
      errorMessage: 'Task timed out after 0.50 seconds',
    });
    await expect.poll(() => alive()).toEqual([]);
    expect((await serving.run('hello')).status).toBe(200);
  });

  test('a sandbox that cannot be made is one caller’s failure, and nobody tries in a loop', async () => {
    await serve();
    serving.engine.failures = 1;
    const answer = await serving.run('hello');
    expect(answer.status).toBe(500);
    expect(JSON.parse(answer.text)).toMatchObject({
      errorType: 'Sandbox.Failed',
      errorMessage: 'no sandbox today (step: attach code)',
    });
    await delay(50);
    expect(serving.engine.made).toHaveLength(1);
    expect((await serving.run('hello')).status).toBe(200);
  });

  test('while none can be made, each caller is told, and as many tries are made as callers', async () => {
    await serve();
    serving.engine.createMs = 5;
    serving.engine.failures = 1000;
    const answers = await Promise.all(times(10, () => serving.run('hello')));
    expect(statuses(answers)).toEqual(times(10, () => 500));
    expect(serving.engine.made.length).toBeLessThanOrEqual(10);
    serving.engine.failures = 0;
    expect((await serving.run('hello')).status).toBe(200);
  });

  test('code that failed to load gets a fresh sandbox with the next call', async () => {
    await serve();
    expect((await serving.run('hello', { init: 1 })).status).toBe(500);
    expect((await serving.run('hello', 1)).status).toBe(200);
    expect(serving.engine.made).toHaveLength(2);
  });
});

describe('code', () => {
  test('that has changed gets new instances; what is in flight ends on the old', async () => {
    await serve();
    const old = serving.run('hello', { gate: 1 });
    await expect.poll(() => alive()[0]?.events.length, { interval: 1 }).toBe(1);
    serving.lambda('hello', '# new');
    expect((await serving.run('hello', 1)).status).toBe(200);
    const [first, second] = serving.engine.made;
    expect(second?.spec.codeDir).not.toBe(first?.spec.codeDir);
    expect(first?.gone).toBe(false);
    first?.openGate();
    expect((await old).status).toBe(200);
    await expect.poll(() => first?.gone).toBe(true);
  });

  test('that has gone takes its idle instances along, without a request; numbers go on when it comes back', async () => {
    await serve();
    await serving.run('hello');
    const dir = join(serving.home, 'registry', 'hello');
    rmSync(dir, { recursive: true });
    await expect.poll(() => alive()).toEqual([]);
    expect((await serving.run('hello')).status).toBe(404);
    serving.lambda('hello');
    expect((await serving.run('hello')).status).toBe(200);
    expect(alive()[0]?.spec.instance).toBe(1);
  });

  test('that goes while calls wait for it still serves them', async () => {
    await serve({ concurrencyMax: 1 });
    const calls = times(4, () => serving.run('hello', { gate: 1 }));
    await inFlight(4);
    await expect.poll(() => alive()[0]?.events.length, { interval: 1 }).toBe(1);
    renameSync(join(serving.home, 'registry', 'hello'), join(serving.home, 'away'));
    expect((await serving.run('hello')).status).toBe(404);
    alive()[0]?.openGate();
    expect(statuses(await Promise.all(calls))).toEqual([200, 200, 200, 200]);
    await expect.poll(() => alive()).toEqual([]);
  });

  test('that is broken is told so to each caller, and works once mended', async () => {
    await serve();
    const dir = join(serving.home, 'registry', 'half');
    mkdirSync(dir);
    expect((await serving.run('half')).status).toBe(500);
    writeFileSync(join(dir, 'f.py'), 'def f(event): pass');
    expect((await serving.run('half')).status).toBe(200);
  });
});

describe('the budget of the worker', () => {
  test('is never exceeded; the instance idle longest makes room', async () => {
    await serve({ instancesMax: 3 });
    for (const name of ['a', 'b', 'c', 'd']) serving.lambda(name);
    for (const name of ['a', 'b', 'c', 'a', 'd']) expect((await serving.run(name)).status).toBe(200);
    expect(serving.engine.peak).toBeLessThanOrEqual(3);
    expect(
      alive()
        .map((sandbox) => sandbox.spec.lambda)
        .sort(),
    ).toEqual(['a', 'c', 'd']);
  });

  test('is shared: a greedy lambda does not starve another', async () => {
    await serve({ instancesMax: 4, concurrencyMax: 4 });
    serving.lambda('greedy');
    serving.lambda('modest');
    let stop = false;
    let served = 0;
    const greedy = times(20, async () => {
      while (!stop) {
        await serving.run('greedy', { sleep: 20 });
        served += 1;
      }
    });
    await expect.poll(() => served).toBeGreaterThan(8);
    for (let round = 0; round < 5; round += 1) {
      const before = served;
      expect((await serving.run('modest', round)).status).toBe(200);
      // Each of the others had its turn, and none had many.
      expect(served - before).toBeLessThan(40);
    }
    stop = true;
    await Promise.all(greedy);
    expect(serving.engine.peak).toBeLessThanOrEqual(4);
  });

  test('of a single instance goes round', async () => {
    await serve({ instancesMax: 1 });
    const names = ['a', 'b', 'c'];
    for (const name of names) serving.lambda(name);
    const answers = await Promise.all(times(30, (n) => serving.run(names[n % 3] as string, { sleep: 2 })));
    expect(statuses(answers)).toEqual(times(30, () => 200));
    expect(serving.engine.peak).toBe(1);
  });
});

describe('a worker that stops', () => {
  test('answers what is in flight and what waits, and refuses what comes', async () => {
    await serve({ concurrencyMax: 1 });
    const calls = times(3, () => serving.run('hello', { gate: 1 }));
    await inFlight(3);
    const drained = serving.worker.drain(60_000);
    const late = await serving.run('hello', 'late');
    expect(late.status).toBe(503);
    expect(JSON.parse(late.text).errorType).toBe('Worker.Stopping');
    await openGates();
    expect(await drained).toBe(true);
    expect(statuses(await Promise.all(calls))).toEqual([200, 200, 200]);
    expect(await serving.send('GET', '/status')).toMatchObject({ status: 503, text: 'stopping\n' });
  });

  test('cuts what outlasts the grace time, and says so to its caller', async () => {
    await serve({ concurrencyMax: 1 });
    const calls = times(3, () => serving.run('hello', { hang: 1 }));
    await inFlight(3);
    expect(await serving.worker.drain(20)).toBe(false);
    await serving.worker.close();
    for (const answer of await Promise.all(calls)) {
      expect(answer.status).toBe(503);
      expect(JSON.parse(answer.text).errorType).toBe('Worker.Stopping');
    }
  });

  test('closes its connections once they are idle', async () => {
    await serve();
    await serving.run('hello');
    const call = serving.run('hello', { gate: 1 });
    await inFlight(1);
    const closed = serving.listener.close(60_000);
    await openGates();
    // Long before it would cut them.
    await closed;
    expect((await call).status).toBe(200);
  });
});
