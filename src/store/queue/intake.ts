/** Events come in: within the bounds, and once for each `Idempotency-Key`. */
import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { Failure } from '../../config/failure.ts';
import type { Database } from '../database.ts';
import { KEY_KEPT_MS, KEYS_MAX } from './limits.ts';
import type { QueueOptions } from './open.ts';

export interface NewJob {
  id: string;
  lambda: string;
  /** What made the call, by OpenTelemetry's names. */
  trigger: string;
  event: Uint8Array;
  key: string | undefined;
  /** JSON of what else its invocation has. */
  context: string | undefined;
  nowMs: number;
}

export interface Accepted {
  /** The call's own, or that of an earlier one with the same key. */
  id: string;
  isNew: boolean;
}

type Intake = Pick<QueueOptions, 'jobsMax' | 'bytesMax'>;

/** Takes an event in, within the bounds. Throws Failure `async-full`, `async-no-room`. */
export type AddJob = (job: Omit<NewJob, 'key'>) => void;

export function addJobTo(database: Database, { jobsMax, bytesMax }: Intake): AddJob {
  const held = database.prepare(
    "SELECT sum(count) AS jobs, sum(bytes) AS bytes FROM totals WHERE what IN ('queued', 'running')",
  );
  const addJob = database.prepare(
    `INSERT INTO jobs (id, lambda, state, trigger_kind, bytes, created_ms, due_ms, since_ms, context)
     VALUES (@id, @lambda, 'queued', @trigger, @bytes, @nowMs, @nowMs, @nowMs, @context)`,
  );
  const addEvent = database.prepare('INSERT INTO events (seq, body) VALUES (?, ?)');

  function needRoom(bytes: number): void {
    const now = held.get() as { jobs: number; bytes: number };
    if (now.jobs >= jobsMax) {
      throw new Failure('async-full', `${now.jobs} asynchronous calls wait already; try again later.`);
    }
    if (now.bytes + bytes > bytesMax) {
      throw new Failure('async-no-room', `The events of asynchronous calls have ${now.bytes} of ${bytesMax} bytes.`);
    }
  }

  return ({
    id,
    lambda,
    trigger,
    event,
    context = null,
    nowMs,
  }: Omit<NewJob, 'key' | 'context'> & { context?: unknown }) => {
    needRoom(event.length);
    const bytes = event.length;
    const { lastInsertRowid } = addJob.run({ id, lambda, trigger, bytes, nowMs, context });
    addEvent.run(lastInsertRowid, event);
  };
}

export function intakeOps(database: Database, add: AddJob) {
  const keys = database.prepare("SELECT count FROM totals WHERE what = 'keys'").pluck();
  const known = database.prepare('SELECT id, digest, created_ms FROM keys WHERE lambda = ? AND key = ?');
  const forget = database.prepare('DELETE FROM keys WHERE lambda = ? AND key = ?');
  const forgetOldest = database.prepare(
    'DELETE FROM keys WHERE (lambda, key) = (SELECT lambda, key FROM keys ORDER BY created_ms LIMIT 1)',
  );
  const keep = database.prepare('INSERT INTO keys (lambda, key, id, digest, created_ms) VALUES (?, ?, ?, ?, ?)');

  /** The id of the call that has come with this key already. */
  function earlier({ lambda, key, nowMs }: NewJob & { key: string }, digest: Buffer): string | undefined {
    const row = known.get(lambda, key) as { id: string; digest: Buffer; created_ms: number } | undefined;
    if (row === undefined) return undefined;
    if (nowMs - row.created_ms >= KEY_KEPT_MS) {
      forget.run(lambda, key);
      return undefined;
    }
    if (row.digest.equals(digest)) return row.id;
    throw new Failure('idempotency-conflict', 'This Idempotency-Key came with another event before.');
  }

  return {
    enqueue: {
      check: ({ event }: NewJob) => needJson(event),
      run(job: NewJob): Accepted {
        const { key } = job;
        if (key === undefined) {
          add(job);
          return { id: job.id, isNew: true };
        }
        const digest = createHash('sha256').update(job.event).digest();
        const before = earlier({ ...job, key }, digest);
        if (before !== undefined) return { id: before, isNew: false };
        add(job);
        if ((keys.get() as number) >= KEYS_MAX) forgetOldest.run();
        keep.run(job.lambda, key, job.id, digest, job.nowMs);
        return { id: job.id, isNew: true };
      },
    },
  };
}

/** Nobody will be there to be told when it runs. */
function needJson(event: Uint8Array): void {
  const text = isUtf8(event) ? Buffer.from(event.buffer, event.byteOffset, event.length).toString() : undefined;
  try {
    if (text === undefined) throw new Error('it is not UTF-8');
    JSON.parse(text);
  } catch (error) {
    throw new Failure('event-invalid', `The event is not JSON: ${(error as Error).message}`);
  }
}
