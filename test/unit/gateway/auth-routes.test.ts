/** Passwords and tokens, with a real store; calls are requests that nobody has sent. */
import { EventEmitter } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ApiCall } from '../../../src/gateway/api-call.ts';
import type { ApiProblem } from '../../../src/gateway/api-problem.ts';
import { apiVersionOf } from '../../../src/gateway/api-version.ts';
import { authRoutes } from '../../../src/gateway/auth-routes.ts';
import { KeyRing } from '../../../src/gateway/key-ring.ts';
import { TOKENS_MAX } from '../../../src/gateway/limits.ts';
import { ANONYMOUS_RATE } from '../../../src/gateway/rate-limit.ts';
import { BodyMemory } from '../../../src/http/body-memory.ts';
import { SqliteStore } from '../../../src/store/key-value/sqlite-store.ts';
import { scratchDir } from '../scratch-dir.ts';
import { useThreadProgram } from '../store/thread-program.ts';

const program = useThreadProgram();

/** A store that can be opened again once it is closed. */
function newStore(): () => Promise<SqliteStore> {
  const dir = mkdtempSync(join(scratchDir(), 'isla-auth-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return async () => {
    const store = new SqliteStore({ program: program.path, path: join(dir, 'gateway.db'), log: () => {} });
    await store.open();
    onTestFinished(() => store.close());
    return store;
  };
}

async function openKeys(): Promise<KeyRing> {
  return KeyRing.open(await newStore()(), () => {});
}

function callFrom(address: string): ApiCall {
  const socket = Object.defineProperty(new Socket(), 'remoteAddress', { value: address });
  const incoming = new IncomingMessage(socket);
  incoming.push(null);
  const bodies = new BodyMemory({ bodyBytesMax: 1_000 });
  const version = apiVersionOf({}, undefined);
  return new ApiCall({ incoming, requestId: 'r', ending: new EventEmitter(), names: {}, version, bodies });
}

test('passwords can not be guessed for long from one address', async () => {
  const route = authRoutes(await openKeys()).find(({ path }) => path === '/auth/authorize');
  const tried = async (address: string) => {
    try {
      return String(await route?.run(callFrom(address)));
    } catch (error) {
      return (error as ApiProblem).slug;
    }
  };
  for (let count = 0; count < ANONYMOUS_RATE.limit; count += 1) {
    expect(await tried('192.0.2.1')).toBe('invalid-api-params');
  }
  expect(await tried('192.0.2.1')).toBe('rate-limit-exceeded');
  expect(await tried('192.0.2.2')).toBe('invalid-api-params');
});

test('a key has so many tokens at a time, and those that have expired are no more', async () => {
  const keys = await openKeys();
  const pair = await keys.makeAdmin('a@example.com');
  const other = await keys.makeAdmin('b@example.com');
  const short = await Promise.all(Array.from({ length: TOKENS_MAX - 1 }, () => keys.makeToken(pair, 1)));
  const [{ token = '' } = {}] = short;
  await expect.poll(() => keys.byToken(token)).toBeUndefined();
  for (let count = 0; count < TOKENS_MAX; count += 1) await keys.makeToken(pair, 60_000);
  await expect(keys.makeToken(pair, 60_000)).rejects.toMatchObject({ slug: 'quota-exceeded' });
  const { token: good } = await keys.makeToken(other, 60_000);
  expect(keys.byToken(good)).toEqual(other);
});

test('a token makes no other tokens, which would outlive it', async () => {
  const keys = await openKeys();
  const route = authRoutes(keys).find(({ method, path }) => method === 'POST' && path === '/auth/token');
  const call = callFrom('192.0.2.1');
  call.pair = await keys.makeAdmin('a@example.com');
  call.byToken = true;
  await expect(route?.run(call)).rejects.toMatchObject({ slug: 'generic-forbidden' });
  call.byToken = false;
  expect((await route?.run(call))?.status).toBe(201);
});

test('how often a key is used outlives the gateway', async () => {
  const open = newStore();
  const first = await open();
  const keys = await KeyRing.open(first, () => {});
  const pair = await keys.makeAdmin('a@example.com');
  for (let count = 0; count < 3; count += 1) keys.use(pair);
  await keys.close();
  await first.close();
  expect((await KeyRing.open(await open(), () => {})).useOf(pair)).toEqual({
    lastUsedMs: expect.any(Number),
    queries: 3,
  });
});
