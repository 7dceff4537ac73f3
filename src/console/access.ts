/**
 * Who may use the console. It writes code and runs it, so it is not for every page that a browser of this machine has
 * open, nor for everybody who can reach the port.
 *
 * On a loopback address it is open to this machine, under a name of this machine: a name that somebody's DNS points to
 * 127.0.0.1 is refused, or a page of theirs could speak to it as its own. Elsewhere it needs the token. What changes
 * something also needs a header that a page from elsewhere can not send without being asked for permission.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { hostName, isLoopback } from '../lib/loopback.ts';

/** Sent with everything that changes something. */
export const CONSOLE_HEADER = 'x-isla-console';
export const CONSOLE_COOKIE = 'isla_console';

export interface AccessTerms {
  /** The address that the worker listens on. */
  host: string;
  /** Empty for none. */
  token: string;
}

export type Verdict =
  | { kind: 'allowed' }
  /** The token is asked for. */
  | { kind: 'login' }
  | { kind: 'refused'; reason: string };

/** Whether there is a console at all. */
export function isServed({ host, token }: AccessTerms): boolean {
  return token !== '' || isLoopback(host);
}

export function mayUse(incoming: IncomingMessage, terms: AccessTerms): Verdict {
  if (CHANGES.has(incoming.method ?? '') && incoming.headers[CONSOLE_HEADER] === undefined) {
    return { kind: 'refused', reason: `what changes something needs the header ${CONSOLE_HEADER}` };
  }
  if (terms.token !== '') return hasToken(incoming, terms.token) ? { kind: 'allowed' } : { kind: 'login' };
  if (!isLoopback(incoming.socket.remoteAddress ?? '')) return { kind: 'refused', reason: NEEDS_TOKEN };
  const name = hostName(incoming.headers.host ?? '');
  if (isLoopback(name)) return { kind: 'allowed' };
  return { kind: 'refused', reason: `under the name ${JSON.stringify(name)} ${NEEDS_TOKEN}` };
}

const CHANGES = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);
const NEEDS_TOKEN = 'the console needs a token: set "console_token" with `admin setconf`';

/** Equal in length and made from the token, so that comparing them tells nothing of it. */
export function cookieValue(token: string): string {
  return createHash('sha256').update(`isla console\n${token}`).digest('base64url');
}

export function isToken(given: string, token: string): boolean {
  return timingSafeEqual(Buffer.from(cookieValue(given)), Buffer.from(cookieValue(token)));
}

function hasToken({ headers }: IncomingMessage, token: string): boolean {
  const bearer = /^Bearer (.+)$/i.exec(headers.authorization ?? '')?.[1];
  if (bearer !== undefined) return isToken(bearer, token);
  const cookie = new RegExp(`(?:^|; )${CONSOLE_COOKIE}=([A-Za-z0-9_-]{43})(?:;|$)`).exec(headers.cookie ?? '')?.[1];
  return cookie !== undefined && timingSafeEqual(Buffer.from(cookie), Buffer.from(cookieValue(token)));
}
