/**
 * Tells the store what became of calls, until it has heard: a call whose end is not on the disk would stay
 * this worker's for as long as it lives.
 */
import type { Log } from '../lib/log.ts';
import type { Settlement, SettleOrder, TakenJob } from '../store/queue/leases.ts';
import type { StoreThread } from '../store/store-thread.ts';

interface Untold {
  job: TakenJob;
  order: SettleOrder;
  telling: Promise<void> | undefined;
  /** It has been told before, and nobody knows whether it was heard. */
  again: boolean;
}

export class Settling {
  readonly #store: StoreThread<'queue'>;
  readonly #log: Log;
  readonly #onTrouble: (error: unknown) => void;
  readonly #untold = new Map<number, Untold>();

  constructor(options: { store: StoreThread<'queue'>; log: Log; onTrouble: (error: unknown) => void }) {
    this.#store = options.store;
    this.#log = options.log;
    this.#onTrouble = options.onTrouble;
  }

  settle(job: TakenJob, session: string, settlement: Settlement): void {
    const order = { seq: job.seq, session, settlement, nowMs: Date.now() };
    const untold: Untold = { job, order, telling: undefined, again: false };
    this.#untold.set(job.seq, untold);
    this.#tell(untold);
  }

  /** What the store has not taken is told again. */
  retry(): void {
    for (const untold of this.#untold.values()) if (untold.telling === undefined) this.#tell(untold);
  }

  /** Resolves when the store has heard all, or has failed to once more. */
  async close(): Promise<void> {
    this.retry();
    await Promise.all([...this.#untold.values()].map(({ telling }) => telling));
  }

  #tell(untold: Untold): void {
    const { job, order, again } = untold;
    untold.telling = this.#store.ask('settle', order).then(
      (ours) => {
        this.#untold.delete(job.seq);
        if (ours || again) return;
        this.#log('warn', 'an asynchronous call runs twice: this worker was taken for dead', {
          lambda: job.lambda,
          requestId: job.id,
        });
      },
      (error) => {
        untold.telling = undefined;
        untold.again = true;
        this.#onTrouble(error);
      },
    );
  }
}
