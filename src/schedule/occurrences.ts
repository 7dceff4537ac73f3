/** When a schedule is due, and what to do about times that have passed. Pure. */
import { Cron } from 'croner';
import type { ScheduleSpec } from '../config/schedule-spec.ts';
import { MISSED_CALLS_MAX, ON_TIME_MS } from './limits.ts';

export interface Plan {
  /** Times to make a call for, in order. */
  fire: readonly number[];
  /** Times that get none. */
  passedOver: number;
  /** Times up to here are over. */
  upToMs: number;
}

export class Occurrences {
  readonly #cron: Cron;
  readonly #missed: ScheduleSpec['missed'];

  constructor({ cron, timezone, missed }: Pick<ScheduleSpec, 'cron' | 'timezone' | 'missed'>) {
    this.#cron = new Cron(cron, { timezone, mode: '5-or-6-parts', paused: true });
    this.#missed = missed;
  }

  /** The first time after this one; undefined if there is none. */
  after(ms: number): number | undefined {
    return this.#cron.nextRun(new Date(ms))?.getTime();
  }

  /** What is to be done now if everything up to `lastMs` is over. Undefined if nothing has come due since. */
  plan(lastMs: number, nowMs: number): Plan | undefined {
    const due = this.#last(lastMs, nowMs);
    const upToMs = due.at(-1);
    if (upToMs === undefined) return undefined;
    const onTime = due.filter((ms) => nowMs - ms <= ON_TIME_MS);
    const fire = this.#toFire(due, onTime);
    return { fire, passedOver: due.length - fire.length, upToMs };
  }

  #toFire(due: readonly number[], onTime: readonly number[]): readonly number[] {
    switch (this.#missed) {
      case 'skip':
        return onTime;
      case 'once':
        return onTime.length > 0 ? onTime : due.slice(-1);
      case 'all':
        return due;
    }
  }

  /** The last times after `lastMs`, up to now. */
  #last(lastMs: number, nowMs: number): number[] {
    const due: number[] = [];
    for (let next = this.after(lastMs); next !== undefined && next <= nowMs; next = this.after(next)) {
      if (due.length === MISSED_CALLS_MAX) return this.#lastBefore(lastMs, nowMs);
      due.push(next);
    }
    return due;
  }

  /** After a long time, from its end: whoever counts from its begin counts every second of a year. */
  #lastBefore(lastMs: number, nowMs: number): number[] {
    return this.#cron
      .previousRuns(MISSED_CALLS_MAX, new Date(nowMs + 1))
      .map((date) => date.getTime())
      .filter((ms) => ms > lastMs && ms <= nowMs)
      .reverse();
  }
}

/** What the store knows a schedule's times by. */
export function patternOf({ cron, timezone }: Pick<ScheduleSpec, 'cron' | 'timezone'>): string {
  return `${cron} ${timezone}`;
}

/** No time zone has a blank in its name. */
export function patternParts(pattern: string): { cron: string; timezone: string } {
  const at = pattern.lastIndexOf(' ');
  return { cron: pattern.slice(0, at), timezone: pattern.slice(at + 1) };
}
