/** Which agent has which session, and of those that have ended not long ago, which had it. */
import { Failure } from '../../config/failure.ts';
import type { SessionEnding, SessionFacts } from '../../session/host.ts';

export interface Home {
  readonly id: string;
  readonly agent: string;
  /** As they were when somebody last asked. */
  facts: SessionFacts;
}

/** What is kept of a session over a restart of the gateway. */
export interface AdoptedSession {
  id: string;
  agent: string;
  facts: SessionFacts;
}

interface Former {
  agent: string;
  ending: SessionEnding;
}

/** Sessions that have ended and whose agent is still known. */
const FORMER_MAX = 4_096;

export class Homes {
  readonly #living = new Map<string, Home>();
  /** The oldest first. */
  readonly #former = new Map<string, Former>();
  readonly #counts = new Map<string, number>();

  adopt(session: AdoptedSession): void {
    this.settle({ ...session });
  }

  settle(home: Home): void {
    if (!this.#living.has(home.id)) this.#count(home.agent, 1);
    this.#living.set(home.id, home);
  }

  ended(id: string, ending: SessionEnding): void {
    const home = this.#living.get(id);
    if (home === undefined) return;
    this.#living.delete(id);
    this.#count(home.agent, -1);
    this.#former.set(id, { agent: home.agent, ending });
    const oldest = this.#former.keys().next().value;
    if (this.#former.size > FORMER_MAX && oldest !== undefined) this.#former.delete(oldest);
  }

  all(): Home[] {
    return [...this.#living.values()];
  }

  of(agent: string): Home[] {
    return this.all().filter((home) => home.agent === agent);
  }

  count(agent: string): number {
    return this.#counts.get(agent) ?? 0;
  }

  living(id: string): Home | undefined {
    return this.#living.get(id);
  }

  find(id: string): { agent: string } | undefined {
    return this.#living.get(id) ?? this.#former.get(id);
  }

  /** Throws Failure `session-missing`, with why if that is known. */
  at(id: string): Home {
    const home = this.#living.get(id);
    if (home !== undefined) return home;
    const detail = this.#former.get(id)?.ending.detail;
    const why = detail === undefined ? 'there is no such session' : `it has ended: ${detail}`;
    throw new Failure('session-missing', `session ${id}: ${why}`);
  }

  #count(agent: string, by: number): void {
    this.#counts.set(agent, this.count(agent) + by);
  }
}
