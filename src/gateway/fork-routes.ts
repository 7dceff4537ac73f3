/** A second session with the state of a first one, and one session taken back to before its last cell. */
import { uuidV7 } from '../lib/uuid-v7.ts';
import { json, noContent } from './answers.ts';
import type { ApiCall } from './api-call.ts';
import { MAJORS } from './api-version.ts';
import { TOKEN_PATTERN } from './create-params.ts';
import type { ManagerStatus } from './manager-status.ts';
import type { Route } from './route.ts';
import type { SessionRecord } from './session-record.ts';
import { addressed, type SessionRouteOptions } from './session-routes.ts';

export interface ForkRouteOptions extends SessionRouteOptions {
  status: ManagerStatus;
}

export function forkRoutes(options: ForkRouteOptions): Route[] {
  const post = { method: 'POST', majors: MAJORS, need: 'key' } as const;
  return [
    {
      ...post,
      path: '/session/:token/fork',
      also: ['/kernel/:token/fork'],
      takes: '`{"token"?}` of the new one',
      answers: '201 `{"kernelId", "sessionId", "status", "forkOf", "created"}`',
      errors: ['kernel-not-found', 'kernel-fork-failed', 'quota-exceeded', 'server-frozen', 'instance-not-available'],
      run: (call) => fork(call, options),
    },
    {
      ...post,
      path: '/session/:token/rewind',
      also: ['/kernel/:token/rewind'],
      answers: '204: it is as before its last cell',
      errors: ['kernel-not-found', 'kernel-fork-failed', 'instance-not-available'],
      run: (call) => rewind(call, options),
    },
  ];
}

async function fork(call: ApiCall, options: ForkRouteOptions): Promise<Response> {
  const { session, params } = await addressed(call, options);
  const pattern = TOKEN_PATTERN;
  const token = params.text('clientSessionToken|token', { pattern, what: 'a token of 4 to 64 characters' });
  params.check();
  options.status.refuseFrozen();
  await session.started;
  const { record } = session;
  const { sessions } = options;
  const id = uuidV7();
  const { idleTimeoutMs, lifetimeMs } = record;
  const made: SessionRecord = {
    ...record,
    id,
    token: token ?? id,
    status: 'PENDING',
    statusInfo: null,
    detail: null,
    createdMs: Date.now(),
    agent: null,
    facts: null,
    type: 'interactive',
    startupCommand: null,
    forkOf: record.token,
  };
  const forked = await sessions.adopt(made, () => sessions.host.fork(record.id, { id, idleTimeoutMs, lifetimeMs }));
  const { status } = forked.record;
  return json({ kernelId: made.token, sessionId: id, status, forkOf: record.token, created: true }, 201);
}

async function rewind(call: ApiCall, options: ForkRouteOptions): Promise<Response> {
  const { session, params } = await addressed(call, options);
  params.check();
  await session.started;
  const { record } = session;
  await options.sessions.host.rewind(record.id);
  return noContent();
}
