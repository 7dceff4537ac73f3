/** An execution that is watched: frames as soon as it comes to something, and of mere output at least every 0.2 s. */
import { deferred } from '../lib/deferred.ts';
import type { ExecuteResult, RunStream } from './host.ts';
import { STREAM_FLUSH_MS } from './limits.ts';
import type { Run } from './run.ts';

export interface RunStreamOptions {
  run: Run;
  after: number;
  /** False for no more until `goOn`. */
  hear(frame: ExecuteResult): boolean;
  input(line: string): void;
  interrupt(): void;
}

export class LocalRunStream implements RunStream {
  readonly input: (line: string) => void;
  readonly interrupt: () => void;
  readonly #run: Run;
  readonly #hear: (frame: ExecuteResult) => boolean;
  readonly #done = deferred<void>();
  readonly #unwatch: () => void;
  #at: number;
  #flushedMs = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #open = true;
  #left = false;

  constructor({ run, after, hear, input, interrupt }: RunStreamOptions) {
    this.#run = run;
    this.#at = after;
    this.#hear = hear;
    this.input = input;
    this.interrupt = interrupt;
    this.#unwatch = run.watch(() => this.#look());
  }

  get runId(): string {
    return this.#run.id;
  }

  get done(): Promise<void> {
    return this.#done.promise;
  }

  goOn(): void {
    this.#open = true;
    this.#look();
  }

  leave(): void {
    if (this.#left) return;
    this.#left = true;
    clearTimeout(this.#timer);
    this.#unwatch();
    this.#done.resolve();
  }

  /** What is to be told at once is told at once; what is mere output waits for the rest of its 0.2 s. */
  #look(): void {
    while (this.#open && !this.#left && this.#run.log.isDue(this.#at)) this.#flush();
    if (!this.#open || this.#left || this.#timer !== undefined || this.#run.log.end <= this.#at) return;
    const waitMs = Math.max(0, this.#flushedMs + STREAM_FLUSH_MS - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#open && this.#run.log.end > this.#at) this.#flush();
    }, waitMs);
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const frame = this.#run.take(this.#at);
    this.#at = frame.next;
    this.#flushedMs = performance.now();
    this.#open = this.#hear(frame);
    if (frame.status === 'finished' || frame.status === 'exec-timeout') this.leave();
  }
}
