/** What happens to sessions, for those who listen, and the last of it for those who come back. */
import { EVENTS_KEPT } from './limits.ts';

export type EventName =
  | 'kernel_enqueued'
  | 'kernel_preparing'
  | 'kernel_creating'
  | 'kernel_started'
  | 'kernel_restarted'
  | 'kernel_terminating'
  | 'kernel_terminated'
  | 'kernel_cancelled'
  | 'kernel_success'
  | 'kernel_failure';

export interface SessionEvent {
  /** Grows by one; those of an earlier life of the gateway begin with another word: see EventLog. */
  id: string;
  name: EventName;
  token: string;
  accessKey: string;
  reason: string;
  /** Of `kernel_success` and `kernel_failure`. */
  exitCode?: number | undefined;
}

export class EventLog {
  readonly #listeners = new Set<(event: SessionEvent) => void>();
  readonly #kept: SessionEvent[] = [];
  /** Told in ids, as numbers begin anew with each life of the gateway. */
  readonly #life: string;
  #last = 0;

  constructor(life: string) {
    this.#life = life;
  }

  add(event: Omit<SessionEvent, 'id'>): void {
    this.#last += 1;
    const whole = { id: `${this.#life}-${this.#last}`, ...event };
    this.#kept.push(whole);
    // By a tenth at a time: to move what is left costs as much as there is.
    if (this.#kept.length > EVENTS_KEPT * 1.1) this.#kept.splice(0, this.#kept.length - EVENTS_KEPT);
    for (const listener of this.#listeners) listener(whole);
  }

  /**
   * Those after the one of that id, as far as they are kept; all that are kept if it is of an earlier life of the
   * gateway: it is better to hear something twice than never. None if it is not an id.
   */
  since(lastId: string): readonly SessionEvent[] {
    const [, life, number] = /^([0-9a-z]+)-(\d+)$/.exec(lastId) ?? [];
    if (number === undefined) return [];
    if (life !== this.#life) return [...this.#kept];
    const first = this.#last - this.#kept.length;
    return this.#kept.slice(Math.max(0, Number(number) - first));
  }

  /** Returns how to stop listening. */
  listen(listener: (event: SessionEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
