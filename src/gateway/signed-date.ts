/** The date of a signed request: when it was made, and the day that its signature names. */

export interface SignedDate {
  atMs: number;
  /** `YYYYMMDD` in the date's own offset. */
  day: string;
}

/** ISO 8601, dashes and colons as one likes, a blank for the T, up to nanoseconds; no zone is UTC. */
const ISO =
  /^(\d{4})-?(\d{2})-?(\d{2})[T ](\d{2}):?(\d{2})(?::?(\d{2})(?:[.,](\d{1,9}))?)?(Z|[+-]\d{2}:?(?:\d{2})?)?$/i;
const RFC_1123 = /^(?:[A-Z][a-z]{2}, )?(\d{1,2}) ([A-Z][a-z]{2}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) (GMT|UTC|[+-]\d{4})$/;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** Undefined if it is no date. */
export function readSignedDate(text: string): SignedDate | undefined {
  const iso = ISO.exec(text.trim());
  if (iso !== null) {
    const [, year, month, day, hour, minute, second = '0', fraction = '', zone] = iso as unknown as string[];
    const ms = Number(fraction.padEnd(3, '0').slice(0, 3));
    return dateOf([year, month, day, hour, minute, second].map(Number), ms, zone);
  }
  const [, day, month = '', year, hour, minute, second, zone] = RFC_1123.exec(text.trim()) ?? [];
  if (!MONTHS.includes(month)) return undefined;
  return dateOf([year, MONTHS.indexOf(month) + 1, day, hour, minute, second].map(Number), 0, zone);
}

function dateOf(fields: number[], ms: number, zone: string | undefined): SignedDate | undefined {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = fields;
  const localMs = Date.UTC(year, month - 1, day, hour, minute, second, ms);
  const back = new Date(localMs);
  // Date.UTC takes the 31st of February for the 3rd of March.
  if (back.getUTCDate() !== day || back.getUTCMonth() !== month - 1 || hour > 23 || minute > 59) return undefined;
  const named = `${year}`.padStart(4, '0') + `${month}`.padStart(2, '0') + `${day}`.padStart(2, '0');
  return { atMs: localMs - offsetMs(zone), day: named };
}

function offsetMs(zone: string | undefined): number {
  const found = /^([+-])(\d{2}):?(\d{2})?$/.exec(zone ?? '');
  if (found === null) return 0;
  const minutes = Number(found[2]) * 60 + Number(found[3] ?? 0);
  return (found[1] === '-' ? -1 : 1) * minutes * 60_000;
}
