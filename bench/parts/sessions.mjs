/**
 * Live code sessions through the gateway: created and first cell, cells over HTTP and WebSocket, forks, and as many idle
 * ones as fit beside busy ones. The peer is what a session would be without zygotes: a Python that starts.
 */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { availableMb, count, pause, pythonTimes, withWorker } from '../bed.mjs';
import { GatewayClient } from '../gateway-client.mjs';
import { round, summary } from '../stats.mjs';

const GROUP = 'sessions';
const GAP_MS = 150;
const COUNT = 40;
const CELLS = 500;
const STATE_MB = 100;
const IDLE = 500;
const BUSY = 50;
const BUSY_MS = 5_000;
const AT_ONCE = 4;
const FLOOR = 'python3 -c pass';
const KEYS = { accessKey: 'AKIAIOSFODNN7BENCH00', secretKey: 'bench-bench-bench-bench-bench-bench-benc' };
/** Of Backend.AI's kind: a key that may have so many sessions and calls. */
const FIXTURE = {
  keypair_resource_policies: [{ name: 'bench', max_concurrent_sessions: 10_000, idle_timeout: 3_600 }],
  users: [{ email: 'bench@localhost', uuid: '00000000-0000-4000-8000-000000000000', role: 'superadmin' }],
  keypairs: [
    {
      user_id: 'bench@localhost',
      access_key: KEYS.accessKey,
      secret_key: KEYS.secretKey,
      resource_policy: 'bench',
      rate_limit: 10_000_000,
      is_active: true,
      is_admin: true,
    },
  ],
};

export async function measureSessions(figures) {
  figures.add(GROUP, FLOOR, await pythonTimes(COUNT, GAP_MS));
  const settings = { sessions_max: IDLE + BUSY + 10, instances_memory_mb: 16_000, limits: { memory_mb: 512 } };
  await withWorker(settings, async ({ cluster, admin }) => {
    const fixture = join(cluster, 'fixture.json');
    writeFileSync(fixture, JSON.stringify(FIXTURE));
    const { stdout } = await admin('gateway', '--port=0', `--fixture=${fixture}`);
    const port = Number(/port (\d+)/.exec(stdout)?.[1]);
    const client = new GatewayClient(port, KEYS);
    try {
      await joined(client);
      await measureOne(figures, client);
      await measureFork(figures, client);
      await measureIdle(figures, client);
      await measureBusy(figures, client, port);
    } finally {
      client.close();
    }
  });
}

/** The worker sees the gateway's file and opens its connection. */
async function joined(client) {
  for (let left = 100; left > 0; left -= 1) {
    const { languages } = await client.call('GET', '/languages');
    if (languages?.length > 0) return;
    await pause(100);
  }
  throw new Error('no worker has joined the gateway');
}

async function measureOne(figures, client) {
  const created = [];
  for (let n = 0; n < COUNT; n += 1) {
    await pause(GAP_MS);
    const began = performance.now();
    await client.call('POST', '/kernel', { clientSessionToken: `first-${n}`, lang: 'python', config: {} });
    await cell(client, `first-${n}`, '1 + 1');
    created.push(performance.now() - began);
  }
  figures.add(GROUP, 'created, and the first cell answered', created, { floor: FLOOR, want: 'p50 of 10 ms' });
  const http = await timed(CELLS, () => cell(client, 'first-0', 'x = 1'));
  figures.add(GROUP, 'a cell over HTTP', http, { floor: FLOOR });
  const stream = await client.stream('first-0');
  await timed(CELLS, () => stream.run('x = 1'));
  const socket = await timed(CELLS, () => stream.run('x = 1'));
  stream.close();
  figures.add(GROUP, 'a cell over a WebSocket', socket, { floor: FLOOR, want: 'p50 of 1 ms' });
  for (let n = 0; n < COUNT; n += 1) await client.call('DELETE', `/kernel/first-${n}`);
}

async function measureFork(figures, client) {
  await client.call('POST', '/kernel', { clientSessionToken: 'large', lang: 'python', config: {} });
  await cell(client, 'large', `state = bytearray(b"x") * ${STATE_MB * 1_048_576}`);
  const times = [];
  for (let n = 0; n < 20; n += 1) {
    const began = performance.now();
    await client.call('POST', '/session/large/fork', { token: `fork-${n}` });
    times.push(performance.now() - began);
    const { result } = await cell(client, `fork-${n}`, 'len(state)');
    if (!JSON.stringify(result.console).includes(String(STATE_MB * 1_048_576)))
      throw new Error('a fork lost its state');
    await client.call('DELETE', `/kernel/fork-${n}`);
  }
  figures.add(GROUP, `fork of ${STATE_MB} MB`, times, { floor: FLOOR, want: 'p50 of 20 ms' });
  await client.call('DELETE', '/kernel/large');
}

async function measureIdle(figures, client) {
  const before = availableMb();
  const names = count(IDLE, (n) => `idle-${n}`);
  const began = performance.now();
  await shared(names, AT_ONCE, async (name) => {
    await client.call('POST', '/kernel', { clientSessionToken: name, lang: 'python', config: {} });
    await cell(client, name, 'x = 1');
  });
  const perSecond = Math.round((1_000 * IDLE) / (performance.now() - began));
  figures.add(
    'many sessions',
    `created one after the other by ${AT_ONCE} clients`,
    { n: IDLE, value: perSecond },
    { unit: 'per second' },
  );
  await pause(1_000);
  const value = round(before - availableMb());
  figures.add('many sessions', `${IDLE} idle ones`, { value }, { unit: 'MB', want: 'at most 4096' });
}

async function measureBusy(figures, client, port) {
  const names = count(BUSY, (n) => `busy-${n}`);
  for (const name of names)
    await client.call('POST', '/kernel', { clientSessionToken: name, lang: 'python', config: {} });
  const workerData = { port, keys: KEYS, names, code: 'sum(i * i for i in range(20000))', busyMs: BUSY_MS };
  const load = new Worker(new URL('../busy-sessions.mjs', import.meta.url), { workerData });
  const ended = once(load, 'message');
  const until = performance.now() + BUSY_MS;
  const calls = [];
  while (performance.now() < until) {
    const since = performance.now();
    await client.call('GET', '/kernel/idle-0');
    calls.push(performance.now() - since);
    await pause(20);
  }
  await ended;
  const told = summary(calls);
  figures.add('calls of the gateway', `while ${BUSY} sessions are busy`, told, { want: 'p99 of 50 ms' });
}

function cell(client, session, code) {
  return client.call('POST', `/kernel/${session}`, { mode: 'query', code, runId: null });
}

async function timed(number, act) {
  const times = [];
  for (let n = 0; n < number; n += 1) {
    const began = performance.now();
    await act();
    times.push(performance.now() - began);
  }
  return times;
}

async function shared(names, clients, act) {
  const left = [...names];
  const one = async () => {
    for (let name = left.shift(); name !== undefined; name = left.shift()) await act(name);
  };
  await Promise.all(Array.from({ length: clients }, one));
}
