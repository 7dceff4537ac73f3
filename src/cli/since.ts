import { InvalidArgumentError } from 'commander';

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const DURATION = /^(?:[0-9]{1,9}(?:\.[0-9]{1,3})?(?:ms|s|m|h|d))+$/;
const PART = /([0-9.]+)(ms|s|m|h|d)/g;
/** ISO 8601 with a date; a time without a zone is this machine's. */
const TIME = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?$/;

/** Parses a flag's point in time for commander, as Unix milliseconds: `10m` ago, or a date with or without a time. */
export function parseSince(text: string, nowMs: number = Date.now()): number {
  if (DURATION.test(text)) {
    const parts = [...text.matchAll(PART)].map(
      ([, count, unit]) => Number(count) * UNIT_MS[unit as keyof typeof UNIT_MS],
    );
    return nowMs - parts.reduce((sum, part) => sum + part, 0);
  }
  // A date alone is UTC to Date.parse, and with a time it is local: here both are local.
  const local = text.length === 10 ? `${text}T00:00` : text.replace(' ', 'T');
  const timeMs = TIME.test(text) ? Date.parse(local) : Number.NaN;
  if (Number.isNaN(timeMs)) {
    throw new InvalidArgumentError(
      'It must be a duration such as 90s, 10m, 1h30m or 2d, or a time such as 2026-11-22T10:00:00Z',
    );
  }
  return timeMs;
}
