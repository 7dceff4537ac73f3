/** One execution: what it said, and who waits for more of it. */
import type { ExecuteResult } from './host.ts';
import type { RunRequest } from './kernel.ts';
import { type Mark, RunLog } from './run-log.ts';

export type RunState = 'queued' | 'running' | 'waiting-input' | 'finished';

export class Run {
  readonly id: string;
  readonly request: RunRequest;
  readonly log = new RunLog();
  state: RunState = 'queued';
  /** Up to where it has been handed out to those who do not say what they have. */
  #cursor = 0;
  readonly #watchers = new Set<() => void>();

  constructor(id: string, request: RunRequest) {
    this.id = id;
    this.request = request;
  }

  /** It has come to something. */
  mark(mark: Mark): void {
    this.log.mark(mark);
    this.changed();
  }

  /** Tells those who watch that there is more of it. */
  changed(): void {
    for (const told of [...this.#watchers]) told();
  }

  /** `told` is called, perhaps for nothing, when there is more; returns how to stop that. */
  watch(told: () => void): () => void {
    this.#watchers.add(told);
    return () => this.#watchers.delete(told);
  }

  startOf(after: number | undefined): number {
    return after ?? this.#cursor;
  }

  take(after: number): ExecuteResult {
    const taken = this.log.take(after);
    this.#cursor = Math.max(this.#cursor, taken.next);
    return { ...taken, runId: this.id };
  }

  /** Resolves when there is something that should not wait, after `flushMs`, or when the signal is aborted. */
  due(after: number, flushMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      if (this.log.isDue(after) || signal?.aborted) {
        resolve();
        return;
      }
      const settle = (): void => {
        clearTimeout(timer);
        unwatch();
        signal?.removeEventListener('abort', settle);
        resolve();
      };
      const timer = setTimeout(settle, flushMs);
      const unwatch = this.watch(() => {
        if (this.log.isDue(after)) settle();
      });
      signal?.addEventListener('abort', settle);
    });
  }
}
