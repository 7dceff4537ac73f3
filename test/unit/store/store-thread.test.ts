import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { StoreThread } from '../../../src/store/store-thread.ts';
import { QueueFile, scratch, T0 } from './queue-file.ts';
import { useThreadProgram } from './thread-program.ts';

const program = useThreadProgram();

interface Logged {
  level: string;
  message: string;
}

function start(path: string, thread = program.path): { store: StoreThread<'queue'>; logged: Logged[] } {
  const logged: Logged[] = [];
  const log = (level: string, message: string) => void logged.push({ level, message });
  const options = { path, jobsMax: 10_000, bytesMax: 100_000_000, deadMax: 10 };
  const store = new StoreThread({ program: thread, order: { store: 'queue', options }, log });
  onTestFinished(() => store.close());
  return { store, logged };
}

function add(store: StoreThread<'queue'>, id: string, event = '{}') {
  const bytes = new Uint8Array(Buffer.from(event));
  const job = { id, lambda: 'a', trigger: 'pubsub', event: bytes, key: undefined, context: undefined, nowMs: T0 };
  return store.ask('enqueue', job, [bytes.buffer]);
}

describe('a store in a thread', () => {
  it('has on the disk what it has answered for', async () => {
    const path = join(scratch(), 'queue.db');
    const { store, logged } = start(path);
    const ids = Array.from({ length: 500 }, (_, n) => `job-${n}`);
    await Promise.all(ids.map((id) => add(store, id, `"${id}"`)));
    const other = await QueueFile.open({ path });
    other.enter();
    const { jobs } = other.take('s1', { total: 1000, otherRoom: 1000 });
    expect(jobs.map(({ id }) => id)).toEqual(ids);
    expect(jobs.map(({ event }) => Buffer.from(event).toString())).toEqual(ids.map((id) => `"${id}"`));
    expect(logged).toEqual([]);
  });

  it('refuses one of many that came together, and keeps the others', async () => {
    const { store } = start(join(scratch(), 'queue.db'));
    const answers = await Promise.allSettled([add(store, 'x'), add(store, 'y', 'nope'), add(store, 'z')]);
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(answers[1]).toMatchObject({ reason: { name: 'Failure', code: 'event-invalid' } });
    expect((await store.ask('totals', {})).queued.count).toBe(2);
  });

  it('takes back what a fault of the program has written, and tells it as one', async () => {
    const { store } = start(join(scratch(), 'queue.db'));
    const [first, twin] = await Promise.allSettled([add(store, 'x'), add(store, 'x')]);
    expect(first?.status).toBe('fulfilled');
    expect(twin).toMatchObject({ reason: { name: 'Error', message: expect.stringMatching(/^enqueue: .*UNIQUE/) } });
    expect((await store.ask('totals', {})).queued).toEqual({ count: 1, bytes: 2 });
  });

  it('answers all that was asked before it closes, and nothing after', async () => {
    const { store } = start(join(scratch(), 'queue.db'));
    const asked = Promise.all([add(store, 'x'), add(store, 'y')]);
    await store.close();
    expect(await asked).toEqual([
      { id: 'x', isNew: true },
      { id: 'y', isNew: true },
    ]);
    await expect(add(store, 'z')).rejects.toMatchObject({ code: 'stopping' });
    await store.close();
  });

  it('says why it can not be opened, and is opened again when that is mended', async () => {
    const dir = scratch();
    const path = join(dir, 'queue.db');
    mkdirSync(path);
    const { store, logged } = start(path);
    await expect(add(store, 'x')).rejects.toThrow(/can not make .*queue.db: .*directory/i);
    rmdirSync(path);
    await expect.poll(() => add(store, 'x')).toMatchObject({ isNew: true });
    expect(logged.map(({ level }) => level)).toEqual(['error']);
  });

  it.each(['exit', 'throw', 'late'])(
    'whose thread dies alone (%s) tells all who wait, starts again, and has what it had answered for',
    async (how) => {
      const path = join(scratch(), 'queue.db');
      const { store, logged } = start(path, program.mortal);
      await add(store, 'before');
      writeFileSync(`${path}.${how}`, '');
      const cut = await Promise.allSettled([add(store, 'deadly'), add(store, 'y'), store.ask('totals', {})]);
      for (const one of cut) {
        // Who was answered in time knows; all others are told, and nobody is told what is not so.
        if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'store-unavailable' });
        else expect(how).toBe('late');
      }
      await expect.poll(() => logged.map(({ message }) => message)).toEqual(['the thread of a store has ended']);
      // Asked within a second of its start it is not started again: one that dies at once would keep the machine busy.
      await expect.poll(() => add(store, 'after'), { timeout: 10_000 }).toMatchObject({ isNew: true });
      const ids = ['before', 'after', ...(how === 'late' ? ['deadly', 'y'] : [])];
      expect((await store.ask('totals', {})).queued.count).toBe(ids.length);
      for (const id of ids) expect(await store.ask('look', { id }), id).toMatchObject({ state: 'queued' });
      expect(logged).toHaveLength(1);
    },
  );

  it('leaves a file alone that is no database', async () => {
    const path = join(scratch(), 'queue.db');
    writeFileSync(path, 'somebody else’s words, long enough to be taken for a header of a database\n'.repeat(100));
    const { store } = start(path);
    await expect(add(store, 'x')).rejects.toMatchObject({
      code: 'store-unavailable',
      message: expect.stringMatching(/queue of asynchronous calls .*queue\.db: file is not a database/),
    });
  });
});
