/**
 * Which sessions have died with calls under way. A session that runs something beats; one whose beat was the
 * same at several looks in a row is dead. Looks are counted, and not time: a machine that slept has slept for all.
 */
import type { SessionView } from '../store/queue/leases.ts';
import { STILL_LOOKS_MAX } from './limits.ts';

interface Seen {
  beat: number;
  /** How often it was seen with that beat. */
  looks: number;
}

export class LeaseWatch {
  readonly #own: string;
  #seen = new Map<string, Seen>();

  constructor(own: string) {
    this.#own = own;
  }

  /** All sessions that run something, as they are now. Returns those that are dead. */
  look(sessions: readonly SessionView[]): string[] {
    const before = this.#seen;
    this.#seen = new Map();
    const dead: string[] = [];
    for (const { session, beat } of sessions) {
      if (session === this.#own) continue;
      const last = before.get(session);
      const looks = last?.beat === beat ? last.looks + 1 : 1;
      this.#seen.set(session, { beat, looks });
      if (looks > STILL_LOOKS_MAX) dead.push(session);
    }
    return dead;
  }
}
