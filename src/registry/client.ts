/** What people do with a registry: upload bundles, see what is there, roll back, delete. */
import { stat } from 'node:fs/promises';
import { Failure } from '../config/failure.ts';
import type { BundleFormat } from './bundle-entry.ts';
import { fileDigest } from './file-digest.ts';
import { discard, elementOf, readText, refusalOf } from './remote-answer.ts';
import { RegistryApi, type RemoteLambda, type RemoteVersion } from './remote-api.ts';
import { StoreRequests } from './remote-request.ts';
import {
  BUNDLE_ENDINGS,
  type BundleEnding,
  bucketUrl,
  bundleKey,
  objectUrl,
  type RemoteStore,
} from './remote-store.ts';
import { type LambdaName, parseLambdaName } from './source.ts';

/** A lambda as any store tells of it; only Isla's own registry knows versions. */
export type ListedLambda = Omit<RemoteLambda, 'version'> & Partial<Pick<RemoteLambda, 'version'>>;

export interface UploadOrder {
  lambda: LambdaName;
  file: string;
  format: BundleFormat;
  onProgress?: (sentBytes: number, bytes: number) => void;
  signal?: AbortSignal;
}

export interface Uploaded {
  /** SHA-256 of the bundle in hex. */
  version: string;
  key: string;
  bytes: number;
}

const ENDING_OF: Readonly<Record<BundleFormat, BundleEnding>> = { 'tar.gz': '.tar.gz', zip: '.zip' };
const TYPE_OF: Readonly<Record<BundleFormat, string>> = { 'tar.gz': 'application/gzip', zip: 'application/zip' };

/** All throw Failure: `registry-unreachable`, `registry-refused`, `lambda-missing`. */
export class RegistryClient {
  readonly #store: RemoteStore;
  readonly #requests: StoreRequests;
  readonly #api: RegistryApi;

  constructor(store: RemoteStore) {
    this.#store = store;
    this.#requests = new StoreRequests(store);
    this.#api = new RegistryApi(store, this.#requests);
  }

  close(): void {
    this.#requests.close();
  }

  /** Resolves when the store has acknowledged the bundle: from then on the lambda is this version. */
  async upload({ lambda, file, format, onProgress, signal }: UploadOrder): Promise<Uploaded> {
    const { size: bytes } = await stat(file);
    const version = await fileDigest(file);
    const key = bundleKey(lambda, ENDING_OF[format]);
    const answer = await this.#requests.send({
      method: 'PUT',
      url: objectUrl(this.#store, key),
      headers: { 'content-type': TYPE_OF[format] },
      body: { file, bytes, sha256: version, onProgress: (sent) => onProgress?.(sent, bytes) },
      ...(signal && { signal }),
    });
    if (answer.statusCode !== 200) throw await refusalOf(answer);
    await discard(answer);
    const kept = answer.headers['x-isla-version'];
    if (kept === undefined) await this.#removeOthers(lambda, key);
    else if (kept !== version)
      throw new Failure('registry-refused', `the registry kept something else: version ${kept}`);
    return { version, key, bytes };
  }

  /** By name. */
  async list(): Promise<ListedLambda[]> {
    if (await this.#api.isThere()) return (await this.#api.list()).lambdas;
    const found = new Map<LambdaName, ListedLambda>();
    for await (const one of this.#objects()) {
      const other = found.get(one.name);
      if (other === undefined || other.uploaded < one.uploaded) found.set(one.name, one);
    }
    return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async show(lambda: LambdaName): Promise<ListedLambda> {
    if (await this.#api.isThere()) return this.#api.show(lambda);
    const one = (await this.list()).find(({ name }) => name === lambda);
    return one ?? missing(lambda);
  }

  /** The last upload first. */
  async versions(lambda: LambdaName): Promise<RemoteVersion[]> {
    await this.#needOwn('keeps versions');
    return this.#api.versions(lambda);
  }

  /** Without a version: to the one before the current. */
  async rollback(lambda: LambdaName, version: string | undefined): Promise<RemoteLambda> {
    await this.#needOwn('can roll back');
    return this.#api.rollback(lambda, version);
  }

  async remove(lambda: LambdaName): Promise<void> {
    if (await this.#api.isThere()) return this.#api.remove(lambda);
    await this.show(lambda);
    await this.#removeOthers(lambda, undefined);
  }

  async #needOwn(what: string): Promise<void> {
    if (await this.#api.isThere()) return;
    throw new Failure('registry-refused', `${this.#store.server} is an S3 store; only Isla's own registry ${what}`);
  }

  /** A lambda has one bundle. Stores say yes to the deletion of what is not there. */
  async #removeOthers(lambda: LambdaName, kept: string | undefined): Promise<void> {
    for (const key of BUNDLE_ENDINGS.map((ending) => bundleKey(lambda, ending))) {
      if (key === kept) continue;
      const answer = await this.#requests.send({ method: 'DELETE', url: objectUrl(this.#store, key) });
      const { statusCode = 0 } = answer;
      if (statusCode !== 404 && statusCode >= 300) throw await refusalOf(answer);
      await discard(answer);
    }
  }

  /** The bundles at the top of the bucket. */
  async *#objects(): AsyncGenerator<ListedLambda> {
    let token: string | undefined;
    do {
      const url = bucketUrl(this.#store);
      url.searchParams.set('list-type', '2');
      url.searchParams.set('delimiter', '/');
      if (token !== undefined) url.searchParams.set('continuation-token', token);
      const answer = await this.#requests.send({ method: 'GET', url });
      if (answer.statusCode !== 200) throw await refusalOf(answer);
      const page = await readText(answer);
      for (const [, element = ''] of page.matchAll(/<Contents>([\s\S]*?)<\/Contents>/g)) {
        const one = listedIn(element);
        if (one !== undefined) yield one;
      }
      token = elementOf(page, 'NextContinuationToken') || undefined;
    } while (token !== undefined);
  }
}

function listedIn(element: string): ListedLambda | undefined {
  const key = elementOf(element, 'Key');
  const ending = BUNDLE_ENDINGS.find((one) => key.endsWith(one)) ?? '/';
  const name = key.endsWith(ending) ? parseLambdaName(key.slice(0, -ending.length)) : undefined;
  if (name === undefined) return undefined;
  return {
    name,
    key,
    size: Number(elementOf(element, 'Size')),
    uploaded: new Date(elementOf(element, 'LastModified')),
  };
}

function missing(lambda: LambdaName): never {
  throw new Failure('lambda-missing', `there is no lambda ${lambda} in the registry`);
}
