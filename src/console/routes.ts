/** The console over HTTP: its page, and what the page asks for. */
import type { Context } from 'hono';
import { Failure, type FailureCode } from '../config/failure.ts';
import { type App, type EndpointHandler, type HttpEnv, rawPath } from '../http/app.ts';
import type { ApiSection, Endpoints } from '../http/endpoint.ts';
import { problemResponse, toldOf } from '../http/problem.ts';
import { requestIdOf } from '../http/request-id.ts';
import { LAMBDA_NAME_RULE, type LambdaName, parseLambdaName } from '../registry/source.ts';
import { type AccessTerms, CONSOLE_COOKIE, cookieValue, isServed, isToken, mayUse } from './access.ts';
import { type Assets, PAGE_HEADERS } from './assets.ts';
import { type CodeFiles, TEXT_BYTES_MAX } from './code-files.ts';
import { type LiveSources, liveResponse } from './live.ts';

export interface ConsoleOptions extends LiveSources {
  terms: AccessTerms;
  assets: Assets;
  /** Names of all lambdas of the registry. */
  lambdas: () => Promise<readonly string[]>;
  files: CodeFiles;
  /** Undefined if no calls are kept. */
  calls: CallHistory | undefined;
}

/** Calls that are kept, the newest first. What they hold is theirs who keep them; it goes out as JSON. */
export interface CallHistory {
  list(wish: { lambda: string | undefined; failedOnly: boolean; limit: number }): Promise<readonly object[]>;
  find(requestId: string): Promise<readonly object[]>;
}

const CALLS_LISTED = 200;
const LOGIN_BYTES_MAX = 1_024;
const API = '/console/api';
const FILES = `${API}/files/:lambda`;

const CONSOLE_ENDPOINTS = {
  login: {
    method: 'POST',
    path: `${API}/login`,
    takes: '`{"token"}`',
    answers: '204 and a cookie; 401 `Console.Forbidden`',
    errors: ['event-too-large'],
  },
  live: { method: 'GET', path: `${API}/live`, answers: '200 server-sent events: the state of the worker, and calls' },
  lambdas: { method: 'GET', path: `${API}/lambdas`, answers: '200 `{"lambdas": [NAME], "editable"}`' },
  calls: {
    method: 'GET',
    path: `${API}/calls`,
    takes: '`lambda`, `failed=yes`',
    answers: '200 `{"kept", "calls"}`, the newest 200',
  },
  call: {
    method: 'GET',
    path: `${API}/calls/:id`,
    answers: '200 one call with its event and result',
    errors: ['lambda-missing'],
  },
  files: {
    method: 'GET',
    path: `${FILES}/*`,
    answers: '200 `{"editable", "files"}`',
    errors: ['name-invalid', 'lambda-missing'],
  },
  write: {
    method: 'PUT',
    path: `${FILES}/*`,
    takes: 'the text of one file',
    answers: '204',
    errors: ['name-invalid', 'lambda-missing', 'lambda-invalid', 'event-too-large'],
  },
  remove: {
    method: 'DELETE',
    path: `${FILES}/*`,
    answers: '204',
    errors: ['name-invalid', 'lambda-missing', 'lambda-invalid'],
  },
  entry: { method: 'GET', path: '/console', answers: '302 to `/console/`' },
  page: { method: 'GET', path: '/console/*', answers: '200 the page and its files' },
} as const satisfies Endpoints<FailureCode>;

export const CONSOLE_API: ApiSection<FailureCode> = {
  title: 'The console',
  about:
    'On loopback addresses, or with a token (`Authorization: Bearer`, or the cookie): else 401 or 403 `Console.Forbidden`. What changes something needs the header `X-Isla-Console`. See [console.md](../console.md).',
  tables: [CONSOLE_ENDPOINTS],
  told: toldOf,
};

type ConsoleContext = Context<HttpEnv>;

/** Where there is no console the paths are like any that do not exist. */
export function addConsoleRoutes(app: App, options: ConsoleOptions): void {
  if (!isServed(options.terms)) return;
  const guarded =
    (handler: (c: ConsoleContext) => Promise<Response>): EndpointHandler =>
    async (c) => {
      const verdict = mayUse(c.env.incoming, options.terms);
      if (verdict.kind === 'allowed') return handler(c);
      const reason = verdict.kind === 'login' ? 'log in at /console/login.html first' : verdict.reason;
      return problemResponse(
        { status: verdict.kind === 'login' ? 401 : 403, errorType: 'Console.Forbidden', errorMessage: reason },
        requestIdOf(c.env.incoming),
      );
    };
  app.add(CONSOLE_ENDPOINTS, {
    login: (c) => login(c, options.terms),
    live: guarded(async () => liveResponse(options, PAGE_HEADERS)),
    lambdas: guarded(async () => json({ lambdas: await options.lambdas(), editable: options.files.takesNew })),
    calls: guarded((c) => listCalls(c, options)),
    call: guarded((c) => findCalls(c, options)),
    files: guarded(async (c) => {
      const { files, lambda } = placeOf(c, options);
      const editable = await files.mayEdit(lambda);
      return json({ editable, files: editable ? await files.list(lambda) : [] });
    }),
    write: guarded((c) => writeFile(c, placeOf(c, options))),
    remove: guarded((c) => removeFile(placeOf(c, options))),
    entry: (c) => c.redirect('/console/'),
    page: (c) => page(c, options),
  });
}

