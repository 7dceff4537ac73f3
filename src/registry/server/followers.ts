/**
 * Those who follow the changes of lambdas, and up to where each has noted them: whoever asks for what came
 * after a change has noted it. A change is acknowledged to who made it when all followers have, so that a
 * call which begins after that finds the new version wherever it arrives.
 *
 * A follower counts while its question waits, and for a moment after the answer, in which it comes back. One
 * that does not is not waited for again until it does: it is slow, or cut off, and others must go on.
 */
import { FOLLOWER_RETURN_MS_MAX } from './limits.ts';

interface Follower {
  seq: number;
  /** Until it comes back; undefined while its question waits. */
  timer: NodeJS.Timeout | undefined;
}

export class Followers {
  readonly #known = new Map<string, Follower>();
  readonly #waiting = new Set<() => void>();

  get count(): number {
    return this.#known.size;
  }

  /** It asks for what came after `seq`. */
  asked(id: string, seq: number): void {
    clearTimeout(this.#known.get(id)?.timer);
    this.#known.set(id, { seq, timer: undefined });
    this.#lookAgain();
  }

  /** It has been answered, and is to come back soon. */
  answered(id: string): void {
    const follower = this.#known.get(id);
    if (follower === undefined) return;
    clearTimeout(follower.timer);
    follower.timer = setTimeout(() => this.gone(id), FOLLOWER_RETURN_MS_MAX).unref();
  }

  /** It has hung up, or has not come back. */
  gone(id: string): void {
    clearTimeout(this.#known.get(id)?.timer);
    this.#known.delete(id);
    this.#lookAgain();
  }

  /** Resolves when every follower has noted everything up to `seq`, or the slow ones are waited for no longer. */
  async noted(seq: number): Promise<void> {
    if (this.#haveNoted(seq)) return;
    await new Promise<void>((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        resolve();
      };
      const look = (): void => {
        if (this.#haveNoted(seq)) end();
      };
      const timer = setTimeout(end, FOLLOWER_RETURN_MS_MAX);
      this.#waiting.add(look);
    });
  }

  close(): void {
    for (const id of [...this.#known.keys()]) this.gone(id);
  }

  #haveNoted(seq: number): boolean {
    for (const follower of this.#known.values()) if (follower.seq < seq) return false;
    return true;
  }

  #lookAgain(): void {
    for (const look of [...this.#waiting]) look();
  }
}
