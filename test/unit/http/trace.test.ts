import type { IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import { traceOf } from '../../../src/http/trace.ts';

const ID = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';

const traceIn = (headers: Record<string, string>) => traceOf({ headers } as unknown as IncomingMessage);

test.each([
  [`00-${ID}-${PARENT}-01`, `00-${ID}-${PARENT}-01`],
  [`00-${ID}-${PARENT}-00`, `00-${ID}-${PARENT}-00`],
  // Of the flags one has a meaning.
  [`00-${ID}-${PARENT}-ff`, `00-${ID}-${PARENT}-01`],
  [`00-${ID}-${PARENT}-02`, `00-${ID}-${PARENT}-00`],
  // A version to come, with fields of its own.
  [`01-${ID}-${PARENT}-01-more`, `00-${ID}-${PARENT}-01`],
  [`cc-${ID}-${PARENT}-01`, `00-${ID}-${PARENT}-01`],
])('%s is the trace %s', (traceparent, parent) => {
  expect(traceIn({ traceparent })).toEqual({ parent, state: undefined });
});

test.each([
  `00-${ID}-${PARENT}-01-more`,
  `ff-${ID}-${PARENT}-01`,
  `00-${ID.toUpperCase()}-${PARENT}-01`,
  `00-${'0'.repeat(32)}-${PARENT}-01`,
  `00-${ID}-${'0'.repeat(16)}-01`,
  `00-${ID}-${PARENT}`,
  `00-${ID}-${PARENT}-1`,
  `01-${ID}-${PARENT}-01more`,
  '',
  'x',
])('%j is no trace', (traceparent) => {
  expect(traceIn({ traceparent, tracestate: 'a=1' })).toBe(undefined);
});

test.each([
  ['vendor=1,other="x"', 'vendor=1,other="x"'],
  ['', undefined],
  ['x'.repeat(513), undefined],
  ['a=\u00e9', undefined],
])('the state %j is passed on as %j', (tracestate, state) => {
  expect(traceIn({ traceparent: `00-${ID}-${PARENT}-01`, tracestate })?.state).toBe(state);
});

test('a state without a trace is nothing', () => {
  expect(traceIn({ tracestate: 'a=1' })).toBe(undefined);
});
