/**
 * The sessions of all keys. A session is in the table from the moment in which it is asked for, so that two who ask for
 * the same token at once get the same one; it leaves the table when it has ended, and is remembered for a while.
 *
 * What is in memory is the truth while the gateway runs; the store is written beside it, so that a gateway that starts
 * again knows whose the sessions are that its agents still run.
 */
import { Failure } from '../config/failure.ts';
import { uuidV7 } from '../lib/uuid-v7.ts';
import type { EndReason, SessionEnding, SessionFacts, SessionHost, SessionSpec } from '../session/host.ts';
import { ApiProblem } from './api-problem.ts';
import type { Wanted } from './create-params.ts';
import type { EventLog, EventName } from './event-log.ts';
import { languageOf } from './images.ts';
import type { KeyPair } from './key-pair.ts';
import type { KeyRing } from './key-ring.ts';
import type { OneShots } from './one-shots.ts';
import type { Session, SessionBook } from './session-book.ts';
import type { SessionRecord, SessionStatus } from './session-record.ts';
import { specOf } from './session-spec.ts';

/** All agents as one. */
export interface Host extends SessionHost {
  /** Which of them has, or had, a session. */
  agentOf(session: string): string | undefined;
}

export interface SessionsOptions {
  book: SessionBook;
  keys: KeyRing;
  host: Host;
  events: EventLog;
  oneShots: OneShots;
}

