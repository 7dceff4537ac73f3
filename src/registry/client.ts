/** What people do with a registry: upload bundles, see what is there, roll back, delete. */
import { stat } from 'node:fs/promises';
import { Failure } from '../config/failure.ts';
import type { Log } from '../lib/log.ts';
import type { BundleFormat } from './bundle-entry.ts';
import { fileDigest } from './file-digest.ts';
import type { FunctionDocument } from './function-document.ts';
import { discard, refusalOf } from './remote-answer.ts';
import { RegistryApi, type RemoteLambda, type RemoteVersion } from './remote-api.ts';
import { RemoteDocuments } from './remote-documents.ts';
import { type ListedObject, StoreObjects } from './remote-objects.ts';
import { StoreRequests } from './remote-request.ts';
import {
  BUNDLE_ENDINGS,
  type BundleEnding,
  bundleKey,
  documentKey,
  lambdaOfKey,
  objectUrl,
  type RemoteStore,
} from './remote-store.ts';
import type { LambdaName } from './source.ts';

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
  readonly #objects: StoreObjects;
  readonly #documents: RemoteDocuments;

  constructor(store: RemoteStore, { log = () => {} }: { log?: Log } = {}) {
    this.#store = store;
    this.#requests = new StoreRequests(store);
    this.#documents = new RemoteDocuments({ store, requests: this.#requests, cacheMs: 0, log });
    this.#api = new RegistryApi(store, this.#requests);
    this.#objects = new StoreObjects(store, this.#requests);
  }

  close(): void {
    this.#requests.close();
  }

  /** Resolves when the store has acknowledged the bundle: from then on the lambda is this version. */
  async upload({ lambda, file, format, onProgress, signal }: UploadOrder): Promise<Uploaded> {
    await this.#needUploaded(lambda);
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

  /** By name, functions that were made through an API among them. */
  async list(): Promise<ListedLambda[]> {
    const found = new Map((await this.uploads()).map((one) => [one.name, one]));
    for (const { lambda, document } of await this.#documents.list())
      found.set(lambda, functionListed(lambda, document));
    return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Those that were uploaded as bundles. */
  async uploads(): Promise<ListedLambda[]> {
    if (await this.#api.isThere()) return this.#api.list();
    const found = new Map<LambdaName, ListedLambda>();
    for await (const one of this.#uploaded()) {
      const other = found.get(one.name);
      if (other === undefined || other.uploaded < one.uploaded) found.set(one.name, one);
    }
    return [...found.values()];
  }

  async show(lambda: LambdaName): Promise<ListedLambda> {
    const made = await this.#documents.read(lambda);
    if (made !== undefined) return functionListed(lambda, made.document);
    return (await this.uploaded(lambda)) ?? missing(lambda);
  }

  /** If it was uploaded as a bundle. */
  async uploaded(lambda: LambdaName): Promise<ListedLambda | undefined> {
    if (await this.#api.isThere()) return this.#api.find(lambda);
    let newest: ListedLambda | undefined;
    for await (const object of this.#objects.list({ prefix: `${lambda}.`, topOnly: true })) {
      const one = listedIn(object);
      if (one?.name === lambda && !(newest !== undefined && newest.uploaded > one.uploaded)) newest = one;
    }
    return newest;
  }

  /** The last upload first. */
  async versions(lambda: LambdaName): Promise<RemoteVersion[]> {
    await this.#needOwn('keeps versions');
    await this.#needUploaded(lambda);
    return this.#api.versions(lambda);
  }

  /** Without a version: to the one before the current. */
  async rollback(lambda: LambdaName, version: string | undefined): Promise<RemoteLambda> {
    await this.#needOwn('can roll back');
    await this.#needUploaded(lambda);
    return this.#api.rollback(lambda, version);
  }

  async remove(lambda: LambdaName): Promise<void> {
    await this.#needUploaded(lambda);
    if (await this.#api.isThere()) return this.#api.remove(lambda);
    if ((await this.uploaded(lambda)) === undefined) missing(lambda);
    await this.#removeOthers(lambda, undefined);
  }

  async #needOwn(what: string): Promise<void> {
    if (await this.#api.isThere()) return;
    throw new Failure('registry-refused', `${this.#store.server} is an S3 store; only Isla's own registry ${what}`);
  }

  async #needUploaded(lambda: LambdaName): Promise<void> {
    if ((await this.#documents.read(lambda)) === undefined) return;
    const how = 'update-function-code, list-versions-by-function, update-alias, delete-function';
    throw new Failure('conflict', `${lambda} was made through AWS's API and is changed there (${how})`);
  }

  /** A lambda has one bundle. Stores say yes to the deletion of what is not there. */
  async #removeOthers(lambda: LambdaName, kept: string | undefined): Promise<void> {
    for (const key of BUNDLE_ENDINGS.map((ending) => bundleKey(lambda, ending))) {
      if (key === kept) continue;
      await this.#objects.remove(key);
    }
  }

  /** The bundles at the top of the bucket. */
  async *#uploaded(): AsyncGenerator<ListedLambda> {
    for await (const object of this.#objects.list({ topOnly: true })) {
      const one = listedIn(object);
      if (one !== undefined) yield one;
    }
  }
}

function functionListed(name: LambdaName, { facts, modifiedMs }: FunctionDocument): ListedLambda {
  const { codeSha256 = '', codeSize: size = 0 } = facts;
  const version = Buffer.from(codeSha256, 'base64').toString('hex');
  return { name, version, key: documentKey(name), size, uploaded: new Date(modifiedMs) };
}

/** Undefined if the object is no lambda's bundle. */
function listedIn({ key, bytes: size, modified: uploaded }: ListedObject): ListedLambda | undefined {
  const name = lambdaOfKey(key);
  return name === undefined ? undefined : { name, key, size, uploaded };
}

function missing(lambda: LambdaName): never {
  throw new Failure('lambda-missing', `there is no lambda ${lambda} in the registry`);
}
