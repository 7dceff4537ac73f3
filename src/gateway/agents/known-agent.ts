/**
 * What the gateway knows of one agent. It is alive while its link stands and it says so often enough, away when the link
 * has ended, and lost when it has said nothing for too long; then only an agent that joins anew is alive again.
 */
import { Failure } from '../../config/failure.ts';
import { Deadline } from '../../lib/deadline.ts';
import type { LanguageFacts } from '../../session/host.ts';
import { type AgentBeat, type AgentCapacity, type AgentHello, CLOSE_CODES } from '../../session/link/hello.ts';
import type { Peer } from '../../session/link/peer.ts';
import type { Candidate } from './placement.ts';
import { RemoteHost } from './remote-host.ts';

/** One connection of an agent. */
export interface AgentLink {
  readonly peer: Peer;
  /** Whence it came, as an address. */
  readonly from: string;
  close(code: number, reason: string): void;
}

export type AgentState = 'alive' | 'away' | 'lost';

/** For people and for placement. Times are Unix times in milliseconds. */
export interface AgentView extends Candidate {
  state: AgentState;
  version: string;
  from: string;
  firstSeenAtMs: number;
  lastSeenAtMs: number;
  lostAtMs: number | null;
}

const NO_CAPACITY: AgentCapacity = { cpus: 0, memoryBytes: 0, sessionsMax: 0 };

export class KnownAgent {
  readonly id: string;
  readonly host: RemoteHost;
  #state: AgentState = 'away';
  #link: AgentLink | undefined;
  #hello: AgentHello | undefined;
  #memoryUsedBytes: number | null = null;
  readonly #firstSeenAtMs = Date.now();
  #lastSeenAtMs = Date.now();
  #lostAtMs: number | null = null;
  readonly #silenceMsMax: number;
  readonly #silence: Deadline;

  /** `onLost` is told when it has been silent for `silenceMsMax`. */
  constructor(id: string, patience: { silenceMsMax: number; onLost(agent: KnownAgent): void }) {
    this.id = id;
    this.#silenceMsMax = patience.silenceMsMax;
    this.host = new RemoteHost(`agent ${id}`, () => this.#peer());
    this.#silence = new Deadline(() => {
      this.#state = 'lost';
      this.#lostAtMs = Date.now();
      this.#link?.close(CLOSE_CODES.silent, 'nothing was heard for too long');
      patience.onLost(this);
    });
    this.#silence.set(this.#silenceMsMax);
  }

  get state(): AgentState {
    return this.#state;
  }

  get languages(): readonly LanguageFacts[] {
    return this.#hello?.languages ?? [];
  }

  /** True if it was thought to be lost. */
  arrived(link: AgentLink, hello: AgentHello): boolean {
    const former = this.#link;
    const wasLost = this.#state === 'lost';
    this.#link = link;
    this.#hello = hello;
    this.#state = 'alive';
    this.#lostAtMs = null;
    this.seen();
    former?.close(CLOSE_CODES.replaced, 'the agent has joined again');
    return wasLost;
  }

  seen(): void {
    this.#lastSeenAtMs = Date.now();
    if (this.#state === 'alive') this.#silence.set(this.#silenceMsMax);
  }

  beat({ memoryUsedBytes }: AgentBeat): void {
    this.#memoryUsedBytes = memoryUsedBytes;
  }

  has(link: AgentLink): boolean {
    return this.#link === link;
  }

  /** False if another link has followed already. */
  left(link: AgentLink): boolean {
    if (this.#link !== link) return false;
    this.#link = undefined;
    if (this.#state === 'alive') this.#state = 'away';
    return true;
  }

  /** Nobody waits for it any more. */
  forget(): void {
    this.#silence.close();
    this.#link?.close(CLOSE_CODES.stopping, 'the gateway is stopping');
  }

  view(sessions: number): AgentView {
    return {
      id: this.id,
      state: this.#state,
      version: this.#hello?.version ?? '',
      from: this.#link?.from ?? '',
      capacity: this.#hello?.capacity ?? NO_CAPACITY,
      languages: this.languages,
      sessions,
      memoryUsedBytes: this.#memoryUsedBytes,
      firstSeenAtMs: this.#firstSeenAtMs,
      lastSeenAtMs: this.#lastSeenAtMs,
      lostAtMs: this.#lostAtMs,
    };
  }

  #peer(): Peer {
    if (this.#link !== undefined) return this.#link.peer;
    throw new Failure('unreachable', `agent ${this.id} does not answer at the moment; try again in a few seconds`);
  }
}
