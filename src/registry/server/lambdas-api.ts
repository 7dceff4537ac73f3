/** Isla's own requests: which lambdas and versions there are, which one runs, and what changes. */
import { openSync } from 'node:fs';
import type { Endpoint, Endpoints } from '../../http/endpoint.ts';
import { FUNCTION_DOCUMENT, FUNCTIONS_DIR, parseLambdaName } from '../source.ts';
import { isoTime, type S3Answer } from './answer.ts';
import type { Exchange } from './exchange.ts';
import { functionOf, LAMBDAS_BUCKET } from './lambda-object.ts';
import type { Change, LambdasTable, Version } from './lambdas-table.ts';
import { CHANGES_WAIT_MS, CHANGES_WAIT_MS_MAX } from './limits.ts';
import { type S3Code, S3Error } from './s3-error.ts';
import { readDocument } from './upload-body.ts';

/** Below it is what S3 has no word for. No bucket has so short a name. */
export const API_PREFIX = '/-/';

/** The shortest beginning that names a version. */
const VERSION_CHARACTERS_MIN = 6;

const LAMBDAS = `${API_PREFIX}lambdas`;
const LAMBDA = `${LAMBDAS}/:name`;

interface Operation extends Endpoint<S3Code> {
  answer(exchange: Exchange, named: { lambda: string; version: string }): S3Answer | Promise<S3Answer>;
}

/** Shapes: docs/registry.md. */
export const LAMBDAS_API: Readonly<Record<string, Operation>> = {
  list: {
    method: 'GET',
    path: LAMBDAS,
    takes: '`follower`, `functions=yes`',
    answers: '200 `{"epoch", "seq", "lambdas": [LAMBDA], "functions"?}`',
    answer: listLambdas,
  },
  show: {
    method: 'GET',
    path: LAMBDA,
    answers: '200 LAMBDA: `{"name", "version", "size", "key", "uploaded"}`',
    errors: ['NoSuchLambda'],
    answer: (exchange, { lambda }) => json(200, factsOf(currentOf(exchange, lambda))),
  },
  remove: {
    method: 'DELETE',
    path: LAMBDA,
    answers: '204; its versions stay',
    errors: ['NoSuchLambda'],
    answer: (exchange, { lambda }) => deleteLambda(exchange, lambda),
  },
  versions: {
    method: 'GET',
    path: `${LAMBDA}/versions`,
    answers: '200 `{"name", "versions"}`, the last upload first',
    errors: ['NoSuchLambda'],
    answer: (exchange, { lambda }) => listVersions(exchange, lambda),
  },
  rollback: {
    method: 'POST',
    path: `${LAMBDA}/rollback`,
    takes: '`{"version"?}`; without one, the one before',
    answers: '200 LAMBDA',
    errors: ['NoSuchLambda', 'NoSuchVersion', 'InvalidArgument', 'InvalidRequest'],
    answer: (exchange, { lambda }) => rollBack(exchange, lambda),
  },
  bundle: {
    method: 'GET',
    path: `${LAMBDA}/versions/:version/bundle`,
    answers: '200 the bytes',
    errors: ['NoSuchLambda', 'NoSuchVersion', 'InvalidArgument'],
    answer: (exchange, { lambda, version }) => getBundle(exchange, lambda, version),
  },
  changes: {
    method: 'GET',
    path: `${API_PREFIX}changes`,
    takes: '`since`, `epoch`, `wait_ms`, `follower`',
    answers: '200 `{"epoch", "seq", "changes"}`, as soon as there are some',
    errors: ['InvalidArgument'],
    answer: listChanges,
  },
};

/** Asked without a signature. */
export const HEALTH = {
  health: { method: 'GET', path: `${API_PREFIX}health`, answers: '200 `{"state": "ready"}`, unsigned' },
} as const satisfies Endpoints<S3Code>;

