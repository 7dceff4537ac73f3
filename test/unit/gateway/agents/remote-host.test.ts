/** Calls to an agent that is there and does not answer. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { RemoteHost } from '../../../../src/gateway/agents/remote-host.ts';
import { Peer } from '../../../../src/session/link/peer.ts';
import { specOf } from '../../session/scripted-host.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

function silentAgent() {
  const sent: string[] = [];
  const served = {
    call: () => Promise.reject(new Error('nobody calls')),
    open: () => Promise.reject(new Error('nobody calls')),
    note: () => {},
  };
  const peer = new Peer({ send: (frame) => sent.push(String(frame)), served, onFault: () => {} });
  return { peer, host: new RemoteHost('agent a', () => peer), sent };
}

test.each([
  ['info', (host: RemoteHost) => host.info('s'), 31_000],
  ['destroy', (host: RemoteHost) => host.destroy('s', 'user-requested'), 31_000],
  ['execute', (host: RemoteHost) => host.execute('s', { mode: 'query', code: '' }, 60_000), 91_000],
  ['upload', (host: RemoteHost) => host.upload('s', 'a', Buffer.from('a')), 121_000],
  ['fork', (host: RemoteHost) => host.fork('s', { id: 'f', idleTimeoutMs: 0, lifetimeMs: 0 }), 121_000],
  ['pty', (host: RemoteHost) => host.pty('s', { rows: 1, columns: 1 }), 31_000],
  [
    'stream',
    async (host: RemoteHost) => (await host.stream('s', { mode: 'query', code: '' }, () => true)).done,
    31_000,
  ],
  ['create', (host: RemoteHost) => host.create(specOf()), 1_201_000],
])('%s is given up in time, and the agent told so', async (method, call, afterMs) => {
  const { peer, host, sent } = silentAgent();
  const settled = call(host).then(
    () => 'answered',
    (error: unknown) => error,
  );
  await vi.advanceTimersByTimeAsync(afterMs - 2_000);
  expect(peer.waiting).toBe(1);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(await settled).toMatchObject({
    code: 'unreachable',
    message: expect.stringContaining(`agent a has not answered "${method}"`),
  });
  expect(peer.waiting).toBe(0);
  expect(sent.at(-1)).toContain('"drop"');
});

test('what the agent has opened may last as long as it likes', async () => {
  const { peer, host } = silentAgent();
  const stream = await host.stream('s', { mode: 'query', code: '' }, () => true);
  peer.take(Buffer.from(JSON.stringify(['opened', 1])), false);
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(peer.waiting).toBe(1);
  peer.take(Buffer.from(JSON.stringify(['ok', 1, null])), false);
  await stream.done;
});
