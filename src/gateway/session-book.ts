/** Which sessions there are and were, by owner and token and by id, in memory and in the store. */
import type { Failure } from '../config/failure.ts';
import type { Log } from '../lib/log.ts';
import type { SessionFacts } from '../session/host.ts';
import type { Store } from '../store/key-value/store.ts';
import { Cabinet } from './cabinet.ts';
import { ENDED_KEPT_MAX, ENDED_KEPT_MS } from './limits.ts';
import { isOver, ownKey, type SessionRecord } from './session-record.ts';

export interface Session {
  record: SessionRecord;
  /** Resolves when it runs, or has failed to. Never rejects. */
  started: Promise<Failure | undefined>;
  /** While its end is asked for: settles when that is answered. */
  ending?: Promise<SessionFacts | undefined> | undefined;
}

/** What is kept of one that has ended is whose it was, when, and why it ended: what it was made with may be large. */
const PUT_AWAY: Pick<SessionRecord, 'environ' | 'startupCommand' | 'facts'> = {
  environ: {},
  startupCommand: null,
  facts: null,
};

export class SessionBook {
  readonly #records: Cabinet<SessionRecord>;
  readonly #log: Log;
  /** Those that have not ended, by owner and token. */
  readonly #live = new Map<string, Session>();
  /** The last that has ended, by owner and token. */
  readonly #ended = new Map<string, SessionRecord>();
  readonly #byId = new Map<string, Session>();
  /** How those that have ended are forgotten, by id; the oldest first. */
  readonly #forgetting = new Map<string, () => void>();
  readonly #endedMax: number;

  private constructor(store: Store, log: Log, endedMax: number) {
    this.#records = new Cabinet(store, 'sessions');
    this.#log = log;
    this.#endedMax = endedMax;
  }

  /** With those of an earlier life of the gateway, whose agents have still to say whether they run. */
  static async open(store: Store, log: Log, endedMax = ENDED_KEPT_MAX): Promise<SessionBook> {
    const book = new SessionBook(store, log, endedMax);
    await book.#records.load();
    const records = [...book.#records.values()].sort((a, b) => (a.endedMs ?? 0) - (b.endedMs ?? 0));
    for (const record of records) {
      if (isOver(record)) book.#remember(record);
      // The gateway ended before it was heard that it runs: an agent that has it all the same is told to end it.
      else if (record.agent === null) book.#records.forget(record.id);
      else book.enter({ record: { ...record, status: 'RUNNING' }, started: Promise.resolve(undefined) });
    }
    return book;
  }

  /** Those that some agent has, as it knows them. */
  adopted(): { id: string; agent: string; facts: SessionFacts }[] {
    return this.all().flatMap(({ record: { id, agent, facts } }) => {
      return agent === null || facts === null ? [] : [{ id, agent, facts }];
    });
  }

  get size(): number {
    return this.#byId.size;
  }

  all(): Session[] {
    return [...this.#byId.values()];
  }

  byId(id: string): Session | undefined {
    return this.#byId.get(id);
  }

  /** Also of one that has ended, for a while. */
  recordOf(id: string): SessionRecord | undefined {
    return this.#byId.get(id)?.record ?? this.#records.get(id);
  }

  live(accessKey: string, token: string): Session | undefined {
    return this.#live.get(ownKey(accessKey, token));
  }

  lastEnded(accessKey: string, token: string): SessionRecord | undefined {
    return this.#ended.get(ownKey(accessKey, token));
  }

  enter(session: Session): Session {
    const { record } = session;
    this.#live.set(ownKey(record.accessKey, record.token), session);
    this.#byId.set(record.id, session);
    return session;
  }

  /** It has ended. */
  leave({ record }: Session): void {
    this.#byId.delete(record.id);
    this.#live.delete(ownKey(record.accessKey, record.token));
    Object.assign(record, PUT_AWAY);
    this.#remember(record);
    void this.write(record, ENDED_KEPT_MS);
  }

  /** Never rejects: a session runs whether or not it is written down. */
  write(record: SessionRecord, ttlMs?: number): Promise<void> {
    return this.#records.put(record.id, record, ttlMs).catch((err: unknown) => {
      this.#log('error', 'a session could not be written down', { session: record.id, err });
    });
  }

  #remember(record: SessionRecord): void {
    const key = ownKey(record.accessKey, record.token);
    this.#ended.set(key, record);
    const leftMs = (record.endedMs ?? 0) + ENDED_KEPT_MS - Date.now();
    const forget = () => {
      clearTimeout(timer);
      this.#forgetting.delete(record.id);
      if (this.#ended.get(key) === record) this.#ended.delete(key);
      this.#records.forget(record.id);
    };
    const timer = setTimeout(forget, Math.max(0, leftMs)).unref();
    this.#forgetting.set(record.id, forget);
    if (this.#forgetting.size > this.#endedMax) this.#forgetting.values().next().value?.();
  }
}
