/** Sessions of keys, with a real store and the real sessions of a machine; only kernels are scripted. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Failure } from '../../../src/config/failure.ts';
import { apiVersionOf } from '../../../src/gateway/api-version.ts';
import { readWanted } from '../../../src/gateway/create-params.ts';
import { EventLog } from '../../../src/gateway/event-log.ts';
import { KeyRing } from '../../../src/gateway/key-ring.ts';
import { OneShots } from '../../../src/gateway/one-shots.ts';
import { Params } from '../../../src/gateway/params.ts';
import { SessionBook } from '../../../src/gateway/session-book.ts';
import { Sessions } from '../../../src/gateway/sessions.ts';
import { deferred } from '../../../src/lib/deferred.ts';
import { SqliteStore } from '../../../src/store/key-value/sqlite-store.ts';
import { scratchDir } from '../scratch-dir.ts';
import { type ScriptedPackages, scriptedHost } from '../session/scripted-host.ts';
import { useThreadProgram } from '../store/thread-program.ts';

const program = useThreadProgram();

async function gateway(packages?: ScriptedPackages, endedMax?: number) {
  const dir = mkdtempSync(join(scratchDir(), 'isla-sessions-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const store = new SqliteStore({ program: program.path, path: join(dir, 'gateway.db'), log: () => {} });
  await store.open();
  onTestFinished(() => store.close());
  const keys = await KeyRing.open(store, () => {});
  const owner = await keys.makeAdmin('a@b');
  const book = await SessionBook.open(store, () => {}, endedMax);
  const host = Object.assign(scriptedHost(10, packages).host, { agentOf: () => 'a' });
  const events = new EventLog('life');
  const told: string[] = [];
  events.listen(({ name }) => told.push(name));
  const sessions = new Sessions({ book, keys, host, events, oneShots: new OneShots() });
  host.onEvent((event) => {
    if (event.kind === 'ended') sessions.end(event.session, event.facts.ending);
  });
  const ask = (clientSessionToken: string, config = {}) =>
    sessions.getOrCreate(
      owner,
      readWanted(new Params({ clientSessionToken, image: 'python', config }), apiVersionOf({}, undefined)),
    );
  return { host, sessions, owner, book, told, ask };
}

test('one that is ended twice while it is being made ends once, and leaves its token to the next', async () => {
  const installing = [deferred<void>(), deferred<void>()];
  let asked = 0;
  const { sessions, ask, owner, told } = await gateway({ obtain: () => installing[asked++]!.promise });
  const { session } = await ask('mine', { requirements: 'large' });
  const ends = [sessions.destroy(session, 'user-requested'), sessions.destroy(session, 'user-requested')];
  const next = ask('mine', { requirements: 'large' });
  await expect.poll(() => asked).toBe(1);
  installing[0]!.reject(new Failure('packages-failed', 'there are none'));
  expect(await Promise.all(ends)).toEqual([undefined, undefined]);
  const { session: second, created } = await next;
  expect([created, sessions.find(owner, 'mine')]).toEqual([true, second]);
  expect(told.filter((name) => /terminating|cancelled|terminated/.test(name))).toEqual([
    'kernel_terminating',
    'kernel_cancelled',
  ]);
  await expect.poll(() => asked).toBe(2);
  installing[1]!.resolve();
  expect(await second.started).toBeUndefined();
});

test('one that could not be ended is there for who asks for it again, and keeps nobody waiting', async () => {
  const { host, sessions, ask } = await gateway();
  const { session } = await ask('mine');
  await session.started;
  const stuck = deferred<never>();
  const destroy = host.destroy.bind(host);
  host.destroy = () => stuck.promise;
  const ending = sessions.destroy(session, 'user-requested');
  const again = ask('mine');
  stuck.reject(new Failure('unreachable', 'its agent does not answer'));
  await expect(ending).rejects.toMatchObject({ code: 'unreachable' });
  expect(await again).toEqual({ session, created: false });
  expect(session.record.status).toBe('RUNNING');
  host.destroy = destroy;
  await sessions.destroy(session, 'user-requested');
  expect(session.record.status).toBe('TERMINATED');
});

test('of those that have ended only so many are known, and of each no more than what became of it', async () => {
  const { sessions, ask, owner, book } = await gateway(undefined, 2);
  const environ = { LARGE: 'x'.repeat(60_000) };
  const ids: string[] = [];
  for (const token of ['first', 'second', 'third']) {
    const { session } = await ask(token, { environ });
    await sessions.destroy(session, 'user-requested');
    ids.push(session.record.id);
  }
  expect(ids.map((id) => book.recordOf(id)?.token)).toEqual([undefined, 'second', 'third']);
  expect(() => sessions.findKnown(owner, 'first')).toThrow('No such kernel');
  expect(sessions.findKnown(owner, 'third')).toMatchObject({ status: 'TERMINATED', environ: {}, facts: null });
});
