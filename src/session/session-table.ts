/** Which sessions live on this machine, are being made, or have ended not long ago; how they come to be. */
import { Failure } from '../config/failure.ts';
import type { Log } from '../lib/log.ts';
import type { PackageSet } from '../sandbox/sandbox.ts';
import type { ForkSpec, HostEvent, LanguageFacts, SessionSpec } from './host.ts';
import type { Kernel, KernelSpec } from './kernel.ts';
import { ENDED_SESSIONS_MAX } from './limits.ts';
import { missing, Session, type SessionOrder } from './session.ts';
import { type SessionTerms, settle } from './terms.ts';

/** Packages of sessions, as whoever installs those of lambdas sees them. */
export interface SessionPackages {
  /** `requirements` as in a requirements.txt. Undefined if they name nothing. Rejects with `packages-failed`, `session-invalid`. */
  obtain(session: string, requirements: string): Promise<PackageSet | undefined>;
  /** It needs them no longer. */
  forget(session: string): void;
}

export interface Languages {
  list(): Promise<readonly LanguageFacts[]>;
  /** Id of the language that goes by this name; undefined if it can not be run here. */
  resolve(name: string): Promise<string | undefined>;
}

export interface SessionTableOptions {
  startKernel(spec: KernelSpec): Promise<Kernel>;
  languages: Languages;
  packages: SessionPackages;
  terms: SessionTerms;
  sessionsMax: number;
  /** Whether there is memory for one more sandbox. */
  hasMemory(): boolean;
  log: Log;
}

export class SessionTable {
  readonly #options: SessionTableOptions;
  readonly #sessions = new Map<string, Session>();
  readonly #creating = new Map<string, Promise<Session>>();
  /** The oldest first. */
  readonly #ended = new Map<string, Session>();
  readonly #listeners = new Set<(event: HostEvent) => void>();
  #closed = false;

  constructor(options: SessionTableOptions) {
    this.#options = options;
  }

  /** Those that live, or are being made. */
  get ids(): string[] {
    return [...this.#sessions.keys(), ...this.#creating.keys()];
  }

  get size(): number {
    return this.#sessions.size + this.#creating.size;
  }

  living(): Session[] {
    return [...this.#sessions.values()];
  }

  onEvent(hear: (event: HostEvent) => void): () => void {
    this.#listeners.add(hear);
    return () => this.#listeners.delete(hear);
  }

  /** None is made any more. */
  close(): void {
    this.#closed = true;
  }

  /** Counts it from now on, and tells of it when it is there. */
  async admit(id: string, make: () => Promise<Session>): Promise<Session> {
    const { sessionsMax, hasMemory, log } = this.#options;
    if (this.#closed) throw new Failure('stopping', 'this machine takes no more sessions: it is stopping');
    if (this.#sessions.has(id) || this.#creating.has(id))
      throw new Failure('conflict', `session ${id} is there already`);
    if (this.size >= sessionsMax) {
      throw new Failure('sessions-full', `${sessionsMax} sessions live on this machine, as many as may (sessions_max)`);
    }
    if (!hasMemory()) throw new Failure('sessions-full', 'there is no memory for one more session on this machine');
    this.tell({ kind: 'created', session: id });
    const making = make();
    this.#creating.set(id, making);
    try {
      const session = await making;
      this.#creating.delete(id);
      // One that has ended meanwhile has been told of, and is kept, as such.
      if (session.state !== 'ended') this.#sessions.set(id, session);
      log('debug', 'session started', { session: id, language: session.language });
      this.tell({ kind: 'started', session: id });
      return session;
    } finally {
      this.#creating.delete(id);
    }
  }

  /** Rejects as SessionHost.create does. */
  async start(spec: SessionSpec): Promise<Session> {
    const { languages, startKernel, terms } = this.#options;
    const { limits, network } = settle(spec, terms);
    const language = await languages.resolve(spec.language);
    if (language === undefined) {
      throw new Failure('language-missing', `this machine does not run ${JSON.stringify(spec.language)}`);
    }
    return this.#equipped({ spec, language, limits, forkOf: null }, (session, packages) => {
      const { env, rewindable = false } = spec;
      return startKernel({ session, language, env, packages, limits, network, rewindable });
    });
  }

  /** Rejects as SessionHost.fork does. */
  async fork(first: Session, spec: ForkSpec): Promise<Session> {
    const full = { ...first.spec, ...spec, startupCommand: undefined };
    settle(full, this.#options.terms);
    const { language, limits } = first;
    // It has the packages of the first already; they are to stay for its sake, too.
    return this.#equipped({ spec: full, language, limits, forkOf: first.id }, (session) => first.kernel.fork(session));
  }

  /** With the packages that it asks for, which are its own until it has ended. */
  async #equipped(
    order: Omit<SessionOrder, 'onEnded'>,
    make: (session: string, packages: PackageSet | undefined) => Promise<Kernel>,
  ): Promise<Session> {
    const { packages } = this.#options;
    const { id, requirements } = order.spec;
    const session = sandboxName(id);
    const asked = requirements?.trim() ?? '';
    try {
      const set = asked === '' ? undefined : await packages.obtain(session, asked);
      const kernel = await make(session, set);
      return new Session({ ...order, onEnded: (ended) => this.#hasEnded(ended) }, kernel);
    } catch (error) {
      packages.forget(session);
      throw error;
    }
  }

  #hasEnded(session: Session): void {
    this.#options.packages.forget(sandboxName(session.id));
    this.#sessions.delete(session.id);
    this.#ended.set(session.id, session);
    const oldest = this.#ended.keys().next().value;
    if (this.#ended.size > ENDED_SESSIONS_MAX && oldest !== undefined) this.#ended.delete(oldest);
    const { ending, ...facts } = session.factsNow();
    if (ending === null) return;
    const { reason, detail } = ending;
    this.#options.log('debug', 'session ended', { session: session.id, reason, detail });
    this.tell({ kind: 'ended', session: session.id, facts: { ...facts, ending } });
  }

  tell(event: HostEvent): void {
    for (const hear of this.#listeners) hear(event);
  }

  known(id: string): Session {
    const session = this.#sessions.get(id) ?? this.#ended.get(id);
    if (session === undefined) throw missing(id, undefined);
    return session;
  }

  /** Throws Failure `session-missing`, with why if it is known. */
  live(id: string): Session {
    const session = this.known(id);
    if (session.ending !== null) throw missing(id, session.ending.detail);
    return session;
  }

  used(id: string): Session {
    const session = this.live(id);
    session.touch();
    return session;
  }

  /** One that is being made can be ended when it is there. */
  async settled(id: string): Promise<Session> {
    return (await this.#creating.get(id)?.catch(() => undefined)) ?? this.known(id);
  }
}

/** What its sandbox is called: no lambda's name begins with a dot. */
export function sandboxName(session: string): string {
  return `.session-${session}`;
}
