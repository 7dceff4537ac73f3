/**
 * All agents of a gateway as one host: a new session is made by the least loaded one, and every other call goes to the
 * agent that has the session.
 *
 * A session belongs to the agent that made it until that says that it has ended, or is lost. One that an agent has and
 * nobody knows of, because it was declared ended or its creation was never heard of, is ended there: what clients were
 * told stays true.
 */
import { Failure } from '../../config/failure.ts';
import type { Log } from '../../lib/log.ts';
import type {
  EndReason,
  ForkSpec,
  HostEvent,
  LanguageFacts,
  SessionFacts,
  SessionHost,
  SessionSpec,
} from '../../session/host.ts';
import { offers } from '../../session/language-names.ts';
import {
  type AgentBeat,
  type AgentHello,
  type EndedSession,
  type GatewayWelcome,
  LINK_PROTOCOL,
  SILENCE_MS_MAX,
} from '../../session/link/hello.ts';
import { type AdoptedSession, Homes } from './homes.ts';
import { type AgentLink, type AgentView, KnownAgent } from './known-agent.ts';
import { inOrder } from './placement.ts';
import { RoutedHost } from './routed-host.ts';

export type AgentEvent = { kind: 'joined' | 'revived' | 'lost' | 'left'; agent: string };

/** Refusals after which another agent is asked. */
const NEXT_PLEASE = ['sessions-full', 'stopping'];

export class Fleet extends RoutedHost implements SessionHost {
  readonly #log: Log;
  readonly #silenceMsMax: number;
  readonly #agents = new Map<string, KnownAgent>();
  readonly #homes = new Homes();
  /** Sessions under way, by agent. */
  readonly #creating = new Map<string, number>();
  readonly #listeners = new Set<(event: HostEvent) => void>();
  readonly #agentListeners = new Set<(event: AgentEvent) => void>();

  /** After `silenceMsMax` without a word an agent is lost. */
  constructor(log: Log, silenceMsMax = SILENCE_MS_MAX) {
    super();
    this.#log = log;
    this.#silenceMsMax = silenceMsMax;
  }

  // -- agents -----------------------------------------------------------------------------------------

  /** Sessions of a former life of this gateway: their agents are given the usual time to come back. */
  adopt(sessions: readonly AdoptedSession[]): void {
    for (const session of sessions) {
      this.#agent(session.agent);
      this.#homes.adopt(session);
    }
  }

