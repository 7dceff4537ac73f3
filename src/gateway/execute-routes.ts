/** `/kernel/:token`: code is run, in all modes of REST, and completed. */
import type { ExecuteMode, ExecuteOptions, ExecuteRequest, ExecuteResult } from '../session/host.ts';
import { json } from './answers.ts';
import type { ApiCall } from './api-call.ts';
import { type ApiVersion, MAJORS } from './api-version.ts';
import { ownerKeyOf, ownerOf } from './authentication.ts';
import { COMMAND, checkToken } from './create-params.ts';
import { EXECUTE_FLUSH_MS } from './limits.ts';
import { invalidParams, type Params } from './params.ts';
import type { Route } from './route.ts';
import { addressed, type SessionRouteOptions } from './session-routes.ts';
import { asVersion1 } from './version-1.ts';

const MODES: readonly ExecuteMode[] = ['query', 'batch', 'input', 'continue', 'complete'];

export function executeRoutes(options: SessionRouteOptions): Route[] {
  const key = { majors: MAJORS, need: 'key' } as const;
  return [
    {
      method: 'POST',
      path: '/kernel/:token',
      ...key,
      takes: '`{"mode", "code", "runId"?, "options"?}`',
      answers: '200 `{"result": {"status", "runId", "exitCode", "options", "console", …}}`, after 2 s at most',
      errors: ['kernel-not-found', 'run-not-found', 'run-conflict', 'instance-not-available'],
      run: execute(options),
    },
    {
      method: 'POST',
      path: '/kernel/:token/complete',
      ...key,
      takes: '`{"code", "options"?}`',
      answers: '200 `{"result", "completions"}`',
      errors: ['kernel-not-found', 'instance-not-available'],
      run: complete(options),
    },
  ];
}

function execute({ keys, sessions }: SessionRouteOptions): Route['run'] {
  return async (call: ApiCall) => {
    const params = await call.params();
    const owner = ownerOf(call.pair, ownerKeyOf(call, params), keys);
    const request = readExecution(params, call.version);
    const token = checkToken(call.names.token ?? '');
    // What a session has said before its end can be asked for after it.
    const goesOn = request.mode === 'continue';
    const record = goesOn ? sessions.findKnown(owner, token) : (await running(sessions.find(owner, token))).record;
    const result = await sessions.host.execute(record.id, request, EXECUTE_FLUSH_MS, call.gone);
    return json(call.version.major === 1 ? { result: asVersion1(result) } : { result, ...topLevel(result) });
  };
}

async function running<T extends { started: Promise<unknown> }>(session: T): Promise<T> {
  await session.started;
  return session;
}

/** The old Jupyter kernel reads them here. */
function topLevel({ completions }: ExecuteResult): object {
  return completions === undefined ? {} : { completions };
}

/** Throws ApiProblem `invalid-api-params`. */
export function readExecution(params: Params, version: ApiVersion): ExecuteRequest {
  const mode = params.choice('mode', MODES) ?? 'query';
  if (version.major > 1 && params.value('mode') === undefined) params.problem('mode', 'is required');
  const code = params.text('code', { charsMax: Number.POSITIVE_INFINITY }) ?? '';
  const runId = params.text('runId|run_id', { charsMax: 64, pattern: /\S/, what: 'an id of 1 to 64 characters' });
  if ((mode === 'continue' || mode === 'input') && runId === undefined) {
    params.problem('runId', `is required by mode ${mode}`);
  }
  const options = readOptions(params.below('options|opts'), mode);
  params.check();
  return { mode, code, ...(runId !== undefined && { runId }), options };
}

function readOptions(options: Params, mode: ExecuteMode): ExecuteOptions {
  const after = options.number('after', { min: 0, max: Number.MAX_SAFE_INTEGER });
  const rest = after === undefined ? {} : { after };
  if (mode === 'batch') {
    // An empty command is skipped; `buildLog` asks for what is always told.
    const command = (name: string) => options.text(name, COMMAND) ?? '';
    return { clean: command('clean'), build: command('build'), exec: command('exec'), ...rest };
  }
  if (mode === 'input') return options.flag('end') ? { ...rest, end: true } : rest;
  if (mode !== 'complete') return rest;
  const row = options.number('row', { min: 0, max: Number.MAX_SAFE_INTEGER });
  const col = options.number('col', { min: 0, max: Number.MAX_SAFE_INTEGER });
  return { ...(row !== undefined && { row }), ...(col !== undefined && { col }) };
}

function complete(options: SessionRouteOptions): Route['run'] {
  return async (call) => {
    const { session, params } = await addressed(call, options);
    const { record } = await running(session);
    const code = params.text('code', { charsMax: Number.POSITIVE_INFINITY });
    if (code === undefined) throw invalidParams('code: is required');
    const where = readOptions(params.below('options|opts'), 'complete');
    params.check();
    const host = options.sessions.host;
    const request: ExecuteRequest = { mode: 'complete', code, options: where };
    const { completions = [], completed } = await host.execute(record.id, request, EXECUTE_FLUSH_MS, call.gone);
    return json({ result: { status: 'finished', completions, completed }, completions });
  };
}
