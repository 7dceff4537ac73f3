/** `/kernel`: sessions are made, looked at, restarted, interrupted, forked and ended. */
import type { Failure } from '../config/failure.ts';
import { within } from '../lib/within.ts';
import type { SessionFacts } from '../session/host.ts';
import { json, noContent } from './answers.ts';
import type { ApiCall } from './api-call.ts';
import { ApiProblem } from './api-problem.ts';
import { MAJORS } from './api-version.ts';
import { ownerKeyOf, ownerOf } from './authentication.ts';
import { checkToken, readWanted, type Wanted } from './create-params.ts';
import type { KeyPair } from './key-pair.ts';
import type { KeyRing } from './key-ring.ts';
import type { ManagerStatus } from './manager-status.ts';
import type { Params } from './params.ts';
import type { Route } from './route.ts';
import type { Session } from './session-book.ts';
import { creationFailed, sessionInfo, statsOf } from './session-info.ts';
import type { Sessions } from './sessions.ts';

export interface SessionRouteOptions {
  keys: KeyRing;
  sessions: Sessions;
}

export interface CreateRouteOptions extends SessionRouteOptions {
  status: ManagerStatus;
}

/** What a call to a session's own path is about. */
export interface Addressed {
  owner: KeyPair;
  session: Session;
  params: Params;
}

export function sessionRoutes(options: CreateRouteOptions): Route[] {
  const key = { majors: MAJORS, need: 'key' } as const;
  const on = (run: (addressed: Addressed, call: ApiCall) => Promise<Response>) => async (call: ApiCall) =>
    run(await addressed(call, options), call);
  const finds = ['kernel-not-found', 'instance-not-available'] as const;
  const at = { path: '/kernel/:token', ...key, errors: finds } as const;
  return [
    {
      method: 'POST',
      path: '/kernel',
      also: ['/kernel/create'],
      ...key,
      takes: '`{"clientSessionToken", "image", "config"?, "type"?, "startupCommand"?, "tag"?, …}`',
      answers: '201 `{"kernelId", "sessionId", "status", "created"}`; 200 if the token has a session',
      errors: [
        'image-not-found',
        'kernel-already-exists',
        'quota-exceeded',
        'server-frozen',
        'instance-not-available',
        'kernel-creation-failed',
      ],
      run: create(options),
    },
    {
      method: 'GET',
      path: '/kernel',
      ...key,
      takes: '`all=true`, for superadmins',
      answers: '200 `{"sessions"}`',
      errors: ['generic-forbidden'],
      run: list(options),
    },
    { method: 'GET', ...at, answers: '200 state, memory, CPU time', run: on(info(options)) },
    { method: 'PATCH', ...at, answers: '204: a fresh interpreter, the same files', run: on(restart(options)) },
    { method: 'DELETE', ...at, takes: '`forced`', answers: '200 `{"stats"}`', run: on(destroy(options)) },
    {
      method: 'POST',
      path: '/kernel/:token/interrupt',
      ...key,
      answers: '204',
      errors: finds,
      run: on(interrupt(options)),
    },
  ];
}

/** Throws ApiProblem `kernel-not-found`, also for another key's session. */
export async function addressed(call: ApiCall, { keys, sessions }: SessionRouteOptions): Promise<Addressed> {
  const params = await call.params();
  const owner = ownerOf(call.pair, ownerKeyOf(call, params), keys);
  params.check();
  return { owner, params, session: sessions.find(owner, checkToken(call.names.token ?? '')) };
}

function create({ keys, sessions, status }: CreateRouteOptions): Route['run'] {
  return async (call) => {
    const params = await call.params();
    const owner = ownerOf(call.pair, ownerKeyOf(call, params), keys);
    const wanted = readWanted(params, call.version);
    status.refuseFrozen();
    const { session, created } = await sessions.getOrCreate(owner, wanted);
    const state = await statusAfter(session, wanted);
    const services = { servicePorts: [], service_ports: [] };
    const answer = { kernelId: wanted.token, sessionId: session.record.id, status: state, ...services, created };
    // Servers of the first versions knew no other answer than 201.
    return json(answer, created || call.version.major < 4 ? 201 : 200);
  };
}

/** Waits until it runs, as long as its caller wants to. Throws ApiProblem `kernel-creation-failed`. */
async function statusAfter({ record, started }: Session, { enqueueOnly, maxWaitMs }: Wanted): Promise<string> {
  if (enqueueOnly) return record.status === 'RUNNING' ? 'RUNNING' : 'PENDING';
  // 0 for as long as it takes.
  const failure =
    maxWaitMs === 0 ? await started : await within<Failure | 'late' | undefined>(maxWaitMs, started, () => 'late');
  if (failure === 'late') return 'TIMEOUT';
  if (failure !== undefined) throw creationFailed(failure);
  return record.status;
}

function list({ keys, sessions }: SessionRouteOptions): Route['run'] {
  return async (call) => {
    const params = await call.params();
    const owner = ownerOf(call.pair, ownerKeyOf(call, params), keys);
    const everybody = params.flag('all') ?? false;
    params.check();
    if (everybody && keys.userOf(call.pair)?.role !== 'superadmin') {
      throw new ApiProblem('generic-forbidden', undefined, { detail: "Only a superadmin sees everybody's sessions." });
    }
    const records = sessions.list(everybody ? undefined : owner.accessKey);
    return json({
      sessions: records.map(
        ({ id, token, language, image, type, status, tag, createdMs, agent, accessKey, forkOf }) => ({
          id,
          kernelId: token,
          lang: image,
          language,
          type,
          status,
          tag,
          agent,
          accessKey,
          forkOf,
          creationTime: new Date(createdMs).toISOString(),
        }),
      ),
    });
  };
}

function info({ keys, sessions }: SessionRouteOptions) {
  return async ({ owner, session: { record, started } }: Addressed): Promise<Response> => {
    await started;
    const facts = await sessions.host.info(record.id);
    return json(sessionInfo({ record, facts, user: keys.userOf(owner) }));
  };
}

function restart({ sessions }: SessionRouteOptions) {
  return async ({ session }: Addressed): Promise<Response> => {
    await session.started;
    await sessions.restart(session);
    return noContent();
  };
}

function destroy({ sessions }: SessionRouteOptions) {
  return async ({ session, params }: Addressed): Promise<Response> => {
    const forced = params.flag('forced') ?? false;
    params.check();
    const facts: SessionFacts | undefined = await sessions.destroy(
      session,
      forced ? 'force-terminated' : 'user-requested',
    );
    return json({ stats: statsOf(facts) });
  };
}

function interrupt({ sessions }: SessionRouteOptions) {
  return async ({ session: { record, started } }: Addressed): Promise<Response> => {
    await started;
    await sessions.host.interrupt(record.id);
    return noContent();
  };
}