export async function answerApi(exchange: Exchange): Promise<S3Answer> {
  const { method, path } = exchange.request;
  const asked = path.split('/');
  const here = Object.values(LAMBDAS_API).filter((operation) => hasForm(operation.path, asked));
  if (here.length === 0) throw nothingThere(path);
  const operation = here.find((one) => one.method === method);
  if (operation === undefined) {
    const wanted = here.map((one) => one.method).join(' or ');
    throw new S3Error('MethodNotAllowed', `It is asked with ${wanted}, not ${method}.`);
  }
  const [name = '', version = ''] = asked.filter((_, at) => operation.path.split('/')[at]?.startsWith(':'));
  if (!operation.path.startsWith(LAMBDA)) return operation.answer(exchange, { lambda: '', version });
  const lambda = parseLambdaName(name);
  if (lambda === undefined) throw noSuchLambda(name);
  return operation.answer(exchange, { lambda, version });
}

/** Whether a path, in its segments, is of the form of one such as `/-/lambdas/:name`. */
function hasForm(form: string, asked: readonly string[]): boolean {
  const wanted = form.split('/');
  return wanted.length === asked.length && wanted.every((part, at) => part.startsWith(':') || part === asked[at]);
}

export function json(status: number, facts: object): S3Answer {
  return { status, headers: { 'content-type': 'application/json' }, body: `${JSON.stringify(facts)}\n` };
}

function listLambdas({ request, store }: Exchange): S3Answer {
  const { lambdas, followers } = store;
  const deployed = lambdas.deployed().map(factsOf);
  const follower = followerIn(request);
  if (follower !== undefined) {
    followers.asked(follower, lambdas.lastSeq());
    followers.answered(follower);
  }
  const functions = wantsFunctions(request) ? { functions: functionsOf(store) } : {};
  return json(200, { epoch: lambdas.epoch(), seq: lambdas.lastSeq(), lambdas: deployed, ...functions });
}

function listVersions({ store }: Exchange, lambda: string): S3Answer {
  const versions = versionsOf(store.lambdas, lambda).map(({ version, bytes, key, uploadedMs, current }) => {
    return { version, size: bytes, key, uploaded: isoTime(uploadedMs), current };
  });
  return json(200, { name: lambda, versions });
}

async function rollBack({ request, verified, store }: Exchange, lambda: string): Promise<S3Answer> {
  const wanted = wantedVersion(await readDocument(request, verified));
  const now = await store.change((step) => {
    const all = versionsOf(store.lambdas, lambda);
    const found = wanted === undefined ? versionBefore(all) : versionNamed(all, wanted);
    store.rollBack(step, found);
    return currentOf({ store }, lambda);
  });
  return json(200, factsOf(now));
}

async function deleteLambda({ store }: Exchange, lambda: string): Promise<S3Answer> {
  await store.free((step) => {
    const { key } = currentOf({ store }, lambda);
    store.remove(step, { bucket: 'registry', key });
  });
  return { status: 204, headers: {} };
}

function getBundle({ store }: Exchange, lambda: string, name: string): S3Answer {
  const { version, bytes } = versionNamed(versionsOf(store.lambdas, lambda), name);
  const headers = {
    'content-type': 'application/octet-stream',
    'content-length': String(bytes),
    'x-isla-version': version,
  };
  return { status: 200, headers, body: { fd: openSync(store.blobs.path(version), 'r'), start: 0, bytes } };
}

async function listChanges({ request, store, gone }: Exchange): Promise<S3Answer> {
  const { lambdas } = store;
  const since = numberIn(request, 'since', Number.MAX_SAFE_INTEGER);
  if (since === undefined)
    throw new S3Error('InvalidArgument', 'since is missing; GET /-/lambdas says where to begin.');
  const waitMs = numberIn(request, 'wait_ms', CHANGES_WAIT_MS_MAX) ?? CHANGES_WAIT_MS;
  const epoch = lambdas.epoch();
  const sameStore = (request.query.get('epoch') ?? epoch) === epoch;
  const look = () => (sameStore ? lambdas.changesSince(since) : undefined);
  const follower = followerIn(request);
  let changes = look();
  if (follower !== undefined && changes !== undefined) store.followers.asked(follower, since);
  try {
    if (changes?.length === 0 && waitMs > 0) {
      await store.changes.next(waitMs, gone);
      changes = look();
    }
  } finally {
    if (follower !== undefined && gone.aborted) store.followers.gone(follower);
    else if (follower !== undefined) store.followers.answered(follower);
  }
  if (changes === undefined) return json(200, { epoch, seq: lambdas.lastSeq(), changes: [], reset: true });
  const told = changes.flatMap((change) => toldOf(change, wantsFunctions(request)));
  return json(200, { epoch, seq: changes.at(-1)?.seq ?? since, changes: told });
}

