/**
 * Makes the calls that lambdas want at certain times, by putting them into the queue of asynchronous calls.
 *
 * Each worker knows all schedules and finds each time due by its own clock; whose call it becomes is settled in
 * the store. A lambda is looked at when the worker starts and when it changes, one after the other, so that a
 * large registry is a trickle and not a flood.
 */

import { Failure, refusalFacts } from '../config/failure.ts';
import type { ScheduleSpec } from '../config/schedule-spec.ts';
import { Deadline } from '../lib/deadline.ts';
import type { Log } from '../lib/log.ts';
import { uuidV7 } from '../lib/uuid-v7.ts';
import type { CodeSource, LambdaName } from '../registry/source.ts';
import { MARK_AHEAD_MS } from '../store/queue/limits.ts';
import type { StoreThread } from '../store/store-thread.ts';
import { QUIET_MS, RETRY_MS, SLEEP_MS_MAX } from './limits.ts';
import { Occurrences, patternOf } from './occurrences.ts';

export interface SchedulerOptions {
  store: StoreThread<'queue'>;
  source: CodeSource;
  /** Lambdas that are there already. */
  list: () => Iterable<LambdaName>;
  onFired: (calls: number) => void;
  log: Log;
}

interface Schedule {
  spec: ScheduleSpec;
  occurrences: Occurrences;
  lastMs: number;
  nextMs: number | undefined;
}

export class Scheduler {
  #options: SchedulerOptions | undefined;
  readonly #schedules = new Map<LambdaName, Schedule[]>();
  /** Lambdas to be looked at. */
  readonly #changed = new Set<LambdaName>();
  readonly #quiet = new Deadline(() => this.#lookAtAll());
  readonly #due = new Deadline(() => this.#fireAll());
  #looking: Promise<void> | undefined;
  #firing: Promise<void> | undefined;
  #closed = false;
  /** Why calls can not be made now, to say it only once. */
  #trouble: string | undefined;

  /** From now on calls are made. */
  start(options: SchedulerOptions): void {
    this.#options = options;
    this.changedAll();
    void this.#recall(options);
  }

