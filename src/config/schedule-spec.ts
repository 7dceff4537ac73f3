/** `schedules` in a `lambda.json`: when the lambda is called without anybody asking. */
import { CronPattern } from 'croner';
import { nearest } from '../lib/edit-distance.ts';
import { SCHEDULES_MAX } from './limits.ts';
import { isPlain, show } from './parse.ts';

/** What becomes of times at which no worker was up: nothing, one call for all of them, or a call for each. */
export const MISSED = ['skip', 'once', 'all'] as const;
export type Missed = (typeof MISSED)[number];

export interface ScheduleSpec {
  /** Tells it from the lambda's others. */
  readonly name: string;
  /** Five fields, or six with seconds first, or `@daily` and its like. */
  readonly cron: string;
  /** An IANA name. */
  readonly timezone: string;
  /** JSON; undefined for one that says which schedule it is, and when it was due. */
  readonly event: string | undefined;
  readonly missed: Missed;
}

const KEYS = ['name', 'cron', 'timezone', 'event', 'missed'];
const NAME = /^[A-Za-z0-9._-]{1,64}$/;
/** A date is a pattern to croner as well; it would be a schedule that fires once. */
const CRON = /^(@[a-z]+|[^\s@]+( +[^\s]+){4,5})$/;

/** `raw` is undefined if the file does not say. */
export function readSchedules(raw: unknown, problems: string[]): readonly ScheduleSpec[] {
  if (raw === undefined) return [];
  if (!Array.isArray(raw)) {
    problems.push(`schedules: ${show(raw)} is not a list such as [{"cron": "*/5 * * * *"}]`);
    return [];
  }
  if (raw.length > SCHEDULES_MAX) {
    problems.push(`schedules: there are ${raw.length}; ${SCHEDULES_MAX} are allowed`);
    return [];
  }
  const specs = raw.flatMap((one, at) => readSchedule(one, `schedules[${at}]`, problems) ?? []);
  specs.forEach(({ name }, at) => {
    if (specs.findIndex((one) => one.name === name) !== at) {
      problems.push(`schedules: two have the name ${show(name)}; a "name" tells them apart`);
    }
  });
  return specs;
}

function readSchedule(raw: unknown, where: string, problems: string[]): ScheduleSpec | undefined {
  if (!isPlain(raw)) {
    problems.push(`${where}: ${show(raw)} is not a JSON object such as {"cron": "*/5 * * * *"}`);
    return undefined;
  }
  const before = problems.length;
  const say = (key: string, problem: string) => problems.push(`${where}.${key.slice(0, 64)}: ${problem}`);
  for (const key of Object.keys(raw)) if (!KEYS.includes(key)) say(key, unknownKey(key));
  const { cron, timezone = 'UTC', missed = 'once', name = cron } = raw;
  const cronWrong = cronProblem(cron);
  if (cronWrong !== undefined) say('cron', cronWrong);
  if (!isTimezone(timezone)) say('timezone', `${show(timezone)} is no time zone such as "Europe/Berlin"`);
  if (!MISSED.includes(missed as Missed)) say('missed', `${show(missed)} is not one of ${MISSED.map(show).join(', ')}`);
  if (raw.name !== undefined && !(typeof name === 'string' && NAME.test(name))) {
    say('name', `${show(name)} is not 1 to 64 of A-Z a-z 0-9 . _ -`);
  }
  if (problems.length > before) return undefined;
  const event = Object.hasOwn(raw, 'event') ? JSON.stringify(raw.event) : undefined;
  return { name: name as string, cron: cron as string, timezone: timezone as string, event, missed: missed as Missed };
}

function unknownKey(key: string): string {
  const guess = nearest(key.slice(0, 64), KEYS);
  return `there is no such key${guess === undefined ? '' : `; did you mean "${guess}"?`}`;
}

function cronProblem(cron: unknown): string | undefined {
  if (typeof cron !== 'string' || !CRON.test(cron)) {
    return `${show(cron)} is not five fields such as "*/5 * * * *", six with seconds first, or "@daily"`;
  }
  try {
    new CronPattern(cron, undefined, { mode: '5-or-6-parts' });
    return undefined;
  } catch (error) {
    return `${show(cron)}: ${(error as Error).message.replace(/^CronPattern: /, '')}`;
  }
}

function isTimezone(name: unknown): boolean {
  if (typeof name !== 'string' || name.length > 64) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
