import type { CallRecord, CallSink } from './call-record.ts';

/** Calls of one lambda since the worker started. Counts only ever grow: whoever wants rates takes differences. */
export interface Tally {
  /** Those that have an outcome, failures included. */
  calls: number;
  errors: number;
  /** First calls of an instance. */
  cold: number;
  /** The handlers' own time, in milliseconds. */
  runMs: number;
}

/** Counts calls by lambda, for those who look at a worker. */
export class CallTally implements CallSink {
  readonly #tallies = new Map<string, Tally>();

  get(lambda: string): Readonly<Tally> | undefined {
    return this.#tallies.get(lambda);
  }

  onCall({ lambda, errorType, run }: CallRecord): void {
    if (errorType === 'Lambda.NotFound') return;
    let tally = this.#tallies.get(lambda);
    if (tally === undefined) {
      tally = { calls: 0, errors: 0, cold: 0, runMs: 0 };
      this.#tallies.set(lambda, tally);
    }
    tally.calls += 1;
    if (errorType !== undefined) tally.errors += 1;
    if (run === undefined) return;
    if (run.cold) tally.cold += 1;
    tally.runMs += run.runMs;
  }
}
