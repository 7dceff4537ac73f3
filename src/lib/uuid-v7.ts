import { randomUUID } from 'node:crypto';

/**
 * A UUID of version 7: it starts with the Unix time in milliseconds, so ids sort by age. The rest
 * is borrowed from a version 4 UUID, whose random bytes Node keeps in stock: 0.2 µs instead of 2.
 */
export function uuidV7(nowMs: number = Date.now()): string {
  if (nowMs !== last.ms) {
    const time = nowMs.toString(16).padStart(12, '0');
    last.ms = nowMs;
    last.head = `${time.slice(0, 8)}-${time.slice(8)}-7`;
  }
  return last.head + randomUUID().slice(15);
}

/** What the ids of one millisecond begin with. */
const last = { ms: Number.NaN, head: '' };
