/** One-shot calls under way, which count as sessions of their key do. */
import { ApiProblem } from './api-problem.ts';
import type { KeyPair, ResourcePolicy } from './key-pair.ts';

export class OneShots {
  readonly #running = new Map<string, number>();

  get size(): number {
    let sum = 0;
    for (const count of this.#running.values()) sum += count;
    return sum;
  }

  /** Returns how to leave. Throws ApiProblem `quota-exceeded`. */
  enter({ accessKey }: KeyPair, { sessionsMax }: ResourcePolicy): () => void {
    const running = this.#running.get(accessKey) ?? 0;
    if (sessionsMax !== 0 && running >= sessionsMax) {
      const detail = `This key has ${running} calls under way, as many as its resource policy allows.`;
      throw new ApiProblem('quota-exceeded', undefined, { detail, headers: { 'Retry-After': '1' } });
    }
    this.#running.set(accessKey, running + 1);
    return () => {
      const left = (this.#running.get(accessKey) ?? 1) - 1;
      if (left > 0) this.#running.set(accessKey, left);
      else this.#running.delete(accessKey);
    };
  }
}
