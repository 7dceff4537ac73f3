/** The event stream of one listener, as an answer; the call is a request that nobody has sent. */
import { EventEmitter } from 'node:events';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { ApiCall } from '../../../../src/gateway/api-call.ts';
import { apiVersionOf } from '../../../../src/gateway/api-version.ts';
import { EventLog } from '../../../../src/gateway/event-log.ts';
import type { KeyPair } from '../../../../src/gateway/key-pair.ts';
import type { KeyRing } from '../../../../src/gateway/key-ring.ts';
import { EVENTS_KEPT, EVENTS_UNREAD_BYTES_MAX } from '../../../../src/gateway/limits.ts';
import { eventRoutes } from '../../../../src/gateway/streams/events.ts';
import { OpenStreams } from '../../../../src/gateway/streams/open-streams.ts';
import { BodyMemory } from '../../../../src/http/body-memory.ts';

const PAIR = { accessKey: 'AKIAEXAMPLE000000000' } as KeyPair;

function callSince(lastId: string): ApiCall {
  const incoming = new IncomingMessage(new Socket());
  incoming.headers = { 'last-event-id': lastId };
  incoming.url = '/stream/kernel/_/events';
  incoming.push(null);
  const bodies = new BodyMemory({ bodyBytesMax: 1_000 });
  const version = apiVersionOf({}, undefined);
  const call = new ApiCall({ incoming, requestId: 'r', ending: new EventEmitter(), names: {}, version, bodies });
  call.pair = PAIR;
  return call;
}

test('who has missed more than may be unread is told as much, and comes back for the rest', async () => {
  const events = new EventLog('life');
  const tell = (token: string) =>
    events.add({ name: 'kernel_started', token, accessKey: PAIR.accessKey, reason: 'x'.repeat(100) });
  for (let count = 0; count <= EVENTS_KEPT; count += 1) tell(`session-${count}`);
  const streams = new OpenStreams();
  const [route] = eventRoutes({ keys: {} as KeyRing, events, streams });
  const ids: string[] = [];
  for (let lastId = 'life-1', answers = 0; ids.length < EVENTS_KEPT && answers < 10; answers += 1) {
    const response = await route!.run(callSince(lastId));
    // The last one stays open.
    streams.closeAll();
    const text = await response.text();
    expect(text.length).toBeLessThan(EVENTS_UNREAD_BYTES_MAX + 1_000);
    ids.push(...[...text.matchAll(/^id: (.*)$/gm)].map(([, id]) => id as string));
    lastId = ids.at(-1) as string;
  }
  expect(ids).toEqual(Array.from({ length: EVENTS_KEPT }, (_, at) => `life-${at + 2}`));
  expect(streams.size).toBe(0);
  tell('later');
});