/** Those of an older program do not know what a function is. */
function wantsFunctions({ query }: Exchange['request']): boolean {
  return query.get('functions') === 'yes';
}

function functionsOf({ objects }: Exchange['store']): object[] {
  return objects.namesakes(LAMBDAS_BUCKET, FUNCTIONS_DIR, FUNCTION_DOCUMENT).flatMap(({ key, blob }) => {
    const name = functionOf({ bucket: LAMBDAS_BUCKET, key });
    return name === undefined ? [] : { name, document: blob };
  });
}

function toldOf({ seq, name, version }: Change, functions: boolean): object[] {
  const prefix = `${FUNCTIONS_DIR}/`;
  if (!name.startsWith(prefix)) return [{ seq, name, version }];
  return functions ? [{ seq, function: name.slice(prefix.length), document: version }] : [];
}

function factsOf({ lambda, version, bytes, key, uploadedMs }: Version): object {
  return { name: lambda, version, size: bytes, key, uploaded: isoTime(uploadedMs) };
}

function currentOf({ store }: Pick<Exchange, 'store'>, lambda: string): Version {
  const current = store.lambdas.current(lambda);
  if (current === undefined) throw noSuchLambda(lambda);
  return current;
}

function versionsOf(lambdas: LambdasTable, lambda: string): Version[] {
  const versions = lambdas.versions(lambda);
  if (versions.length === 0) throw noSuchLambda(lambda);
  return versions;
}

/** Of a lambda that is gone, the last that was uploaded. */
function versionBefore(versions: readonly Version[]): Version {
  const found = versions[versions.findIndex(({ current }) => current) + 1];
  if (found === undefined) throw new S3Error('NoSuchVersion', 'There is no version before the current one.');
  return found;
}

function versionNamed(versions: readonly Version[], name: string): Version {
  const found = name.length < VERSION_CHARACTERS_MIN ? [] : versions.filter(({ version }) => version.startsWith(name));
  if (found.length > 1) throw new S3Error('InvalidArgument', `${found.length} versions begin with ${name}.`);
  if (found[0] === undefined) throw new S3Error('NoSuchVersion', `There is no version ${name}.`);
  return found[0];
}

function wantedVersion(body: Buffer): string | undefined {
  if (body.length === 0) return undefined;
  try {
    const facts: unknown = JSON.parse(body.toString('utf8'));
    const version = (facts as { version?: unknown } | null)?.version;
    if (version === undefined || typeof version === 'string') return version;
  } catch {
    // Said below.
  }
  throw new S3Error('InvalidRequest', 'The body is not {"version": "<sha256>"}.');
}

/** Who follows the changes and wants to be waited for; undefined if nobody says so. */
function followerIn({ query }: Exchange['request']): string | undefined {
  const id = query.get('follower');
  if (id === undefined || /^[A-Za-z0-9-]{1,64}$/.test(id)) return id;
  throw new S3Error('InvalidArgument', 'follower is not 1 to 64 of A-Z a-z 0-9 -.');
}

function numberIn({ query }: Exchange['request'], name: string, max: number): number | undefined {
  const text = query.get(name);
  if (text === undefined) return undefined;
  if (/^[0-9]{1,16}$/.test(text) && Number(text) <= max) return Number(text);
  throw new S3Error('InvalidArgument', `${name} is not a whole number up to ${max}.`);
}

function nothingThere(path: string): S3Error {
  return new S3Error('InvalidURI', `There is nothing at ${path}.`);
}

function noSuchLambda(name: string): S3Error {
  return new S3Error('NoSuchLambda', `There is no lambda ${name}.`);
}
