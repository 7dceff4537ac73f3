/** The JSON API of Isla's own registry (docs/registry.md), as functions. All throw Failure. */
import type { IncomingMessage } from 'node:http';
import { Failure } from '../config/failure.ts';
import { discard, readObject, refusalOf } from './remote-answer.ts';
import type { StoreRequests } from './remote-request.ts';
import { apiUrl, type RemoteStore } from './remote-store.ts';
import { type LambdaName, parseLambdaName } from './source.ts';

/** SHA-256 of the bundle's bytes, in hex. */
export type BundleVersion = string;

export interface RemoteLambda {
  name: LambdaName;
  version: BundleVersion;
  size: number;
  key: string;
  uploaded: Date;
}

export interface RemoteVersion extends Omit<RemoteLambda, 'name'> {
  current: boolean;
}

/** Where one is in the stream of changes. */
export interface Position {
  epoch: string;
  seq: number;
}

/** What a name points at from then on; undefined when that has gone. */
export type Change =
  | { kind: 'bundle'; name: LambdaName; version: BundleVersion | undefined }
  | { kind: 'function'; name: LambdaName; version: DocumentVersion | undefined };

/** SHA-256 of the bytes of a function's document, in hex. */
export type DocumentVersion = string;

export interface RemoteFunction {
  name: LambdaName;
  version: DocumentVersion;
}

export class RegistryApi {
  readonly #store: RemoteStore;
  readonly #requests: StoreRequests;

  constructor(store: RemoteStore, requests: StoreRequests) {
    this.#store = store;
    this.#requests = requests;
  }

  /** Whether the store is Isla's own registry. Throws Failure `registry-unreachable` if that can not be known now. */
  async isThere(): Promise<boolean> {
    const answer = await this.#requests.send({ method: 'GET', url: apiUrl(this.#store, '/health') });
    if (answer.statusCode === 200) return (await readObject(answer).catch(() => ({ state: '' }))).state === 'ready';
    const refusal = await refusalOf(answer);
    if (refusal.code === 'registry-unreachable') throw refusal;
    return false;
  }

  async list(): Promise<RemoteLambda[]> {
    return listOf((await this.#get('/lambdas')).lambdas).map(lambdaOf);
  }

  /** Where to begin: who is going to follow the changes from there is waited for from now on. */
  async follow(follower: string): Promise<Position & { lambdas: RemoteLambda[]; functions: RemoteFunction[] }> {
    const answer = await this.#get('/lambdas', { follower, ...WITH_FUNCTIONS });
    if (answer.functions === undefined) {
      throw new Failure('registry-refused', 'the registry is an older program than this worker; start it anew');
    }
    const [lambdas, functions] = [listOf(answer.lambdas).map(lambdaOf), listOf(answer.functions).map(functionOf)];
    return { ...positionOf(answer), lambdas, functions };
  }

  async find(name: LambdaName): Promise<RemoteLambda | undefined> {
    try {
      return lambdaOf(await this.#get(`/lambdas/${name}`));
    } catch (error) {
      if (error instanceof Failure && error.code === 'lambda-missing') return undefined;
      throw error;
    }
  }

  async versions(name: LambdaName): Promise<RemoteVersion[]> {
    const { versions } = await this.#get(`/lambdas/${name}/versions`);
    return listOf(versions).map((one) => {
      const { name: _, ...facts } = lambdaOf({ ...(one as object), name });
      return { ...facts, current: (one as { current?: unknown }).current === true };
    });
  }

  /** Without a version: to the one before the current. */
  async rollback(name: LambdaName, version: string | undefined): Promise<RemoteLambda> {
    const body = JSON.stringify(version === undefined ? {} : { version });
    const url = apiUrl(this.#store, `/lambdas/${name}/rollback`);
    const headers = { 'content-type': 'application/json' };
    return lambdaOf(await readObject(await this.#requests.send({ method: 'POST', url, body, headers })));
  }

  async remove(name: LambdaName): Promise<void> {
    const answer = await this.#requests.send({ method: 'DELETE', url: apiUrl(this.#store, `/lambdas/${name}`) });
    if (answer.statusCode !== 204 && answer.statusCode !== 200) throw await refusalOf(answer);
    await discard(answer);
  }

  /** The bundle, unread. */
  async bundle(name: LambdaName, version: BundleVersion, signal?: AbortSignal): Promise<IncomingMessage> {
    const url = apiUrl(this.#store, `/lambdas/${name}/versions/${version}/bundle`);
    const answer = await this.#requests.send({ method: 'GET', url, ...(signal && { signal }) });
    if (answer.statusCode !== 200) throw await refusalOf(answer);
    return answer;
  }

  /**
   * Changes after the position, as soon as there are any, or none after `waitMs`. Undefined if the registry
   * does not know what came after it: list again. Who asks says who it is, and by asking that it has
   * taken note of everything up to there.
   */
  async changes(
    { epoch, seq }: Position,
    { follower, waitMs, signal }: { follower: string; waitMs: number; signal: AbortSignal },
  ): Promise<(Position & { changes: Change[] }) | undefined> {
    const query = { since: String(seq), epoch, wait_ms: String(waitMs), follower, ...WITH_FUNCTIONS };
    const url = apiUrl(this.#store, '/changes', query);
    const answer = await readObject(await this.#requests.send({ method: 'GET', url, extraWaitMs: waitMs, signal }));
    if (answer.reset === true) return undefined;
    return { ...positionOf(answer), changes: listOf(answer.changes).map(changeOf) };
  }

  async #get(path: string, query: Readonly<Record<string, string>> = {}): Promise<Record<string, unknown>> {
    return readObject(await this.#requests.send({ method: 'GET', url: apiUrl(this.#store, path, query) }));
  }
}

/** A worker of an older program would not know what they are. */
const WITH_FUNCTIONS = { functions: 'yes' };

function positionOf({ epoch, seq }: Record<string, unknown>): Position {
  if (typeof epoch === 'string' && Number.isSafeInteger(seq)) return { epoch, seq: seq as number };
  return unknownShape('a position');
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : unknownShape('a list');
}

function lambdaOf(value: unknown): RemoteLambda {
  const { name, version, size, key, uploaded } = value as Record<string, unknown>;
  const date = new Date(String(uploaded));
  if (!isVersion(version) || typeof size !== 'number' || typeof key !== 'string' || Number.isNaN(date.getTime())) {
    return unknownShape('a lambda');
  }
  return { name: nameOf(name), version, size, key, uploaded: date };
}

function changeOf(value: unknown): Change {
  const { name, version, function: named, document } = value as Record<string, unknown>;
  const change = named === undefined ? version : document;
  if (change !== null && !isVersion(change)) return unknownShape('a change');
  const kind = named === undefined ? 'bundle' : 'function';
  return { kind, name: nameOf(named ?? name), version: change ?? undefined };
}

function functionOf(value: unknown): RemoteFunction {
  const { name, document } = value as Record<string, unknown>;
  return isVersion(document) ? { name: nameOf(name), version: document } : unknownShape('a function');
}

function nameOf(value: unknown): LambdaName {
  return parseLambdaName(String(value)) ?? unknownShape('a name');
}

function isVersion(value: unknown): value is BundleVersion {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
}

function unknownShape(what: string): never {
  throw new Failure('registry-refused', `the registry answers something else where ${what} should be`);
}
