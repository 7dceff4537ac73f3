import type { IncomingMessage } from 'node:http';
import { uuidV7 } from '../lib/uuid-v7.ts';

/** What may go into logs, headers and JSON as it is. */
const SANE_ID = /^[A-Za-z0-9._:-]{1,128}$/;

/** The caller's own `X-Request-Id` if it is sane, otherwise a new UUID that sorts by time. */
export function requestIdOf(incoming: IncomingMessage): string {
  const given = incoming.headers['x-request-id'];
  return typeof given === 'string' && SANE_ID.test(given) ? given : uuidV7();
}