export class Sessions {
  readonly #options: SessionsOptions;
  readonly #book: SessionBook;

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.#book = options.book;
  }

  /** Where all of them run, by their ids. */
  get host(): SessionHost {
    return this.#options.host;
  }

  get size(): number {
    return this.#book.size;
  }

  /** Those that have not ended; of one key if it is given. */
  list(accessKey?: string): SessionRecord[] {
    const all = this.#book.all().map(({ record }) => record);
    return accessKey === undefined ? all : all.filter((record) => record.accessKey === accessKey);
  }

  /** Throws ApiProblem `kernel-not-found`, with what became of it if that is known. */
  find(owner: KeyPair, token: string): Session {
    const session = this.#book.live(owner.accessKey, token);
    if (session !== undefined) return session;
    const ended = this.#book.lastEnded(owner.accessKey, token);
    throw new ApiProblem('kernel-not-found', undefined, {
      detail:
        ended === undefined
          ? `There is no session ${token} of this key.`
          : `Session ${token} has ended (${ended.statusInfo}): ${ended.detail}`,
    });
  }

  /** As `find`, also of one that has ended: what it has said can be asked for a while longer. */
  findKnown(owner: KeyPair, token: string): SessionRecord {
    const { accessKey } = owner;
    const known = this.#book.live(accessKey, token)?.record ?? this.#book.lastEnded(accessKey, token);
    return known ?? this.find(owner, token).record;
  }

  /** As `findKnown`, by the id that its agent calls it. */
  findById({ accessKey }: KeyPair, id: string): SessionRecord {
    const record = this.#book.recordOf(id);
    if (record?.accessKey === accessKey) return record;
    throw new ApiProblem('kernel-not-found', undefined, { detail: `There is no session of the id ${id} of this key.` });
  }

  /** The session of that token, a new one if there is none. It may still be starting. Throws ApiProblem. */
  async getOrCreate(owner: KeyPair, wanted: Wanted): Promise<{ session: Session; created: boolean }> {
    const language = languageOf(wanted.image, await this.#options.host.languages());
    const there = () => this.#book.live(owner.accessKey, wanted.token);
    for (let before = there(); before !== undefined; before = there()) {
      if (before.record.language !== language) throw alreadyThere(before.record, `of ${before.record.image}`);
      if (!wanted.reuseIfExists) throw alreadyThere(before.record);
      const failure = await before.started;
      // One that is ending is waited for; then there is none, or it can not be ended now and lives.
      if (before.ending !== undefined) await before.ending.catch(() => {});
      else if (failure === undefined && there() === before) return { session: before, created: false };
    }
    // From here to the entry nothing waits: nobody else can come between.
    return { session: this.#start(owner, wanted, language), created: true };
  }

  /** As the new session of that token: made elsewhere, by a fork. */
  async adopt(record: SessionRecord, make: () => Promise<SessionFacts>): Promise<Session> {
    const before = this.#book.live(record.accessKey, record.token);
    if (before !== undefined) throw alreadyThere(before.record);
    const owner = this.#options.keys.pair(record.accessKey);
    if (owner !== undefined) this.#refuseTooMany(owner);
    const session = this.#book.enter({ record, started: Promise.resolve(undefined) });
    session.started = this.#startedBy(session, make);
    const failure = await session.started;
    if (failure !== undefined) throw failure;
    return session;
  }

  /** Ends it, once for all who ask. Resolves to its last facts, or undefined if it had not started. Rejects as its host does. */
  destroy(session: Session, reason: EndReason): Promise<SessionFacts | undefined> {
    session.ending ??= this.#destroy(session, reason).finally(() => {
      session.ending = undefined;
    });
    return session.ending;
  }

  async #destroy(session: Session, reason: EndReason): Promise<SessionFacts | undefined> {
    const { record } = session;
    this.#set(session, 'TERMINATING', reason);
    this.#tell(record, 'kernel_terminating', reason);
    if ((await session.started) !== undefined) return undefined;
    try {
      const facts = await this.host.destroy(record.id, reason);
      this.end(record.id, facts.ending ?? endingOf(reason));
      return facts;
    } catch (error) {
      if (!(error instanceof Failure) || error.code !== 'session-missing') {
        if (record.status === 'TERMINATING') this.#set(session, 'RUNNING', null);
        throw error;
      }
      this.end(record.id, endingOf('kernel-crashed'));
      return undefined;
    }
  }

  /** Those that can not be ended now are left. */
  async destroyAll(reason: EndReason): Promise<void> {
    await Promise.allSettled(this.#book.all().map((session) => this.destroy(session, reason)));
  }

  /** Throws what its host does. */
  async restart(session: Session): Promise<void> {
    const { record } = session;
    this.#set(session, 'RESTARTING', 'restarting');
    try {
      await this.host.restart(record.id);
    } finally {
      if (record.status === 'RESTARTING') this.#set(session, 'RUNNING', null);
    }
    this.#tell(record, 'kernel_restarted', 'user-requested');
  }

  /** It has ended, as its agent says or its loss. Idempotent. */
  end(id: string, { reason, detail, exitCode, endedMs }: SessionEnding): void {
    const session = this.#book.byId(id);
    if (session === undefined) return;
    const { record } = session;
    const failed = reason === 'agent-lost' || reason === 'failed-to-start' || reason === 'sandbox-lost';
    Object.assign(record, { status: failed ? 'ERROR' : 'TERMINATED', statusInfo: reason, detail, exitCode, endedMs });
    if (record.type === 'batch' && exitCode !== null) {
      const name = exitCode === 0 ? 'kernel_success' : 'kernel_failure';
      this.#tell(record, name, exitCode === 0 ? 'task-success' : 'task-failure', exitCode);
    }
    this.#leave(session, 'kernel_terminated', reason);
  }

  /** A one-shot call begins, which is a session of its key as long as it lasts. Returns how to leave. Throws ApiProblem `quota-exceeded`. */
  enterOneShot(owner: KeyPair): () => void {
    this.#refuseTooMany(owner);
    return this.#options.oneShots.enter(owner.accessKey);
  }

  // -- starting ---------------------------------------------------------------------------------------

  #start(owner: KeyPair, wanted: Wanted, language: string): Session {
    const { keys, host } = this.#options;
    this.#refuseTooMany(owner);
    const spec = specOf(wanted, { id: uuidV7(), language, policy: keys.policyOf(owner) });
    const record = recordOf(owner, { wanted, spec });
    const session = this.#book.enter({ record, started: Promise.resolve(undefined) });
    this.#tell(record, 'kernel_enqueued', '');
    session.started = this.#startedBy(session, () => host.create(spec));
    return session;
  }

  /** Of sessions and one-shot calls together. */
  #refuseTooMany(owner: KeyPair): void {
    const { keys, oneShots } = this.#options;
    const { sessionsMax } = keys.policyOf(owner);
    const calls = oneShots.of(owner.accessKey);
    const sessions = this.list(owner.accessKey).length;
    if (sessionsMax === 0 || sessions + calls < sessionsMax) return;
    const what = `${sessions} sessions and ${calls} one-shot calls, as many as its resource policy allows together`;
    const hint = calls > 0 ? 'wait for a call, or end a session' : 'end one of them first';
    throw new ApiProblem('quota-exceeded', undefined, {
      detail: `This key has ${what}; ${hint}.`,
      ...(calls > 0 && { headers: { 'Retry-After': '1' } }),
    });
  }

  async #startedBy(session: Session, make: () => Promise<SessionFacts>): Promise<Failure | undefined> {
    const { record } = session;
    this.#set(session, 'PREPARING', 'scheduled');
    this.#tell(record, 'kernel_preparing', '');
    this.#tell(record, 'kernel_creating', '');
    try {
      const facts = await make();
      Object.assign(record, { facts, agent: this.#options.host.agentOf(record.id) ?? null });
    } catch (error) {
      const failure = error instanceof Failure ? error : new Failure('sandbox-failed', String(error), { cause: error });
      const statusInfo = 'failed-to-start';
      Object.assign(record, { status: 'CANCELLED', statusInfo, detail: failure.message, endedMs: Date.now() });
      this.#leave(session, 'kernel_cancelled', statusInfo);
      return failure;
    }
    // Somebody may have asked for its end meanwhile, or it has ended by itself.
    if (record.status === 'PREPARING') Object.assign(record, { status: 'RUNNING', statusInfo: null });
    // Whose it is and where must not be lost with this process.
    if (this.#book.byId(record.id) === session) await this.#book.write(record);
    this.#tell(record, 'kernel_started', '');
    return undefined;
  }

  // -- table and store --------------------------------------------------------------------------------

  /** One that has ended stays as it is. */
  #set(session: Session, status: SessionStatus, statusInfo: string | null): void {
    const { record } = session;
    if (this.#book.byId(record.id) !== session) return;
    Object.assign(record, { status, statusInfo });
    void this.#book.write(record);
  }

  #leave(session: Session, name: EventName, reason: string): void {
    this.#book.leave(session);
    this.#tell(session.record, name, reason);
  }

  #tell({ token, accessKey }: SessionRecord, name: EventName, reason: string, exitCode?: number): void {
    this.#options.events.add({ name, token, accessKey, reason, exitCode });
  }
}

function alreadyThere({ token }: SessionRecord, what = ''): ApiProblem {
  const detail = `There is a session ${token} already${what && `, ${what}`}.`;
  return new ApiProblem('kernel-already-exists', undefined, { detail });
}

function endingOf(reason: EndReason): SessionEnding {
  return { reason, detail: 'It has ended.', exitCode: null, endedMs: Date.now() };
}

function recordOf({ accessKey }: KeyPair, { wanted, spec }: { wanted: Wanted; spec: SessionSpec }): SessionRecord {
  const { token, image, type, tag, startupCommand, environ, memoryBytes } = wanted;
  return {
    id: spec.id,
    token,
    accessKey,
    image,
    language: spec.language,
    type,
    tag,
    agent: null,
    facts: null,
    status: 'PENDING',
    statusInfo: null,
    detail: null,
    createdMs: Date.now(),
    endedMs: null,
    startupCommand: startupCommand ?? null,
    exitCode: null,
    environ,
    memoryBytes: memoryBytes ?? null,
    idleTimeoutMs: spec.idleTimeoutMs,
    lifetimeMs: spec.lifetimeMs,
    forkOf: null,
  };
}
