/** What is told of asynchronous calls. Counters are this worker's; what waits is counted over the whole cluster. */
import { assertNever } from '../lib/assert-never.ts';
import type { Metrics } from '../lib/metrics.ts';
import type { Settlement } from '../store/queue/leases.ts';
import type { QueueTotals } from '../store/queue/views.ts';

const STATES = ['queued', 'running', 'dead'] as const;

export class AsyncMetrics {
  readonly #accepted;
  readonly #retries;
  readonly #refused;
  readonly #dead;
  readonly #fired;
  readonly #depth;
  readonly #bytes;
  readonly #oldest;

  constructor(metrics: Metrics) {
    const counter = (name: string, help: string) => metrics.counter({ name, help }).of();
    this.#accepted = counter('faas_async_accepted_total', 'Asynchronous calls that were accepted.');
    this.#retries = counter('faas_async_retries_total', 'Asynchronous calls that failed and run again.');
    this.#refused = counter('faas_async_refused_total', 'Asynchronous calls that found no instance and wait again.');
    this.#dead = counter('faas_async_dead_total', 'Asynchronous calls that were given up.');
    this.#fired = counter('faas_schedule_fired_total', 'Calls that schedules have made.');
    const facts = (name: string, help: string) => ({ name, help, labels: ['state'] });
    this.#depth = metrics.gauge(facts('faas_async_depth', 'Asynchronous calls of the cluster, by state.'));
    this.#bytes = metrics.gauge(facts('faas_async_event_bytes', 'What their events take, in bytes.'));
    this.#oldest = metrics
      .gauge({ name: 'faas_async_oldest_age_seconds', help: 'Age of the oldest that waits, in seconds; 0 for none.' })
      .of();
  }

  /** Calls that schedules have made. */
  fired(calls: number): void {
    this.#fired.add(calls);
  }

  accepted(): void {
    this.#accepted.add();
  }

  settled({ kind }: Settlement): void {
    switch (kind) {
      case 'retry':
        this.#retries.add();
        return;
      case 'refused':
        this.#refused.add();
        return;
      case 'dead':
        this.#dead.add();
        return;
      case 'done':
      case 'lost':
      case 'released':
        return;
      default:
        assertNever(kind);
    }
  }

  /** What the cluster's queue holds now. */
  holds(totals: QueueTotals, nowMs: number): void {
    for (const state of STATES) {
      this.#depth.of(state).set(totals[state].count);
      this.#bytes.of(state).set(totals[state].bytes);
    }
    this.#oldest.set(totals.oldestMs === null ? 0 : Math.max(0, nowMs - totals.oldestMs) / 1000);
  }
}