  /** Those of lambdas that have gone while no worker was up are forgotten. */
  async #recall({ store, log }: SchedulerOptions): Promise<void> {
    try {
      for (const { lambda } of await store.ask('schedules', {})) this.changed(lambda as LambdaName);
    } catch (error) {
      log('warn', 'schedules can not be kept now', { err: error });
    }
  }

  /** Something about the lambda has changed, or may have. */
  changed(lambda: LambdaName): void {
    this.#changed.add(lambda);
    if (this.#options !== undefined && !this.#closed) this.#quiet.set(QUIET_MS);
  }

  /** Anything may have changed. */
  changedAll(): void {
    for (const lambda of this.#schedules.keys()) this.changed(lambda);
    for (const lambda of this.#options?.list() ?? []) this.changed(lambda);
    if (this.#options !== undefined && this.#changed.size > 0) this.#quiet.set(QUIET_MS);
  }

  /** Makes no calls any more. */
  stop(): void {
    this.#closed = true;
    this.#quiet.close();
    this.#due.close();
  }

  /** Resolves when nothing more is asked of anybody. */
  async close(): Promise<void> {
    this.stop();
    await this.#looking;
    await this.#firing;
  }

  #lookAtAll(): void {
    this.#looking ??= this.#lookAtEach().finally(() => {
      this.#looking = undefined;
      if (this.#changed.size > 0 && !this.#closed) this.#quiet.set(QUIET_MS);
    });
  }

  async #lookAtEach(): Promise<void> {
    const { log } = this.#options as SchedulerOptions;
    for (const lambda of this.#changed) {
      if (this.#closed) return;
      this.#changed.delete(lambda);
      try {
        await this.#lookAt(lambda);
      } catch (error) {
        // Nobody may ever call it by hand, and so be told. The schedules stay as they were.
        log('warn', 'the schedules of a lambda can not be read', { lambda, ...refusalFacts(error) });
      }
    }
    this.#arm();
  }

  async #lookAt(lambda: LambdaName): Promise<void> {
    const { source, store } = this.#options as SchedulerOptions;
    const pointer = source.pointer?.(lambda);
    const unscheduled = pointer !== undefined && (await store.ask('isUnscheduled', { lambda, version: pointer }));
    const specs = unscheduled ? [] : await this.#specsOf(lambda);
    if (specs.length === 0 && pointer !== undefined && !unscheduled) {
      await store.ask('noteUnscheduled', { lambda, version: pointer });
    }
    await this.#keep(lambda, specs);
  }

  async #specsOf(lambda: LambdaName): Promise<readonly ScheduleSpec[]> {
    const { source } = this.#options as SchedulerOptions;
    const version = await source.current(lambda);
    if (version === undefined) return [];
    source.release(version);
    return version.config.schedules;
  }

  async #keep(lambda: LambdaName, specs: readonly ScheduleSpec[]): Promise<void> {
    const { store } = this.#options as SchedulerOptions;
    const schedules = specs.map((spec) => ({ name: spec.name, pattern: patternOf(spec) }));
    const marks = await store.ask('keepSchedules', { lambda, schedules, nowMs: Date.now() });
    const all = specs.map((spec): Schedule => {
      const occurrences = new Occurrences(spec);
      const lastMs = marks.find(({ name }) => name === spec.name)?.lastMs ?? Date.now();
      return { spec, occurrences, lastMs, nextMs: occurrences.after(lastMs) };
    });
    if (all.length > 0) this.#schedules.set(lambda, all);
    else this.#schedules.delete(lambda);
    this.#arm();
  }

  #arm(): void {
    if (this.#closed) return;
    let nextMs = Number.POSITIVE_INFINITY;
    for (const all of this.#schedules.values()) for (const one of all) nextMs = Math.min(nextMs, one.nextMs ?? nextMs);
    if (nextMs === Number.POSITIVE_INFINITY) this.#due.lift();
    else this.#due.set(Math.min(Math.max(0, nextMs - Date.now()), SLEEP_MS_MAX));
  }

  #fireAll(): void {
    this.#firing ??= this.#fireDue().then(
      () => {
        this.#firing = undefined;
        this.#trouble = undefined;
        this.#arm();
      },
      (error: unknown) => {
        this.#firing = undefined;
        this.#say(error);
        if (!this.#closed) this.#due.set(RETRY_MS);
      },
    );
  }

  #say(error: unknown): void {
    const trouble = error instanceof Error ? error.message : String(error);
    if (trouble === this.#trouble) return;
    this.#trouble = trouble;
    const facts = error instanceof Failure ? { reason: trouble } : { err: error };
    this.#options?.log('error', 'scheduled calls can not be made now', facts);
  }

  async #fireDue(): Promise<void> {
    const nowMs = Date.now();
    // The clock was wrong and has been set back since: the store is asked where they stand by the one that is right.
    const ahead = (one: Schedule) => one.lastMs > nowMs + MARK_AHEAD_MS;
    for (const [lambda, all] of this.#schedules) if (all.some(ahead)) this.changed(lambda);
    const due = [...this.#schedules].flatMap(([lambda, all]) => all.map((one) => ({ lambda, one })));
    const fires = due.filter(({ one }) => one.nextMs !== undefined && one.nextMs <= nowMs);
    // All in one turn, so that they are one commit.
    const settled = await Promise.allSettled(fires.map(({ lambda, one }) => this.#fire(lambda, one, nowMs)));
    for (const one of settled) if (one.status === 'rejected') throw one.reason;
  }

  async #fire(lambda: LambdaName, schedule: Schedule, nowMs: number): Promise<void> {
    const { store, onFired, log } = this.#options as SchedulerOptions;
    const { spec, occurrences } = schedule;
    const plan = occurrences.plan(schedule.lastMs, nowMs);
    if (plan === undefined) return;
    const dues = plan.fire.map((dueMs) => ({ dueMs, id: uuidV7(), event: eventOf(spec, dueMs) }));
    const order = { lambda, name: spec.name, pattern: patternOf(spec), dues, upToMs: plan.upToMs, nowMs };
    const calls = await store.ask('fire', order);
    schedule.lastMs = plan.upToMs;
    schedule.nextMs = occurrences.after(plan.upToMs);
    if (calls === undefined) {
      // Another worker knows newer code; so shall this one.
      this.changed(lambda);
      return;
    }
    if (plan.passedOver > 0) {
      log('warn', 'times of a schedule were missed', { lambda, schedule: spec.name, times: plan.passedOver });
    }
    if (calls > 0) onFired(calls);
  }
}

function eventOf({ name, event }: ScheduleSpec, dueMs: number): Uint8Array {
  return new TextEncoder().encode(event ?? JSON.stringify({ schedule: name, time: new Date(dueMs).toISOString() }));
}
