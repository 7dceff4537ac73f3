/**
 * Keeps the daemon's word coming. When it stops, whoever asks for a sandbox makes the next try, and so does time:
 * a daemon that returns should find out what became of the containers it had, whether or not somebody calls.
 */
import type { DockerEvents } from './events.ts';

/** Between tries that nobody's call has made, in milliseconds. A daemon tells nobody that it is there again. */
const RETRY_MS = 2_000;

export interface HearingOptions {
  /** Rejects while there is no daemon. `lost` is to be called when it says nothing any more. */
  open(lost: (reason: string) => void): Promise<DockerEvents>;
  onLost(reason: string): void;
  /** After it was lost. */
  onBack(): void;
}

export class Hearing {
  readonly #options: HearingOptions;
  #events: DockerEvents | undefined;
  #opening: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #lost = false;
  #closed = false;

  constructor(options: HearingOptions) {
    this.#options = options;
  }

  get heard(): boolean {
    return this.#events !== undefined;
  }

  /** Resolves when it is heard, rejects if this try has failed. */
  async open(): Promise<void> {
    if (this.heard) return;
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    await this.#opening;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#events?.close();
    this.#events = undefined;
  }

  async #open(): Promise<void> {
    clearTimeout(this.#retry);
    try {
      const events = await this.#options.open((reason) => this.#hungUp(reason));
      if (this.#closed) events.close();
      else this.#events = events;
    } catch (error) {
      if (this.#lost) this.#retryLater();
      throw error;
    }
    if (this.#lost) this.#options.onBack();
    this.#lost = false;
  }

  #hungUp(reason: string): void {
    if (this.#closed) return;
    this.#events = undefined;
    this.#lost = true;
    this.#options.onLost(reason);
    this.#retryLater();
  }

  #retryLater(): void {
    if (this.#closed) return;
    this.#retry = setTimeout(() => {
      // Its failure has made the next try already.
      this.open().catch(() => {});
    }, RETRY_MS);
  }
}
