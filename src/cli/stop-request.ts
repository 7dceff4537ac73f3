import { Interrupted } from './caller.ts';

/** The first signal asks to stop, the second insists. */
export class StopRequest {
  readonly first: Promise<NodeJS.Signals>;
  /** Rejects with Interrupted. */
  readonly second: Promise<never>;
  #askFirst: (signal: NodeJS.Signals) => void = () => {};
  #insist: (error: Interrupted) => void = () => {};
  #asked = false;

  constructor() {
    this.first = new Promise((resolve) => {
      this.#askFirst = resolve;
    });
    this.second = new Promise((_, reject) => {
      this.#insist = reject;
    });
    this.second.catch(() => {}); // Whoever races it sees it; nobody else needs to.
  }

  ask(signal: NodeJS.Signals): void {
    if (this.#asked) this.#insist(new Interrupted(signal));
    this.#asked = true;
    this.#askFirst(signal);
  }
}
