/** `GET /stream/kernel/_/events`: what happens to sessions, as server-sent events, also what was missed in between. */
import type { ApiCall } from '../api-call.ts';
import { ApiProblem } from '../api-problem.ts';
import { headerOf } from '../api-version.ts';
import { ownerOf } from '../authentication.ts';
import type { EventLog, SessionEvent } from '../event-log.ts';
import type { KeyRing } from '../key-ring.ts';
import { EVENTS_PING_MS, EVENTS_UNREAD_BYTES_MAX } from '../limits.ts';
import type { Route } from '../route.ts';
import type { OpenStreams } from './open-streams.ts';

export interface EventRouteOptions {
  keys: KeyRing;
  events: EventLog;
  streams: OpenStreams;
}

export function eventRoutes(options: EventRouteOptions): Route[] {
  const run = (call: ApiCall) => follow(call, options);
  return [
    {
      method: 'GET',
      path: '/stream/kernel/_/events',
      also: ['/stream/session/_/events'],
      majors: [3, 4],
      need: 'key',
      takes: '`sessionId`, `ownerAccessKey`, `group`; `Last-Event-ID`',
      answers: '200 server-sent events of sessions',
      errors: ['generic-forbidden', 'group-not-found'],
      run,
    },
  ];
}

async function follow(call: ApiCall, { keys, events, streams }: EventRouteOptions): Promise<Response> {
  const wanted = await filterOf(call, keys);
  const lastId = headerOf(call.incoming.headers, 'last-event-id');
  let stop = () => {};
  let isOver = false;
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const write = (text: string): void => {
          // Who does not read is cut, and may come back for the rest.
          if ((controller.desiredSize ?? 0) <= 0) end();
          else controller.enqueue(Buffer.from(text));
        };
        const ping = setInterval(() => write(': ping\n\n'), EVENTS_PING_MS);
        const unlisten = events.listen((event) => {
          if (wanted(event)) write(formatEvent(event));
        });
        const leave = streams.add(() => {
          if ((controller.desiredSize ?? 0) > 0) {
            controller.enqueue(Buffer.from('event: server_restarting\ndata: {}\n\n'));
          }
          end();
        });
        stop = () => {
          clearInterval(ping);
          unlisten();
          leave();
        };
        const end = (): void => {
          isOver = true;
          stop();
          controller.close();
        };
        write(': connected\n\n');
        for (const event of lastId === undefined ? [] : events.since(lastId)) {
          if (isOver) break;
          if (wanted(event)) write(formatEvent(event));
        }
      },
      cancel: () => stop(),
    },
    { highWaterMark: EVENTS_UNREAD_BYTES_MAX, size: (chunk) => chunk.byteLength },
  );
  const headers = { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache', 'X-Accel-Buffering': 'no' };
  return new Response(body, { headers });
}

/** Everybody hears of the own sessions; administrators of those that they may act for. Throws ApiProblem. */
async function filterOf(call: ApiCall, keys: KeyRing): Promise<(event: SessionEvent) => boolean> {
  const params = await call.params();
  const token = params.text('sessionId|sessionName|session_id') ?? '*';
  const ownerKey = params.text('ownerAccessKey|owner_access_key');
  const group = params.text('group|groupName|group_name') ?? '*';
  params.check();
  if (group !== '*' && group !== 'default') {
    throw new ApiProblem('group-not-found', undefined, { detail: `There is no group ${group}; there is "default".` });
  }
  const isToken = (event: SessionEvent) => token === '*' || event.token === token;
  if (ownerKey === '*') {
    const me = keys.userOf(call.pair);
    if (me?.role === 'superadmin') return isToken;
    if (me?.role === 'admin') return (event) => domainOf(event, keys) === me.domain && isToken(event);
    throw new ApiProblem('generic-forbidden', undefined, {
      detail: "Only an administrator hears of others' sessions.",
    });
  }
  const { accessKey } = ownerOf(call.pair, ownerKey, keys);
  return (event) => event.accessKey === accessKey && isToken(event);
}

function domainOf({ accessKey }: SessionEvent, keys: KeyRing): string | undefined {
  const pair = keys.pair(accessKey);
  return pair && keys.userOf(pair)?.domain;
}

function formatEvent({ id, name, token, accessKey, reason, exitCode }: SessionEvent): string {
  const data = { sessionId: token, ownerAccessKey: accessKey, reason, ...(exitCode !== undefined && { exitCode }) };
  return `event: ${name}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`;
}
