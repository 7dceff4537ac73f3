import type { Generation } from './generation.ts';

/**
 * The generations of a lambda. Events go to the newest alone. Idle instances of the older ones stay until the
 * newest has loaded its code or failed to, because ending them first would hold that up.
 */
export class Succession {
  #newest: Generation | undefined;
  #older: Generation[] = [];

  get newest(): Generation | undefined {
    return this.#newest;
  }

  /** From now on events go to this one. The one before is returned: it finishes what it does. */
  begin(next: Generation): Generation | undefined {
    const before = this.#newest;
    this.#newest = next;
    if (before === undefined) return undefined;
    this.#older.push(before);
    before.retire();
    return before;
  }

  /** Whether its instances are kept a little longer. */
  keeps(generation: Generation): boolean {
    return this.#older.includes(generation);
  }

  /** Ends idle instances of the older ones, whose others end when they become free. */
  drain(): void {
    if (this.#older.length === 0) return;
    for (const generation of this.#older.splice(0)) generation.endIdle();
  }

  /** There is no newest any more. */
  end(): void {
    const last = this.#newest;
    this.#newest = undefined;
    this.drain();
    last?.endIdle();
    last?.retire();
  }
}
