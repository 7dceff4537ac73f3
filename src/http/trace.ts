import type { IncomingMessage } from 'node:http';

/** In which trace a request is, by W3C's Trace Context. */
export interface Trace {
  /** `00-<trace id>-<parent id>-<00 or 01>` */
  parent: string;
  /** What the parties of the trace pass on to each other; undefined if there is none. */
  state: string | undefined;
}

/** Versions to come may have more fields; the first four are what they are. */
const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const TRACESTATE = /^[\x20-\x7e]{1,512}$/;
const SAMPLED = 0x01;

/** Undefined if its headers name none, or none that there can be. */
export function traceOf({ headers }: IncomingMessage): Trace | undefined {
  const { traceparent, tracestate } = headers;
  if (typeof traceparent !== 'string') return undefined;
  const [, version, traceId, parentId, flags = '', more] = TRACEPARENT.exec(traceparent) ?? [];
  if (version === undefined || (version === '00' && more !== undefined)) return undefined;
  const sampled = (Number.parseInt(flags, 16) & SAMPLED) === SAMPLED ? '01' : '00';
  const state = typeof tracestate === 'string' && TRACESTATE.test(tracestate) ? tracestate : undefined;
  return { parent: `00-${traceId}-${parentId}-${sampled}`, state };
}
