/** What the consoles of sessions have said, of those that have ended, too, for a while. */
import { byteRangeOf } from '../lib/byte-range.ts';
import { json } from './answers.ts';
import { headerOf, MAJORS } from './api-version.ts';
import { ownerKeyOf, ownerOf } from './authentication.ts';
import { checkToken } from './create-params.ts';
import type { Route } from './route.ts';
import type { SessionRouteOptions } from './session-routes.ts';

const UUID = /^[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}$/i;

export function logRoutes(options: SessionRouteOptions): Route[] {
  const key = { method: 'GET', majors: MAJORS, need: 'key' } as const;
  return [
    {
      ...key,
      path: '/kernel/_/logs',
      takes: "`taskId`, the session's id; `Range`",
      answers: '200 or 206 the text, also after its end; 416',
      errors: ['kernel-not-found', 'instance-not-available'],
      run: taskLog(options),
    },
    {
      ...key,
      path: '/kernel/:token/logs',
      answers: '200 `{"result": {"logs"}}`, also after its end',
      errors: ['kernel-not-found', 'instance-not-available'],
      run: sessionLog(options),
    },
  ];
}

function sessionLog({ keys, sessions }: SessionRouteOptions): Route['run'] {
  return async (call) => {
    const params = await call.params();
    const owner = ownerOf(call.pair, ownerKeyOf(call, params), keys);
    params.check();
    const record = sessions.findKnown(owner, checkToken(call.names.token ?? ''));
    return json({ result: { logs: await sessions.host.logs(record.id) } });
  };
}

/** By the session's id instead of its token: of one task among many of the same name. As text, or a part of it. */
function taskLog({ keys, sessions }: SessionRouteOptions): Route['run'] {
  return async (call) => {
    const params = await call.params();
    const owner = ownerOf(call.pair, ownerKeyOf(call, params), keys);
    const id = params.requiredText('taskId|task_id|kernelId|kernel_id', { pattern: UUID, what: "a session's id" });
    params.check();
    const record = sessions.findById(owner, dashed(id));
    const whole = Buffer.from(await sessions.host.logs(record.id));
    const headers = { 'Content-Type': 'text/plain; charset=utf-8', 'Accept-Ranges': 'bytes' };
    const range = byteRangeOf(headerOf(call.incoming.headers, 'range'), whole.length);
    if (range === undefined) return new Response(whole, { headers: { ...headers, ...lengthOf(whole) } });
    if (range === 'unsatisfiable') return new Response(null, { status: 416, headers: beyond(whole) });
    const { start, bytes } = range;
    const part = whole.subarray(start, start + bytes);
    const place = `bytes ${start}-${start + bytes - 1}/${whole.length}`;
    return new Response(part, { status: 206, headers: { ...headers, ...lengthOf(part), 'Content-Range': place } });
  };
}

/** Said here, as a HEAD has no body to be measured. */
function lengthOf({ length }: Buffer): Record<string, string> {
  return { 'Content-Length': String(length) };
}

function beyond({ length }: Buffer): Record<string, string> {
  return { 'Content-Range': `bytes */${length}`, 'Content-Length': '0', 'Content-Type': 'text/plain' };
}

/** Python writes a UUID with or without them. */
function dashed(id: string): string {
  const digits = id.replaceAll('-', '').toLowerCase();
  return [8, 12, 16, 20].reduceRight((text, at) => `${text.slice(0, at)}-${text.slice(at)}`, digits);
}