  agents(): AgentView[] {
    return [...this.#agents.values()].map((agent) =>
      agent.view(this.#homes.count(agent.id) + (this.#creating.get(agent.id) ?? 0)),
    );
  }

  /** Id of the agent that has the session, or had it not long ago. */
  agentOf(session: string): string | undefined {
    return this.#homes.find(session)?.agent;
  }

  onAgent(hear: (event: AgentEvent) => void): () => void {
    this.#agentListeners.add(hear);
    return () => this.#agentListeners.delete(hear);
  }

  /** Throws Failure `usage` if it can not be talked to. */
  arrived(link: AgentLink, hello: AgentHello): GatewayWelcome {
    if (hello.protocol !== LINK_PROTOCOL) {
      throw new Failure('usage', `agent ${hello.id} (version ${hello.version}) is of another release than its gateway`);
    }
    const isNew = !this.#agents.has(hello.id);
    const agent = this.#agent(hello.id);
    const revived = agent.arrived(link, hello);
    this.#log('info', revived ? 'a lost agent is back' : 'an agent has joined', { agent: hello.id, from: link.from });
    this.#tellAgent({ kind: revived ? 'revived' : 'joined', agent: hello.id });
    const end = this.#reconcile(hello, isNew);
    if (end.length > 0)
      this.#log('warn', 'an agent runs sessions that nobody knows; they are ended', { agent: hello.id, end });
    return { end };
  }

  /** Whether this is the agent's link, and no other has followed. */
  speaks(id: string, link: AgentLink): boolean {
    return this.#agents.get(id)?.has(link) ?? false;
  }

  seen(id: string): void {
    this.#agents.get(id)?.seen();
  }

  beat(id: string, beat: AgentBeat): void {
    this.#agents.get(id)?.beat(beat);
  }

  heard(id: string, event: HostEvent): void {
    if (event.kind === 'ended') this.#ended(event.session, id, event.facts);
    else if (this.#homes.find(event.session)?.agent === id) this.#tell(event);
  }

  /** Its link has ended; it may come back. */
  left(id: string, link: AgentLink): void {
    if (this.#agents.get(id)?.left(link)) this.#log('warn', 'the link to an agent has ended', { agent: id });
  }

  /** It has said that it stops: it does not come back as it was. */
  goodbye(id: string): void {
    this.#agents.get(id)?.forget();
    this.#agents.delete(id);
    this.#log('info', 'an agent has stopped', { agent: id });
    this.#tellAgent({ kind: 'left', agent: id });
    this.#giveUp(id, { reason: 'agent-termination', detail: 'Its machine was told to stop.' });
  }

  /** Waits for no agent any more; their sessions go on. */
  close(): void {
    for (const agent of this.#agents.values()) agent.forget();
    this.#agents.clear();
  }

  #agent(id: string): KnownAgent {
    const known = this.#agents.get(id);
    if (known !== undefined) return known;
    const agent = new KnownAgent(id, { silenceMsMax: this.#silenceMsMax, onLost: (lost) => this.#lost(lost) });
    this.#agents.set(id, agent);
    return agent;
  }

  #lost({ id }: KnownAgent): void {
    this.#log('error', 'an agent is lost: its sessions have ended', { agent: id });
    this.#tellAgent({ kind: 'lost', agent: id });
    this.#giveUp(id, {
      reason: 'agent-lost',
      detail: `Its machine has not answered for ${this.#silenceMsMax / 1_000} s.`,
    });
  }

  #giveUp(agent: string, { reason, detail }: { reason: EndReason; detail: string }): void {
    for (const session of this.#homes.of(agent)) {
      const ending = { reason, detail, exitCode: null, endedMs: Date.now() };
      this.#ended(session.id, agent, { ...session.facts, state: 'ended', ending });
    }
  }

  /** Which sessions the agent is to end. */
  #reconcile({ id, sessions, ended }: AgentHello, isNew: boolean): string[] {
    for (const facts of ended) this.#ended(facts.id, id, facts);
    const live = new Map(sessions.filter(({ ending }) => ending === null).map((facts) => [facts.id, facts]));
    for (const session of isNew ? [] : this.#homes.of(id)) {
      const facts = live.get(session.id);
      if (facts !== undefined) session.facts = facts;
      else {
        const detail = 'Its agent was started anew, or does not know it any more.';
        const ending = { reason: 'sandbox-lost', detail, exitCode: null, endedMs: Date.now() } as const;
        this.#ended(session.id, id, { ...session.facts, state: 'ended', ending });
      }
    }
    return [...live.keys()].filter((session) => this.#homes.living(session)?.agent !== id);
  }

  #ended(id: string, agent: string, facts: EndedSession): void {
    if (this.#homes.living(id)?.agent !== agent) return;
    this.#homes.ended(id, facts.ending);
    this.#tell({ kind: 'ended', session: id, facts });
  }

  #tell(event: HostEvent): void {
    for (const hear of this.#listeners) hear(event);
  }

  #tellAgent(event: AgentEvent): void {
    for (const hear of this.#agentListeners) hear(event);
  }

  // -- sessions ---------------------------------------------------------------------------------------

  async create(spec: SessionSpec): Promise<SessionFacts> {
    let refusal = new Failure('agent-missing', 'no agent has joined this gateway; `admin workers` starts some');
    for (const { id } of this.#able(spec.language)) {
      try {
        return await this.#make(id, (host) => host.create(spec));
      } catch (error) {
        if (!(error instanceof Failure && NEXT_PLEASE.includes(error.code))) throw error;
        refusal = error;
      }
    }
    throw refusal;
  }

  /** By the agent that has the first, whose process it is a fork of. */
  async fork(id: string, spec: ForkSpec): Promise<SessionFacts> {
    return this.#make(this.#homes.at(id).agent, (host) => host.fork(id, spec));
  }

  #able(language: string): AgentView[] {
    const alive = this.agents().filter(({ state }) => state === 'alive');
    if (alive.length === 0) return [];
    if (!alive.some(({ languages }) => offers(languages, language) !== undefined)) {
      const known = [...new Set(alive.flatMap(({ languages }) => languages.map(({ id }) => id)))].sort().join(', ');
      throw new Failure('language-missing', `no agent runs ${JSON.stringify(language)}; there are ${known}`);
    }
    const free = inOrder(alive, language);
    if (free.length > 0) return free;
    throw new Failure('sessions-full', 'all agents have as many sessions as they may (sessions_max)');
  }

  async #make(agent: string, make: (host: SessionHost) => Promise<SessionFacts>): Promise<SessionFacts> {
    const known = this.#agents.get(agent);
    if (known === undefined) throw new Failure('unreachable', `agent ${agent} has gone`);
    this.#creating.set(agent, (this.#creating.get(agent) ?? 0) + 1);
    try {
      const facts = await make(known.host);
      this.#homes.settle({ id: facts.id, agent, facts });
      // Told before it was known whose it is.
      const { ending } = facts;
      if (facts.state === 'ended' && ending !== null) this.#ended(facts.id, agent, { ...facts, ending });
      return facts;
    } finally {
      this.#creating.set(agent, (this.#creating.get(agent) ?? 1) - 1);
    }
  }

  protected at(id: string): SessionHost {
    return this.#hostOf(this.#homes.at(id).agent);
  }

  protected was(id: string): SessionHost {
    return this.#hostOf(this.#homes.find(id)?.agent ?? this.#homes.at(id).agent);
  }

  #hostOf(agent: string): SessionHost {
    const known = this.#agents.get(agent);
    if (known === undefined) throw new Failure('unreachable', `agent ${agent}, which had the session, has gone`);
    return known.host;
  }

  /** As they were when they were created, or their agent joined. */
  async list(): Promise<readonly SessionFacts[]> {
    return this.#homes.all().map(({ facts }) => facts);
  }

  /** Of all agents that answer, each language once. */
  async languages(): Promise<readonly LanguageFacts[]> {
    const alive = [...this.#agents.values()].filter(({ state }) => state === 'alive');
    const all = new Map<string, LanguageFacts>();
    for (const language of alive.flatMap(({ languages }) => languages)) {
      if (!all.has(language.id)) all.set(language.id, language);
    }
    return [...all.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  onEvent(hear: (event: HostEvent) => void): () => void {
    this.#listeners.add(hear);
    return () => this.#listeners.delete(hear);
  }
}