async function page(c: ConsoleContext, { assets, terms }: ConsoleOptions): Promise<Response> {
  const { incoming } = c.env;
  const name = rawPath(incoming.url ?? '/').slice('/console/'.length) || 'index.html';
  // The page itself says nothing, but whoever must log in is taken there at once.
  if (name === 'index.html' && mayUse(incoming, terms).kind === 'login') return c.redirect('/console/login.html');
  return (await assets.answer(name, incoming)) ?? c.notFound();
}

async function login(c: ConsoleContext, terms: AccessTerms): Promise<Response> {
  const { incoming } = c.env;
  const token = tokenIn(await shortBody(c, LOGIN_BYTES_MAX));
  if (terms.token === '' || token === undefined || !isToken(token, terms.token)) {
    const problem = { status: 401, errorType: 'Console.Forbidden', errorMessage: 'That is not the token.' };
    return problemResponse(problem, requestIdOf(incoming));
  }
  const cookie = `${CONSOLE_COOKIE}=${cookieValue(terms.token)}; Path=/console; HttpOnly; SameSite=Strict`;
  return new Response(null, { status: 204, headers: { ...PAGE_HEADERS, 'Set-Cookie': cookie } });
}

/** Of `{"token": "…"}`. */
function tokenIn(body: Buffer): string | undefined {
  try {
    const { token } = JSON.parse(body.toString('utf8')) as { token?: unknown };
    return typeof token === 'string' ? token : undefined;
  } catch {
    return undefined;
  }
}

async function listCalls(c: ConsoleContext, { calls }: ConsoleOptions): Promise<Response> {
  const lambda = c.req.query('lambda') || undefined;
  const failedOnly = c.req.query('failed') === 'yes';
  return json({
    kept: calls !== undefined,
    calls: (await calls?.list({ lambda, failedOnly, limit: CALLS_LISTED })) ?? [],
  });
}

async function findCalls(c: ConsoleContext, { calls }: ConsoleOptions): Promise<Response> {
  const [found] = (await calls?.find(c.req.param('id') ?? '')) ?? [];
  if (found === undefined) throw new Failure('lambda-missing', 'No such call is kept.');
  return json(found);
}

interface Place {
  files: CodeFiles;
  lambda: LambdaName;
  /** Below the lambda's directory. */
  path: string;
}

/** Throws Failure if there can be no such lambda. */
function placeOf(c: ConsoleContext, { files }: ConsoleOptions): Place {
  const lambda = lambdaOf(c.req.param('lambda') ?? '');
  return { files, lambda, path: rawPath(c.env.incoming.url ?? '/').slice(`${API}/files/${lambda}/`.length) };
}

async function writeFile(c: ConsoleContext, { files, lambda, path }: Place): Promise<Response> {
  await files.write(lambda, path, await shortBody(c, TEXT_BYTES_MAX));
  return new Response(null, { status: 204 });
}

async function removeFile({ files, lambda, path }: Place): Promise<Response> {
  await files.remove(lambda, path);
  return new Response(null, { status: 204 });
}

/** Throws Failure `event-too-large` before it has read more than that. */
async function shortBody(c: ConsoleContext, bytesMax: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of c.env.incoming) {
    length += (piece as Buffer).length;
    if (length > bytesMax) throw new Failure('event-too-large', `This may have ${bytesMax} bytes at most.`);
    pieces.push(piece as Buffer);
  }
  return Buffer.concat(pieces, length);
}

function lambdaOf(text: string): LambdaName {
  const lambda = parseLambdaName(text);
  if (lambda === undefined)
    throw new Failure('name-invalid', `${JSON.stringify(text)} is no name of a lambda: ${LAMBDA_NAME_RULE}.`);
  return lambda;
}

function json(facts: object): Response {
  const headers = { ...PAGE_HEADERS, 'Content-Type': 'application/json', 'Cache-Control': 'no-store' };
  return new Response(JSON.stringify(facts), { headers });
}
