/**
 * Answers that Node's own server writes as they are, for routes that are too busy for a Request and a Response:
 * making those two and taking them apart again costs more than the rest of HTTP.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';

export interface PlainAnswer {
  status: number;
  /** Names and values by turns, without the length. */
  headers: readonly string[];
  /** Text, or bytes; `null` for none at all, not even a length. */
  body: Buffer | string | null;
  /** It has been written already, bit by bit. */
  sent?: true;
}

/** Must not reject: nobody but itself can tell what happened. */
export type PlainHandler = (incoming: IncomingMessage, outgoing: ServerResponse) => Promise<PlainAnswer>;

/** Up to this size it is cheaper to turn bytes into text of as many characters, which goes out in one piece with the head. */
const AS_TEXT_BYTES_MAX = 16_384;

/** Writes the answer, if anybody still listens. */
export function sendPlain(outgoing: ServerResponse, { status, headers, body, sent }: PlainAnswer): void {
  if (outgoing.destroyed || sent) return;
  if (body === null) outgoing.writeHead(status, headers as string[]).end();
  else if (typeof body === 'string') {
    outgoing.writeHead(status, [...headers, 'Content-Length', `${Buffer.byteLength(body)}`]).end(body);
  } else {
    outgoing.writeHead(status, [...headers, 'Content-Length', `${body.length}`]);
    if (body.length <= AS_TEXT_BYTES_MAX) outgoing.end(body.toString('latin1'), 'latin1');
    else outgoing.end(body);
  }
}

/** The same for those who want a Response. */
export function responseOf({ status, headers, body, sent }: PlainAnswer): Response {
  if (sent) return new Response(null, { headers: { 'x-hono-already-sent': 'true' } });
  const named: Record<string, string> = {};
  for (let at = 0; at < headers.length; at += 2) named[headers[at] as string] = headers[at + 1] as string;
  return new Response(body as string | Uint8Array<ArrayBuffer> | null, { status, headers: named });
}
