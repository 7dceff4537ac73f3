/**
 * Lambdas as bundles in a store: Isla's own registry, which is followed, or any other that speaks S3, which is
 * asked. Which of them it is, the store says itself.
 *
 * A worker keeps what it has pulled while somebody may run it, and serves that while the store is down.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Failure } from '../config/failure.ts';
import { DEFAULT_TERMS, type LambdaTerms } from '../config/lambda-spec.ts';
import type { Log } from '../lib/log.ts';
import type { FunctionDocument } from './function-document.ts';
import { FunctionPointers } from './function-pointers.ts';
import { STORE_RETRY_MS, STORE_RETRY_MS_MAX } from './limits.ts';
import { discard } from './remote-answer.ts';
import { RegistryApi } from './remote-api.ts';
import { ChangeFeed } from './remote-changes.ts';
import { RemoteCode } from './remote-code.ts';
import { RemoteDocuments } from './remote-documents.ts';
import { ObjectHeads } from './remote-heads.ts';
import type { Pointers } from './remote-pointers.ts';
import { StoreRequests } from './remote-request.ts';
import { bucketUrl, type RemoteStore } from './remote-store.ts';
import { Snapshots } from './snapshots.ts';
import { type CodeSource, type CodeVersion, type LambdaName, partsOf } from './source.ts';

export interface RemoteSourceOptions {
  store: RemoteStore;
  /** To ask it; closed with the source. */
  requests?: StoreRequests;
  /** What it says of functions; shared with who changes them. */
  documents?: RemoteDocuments;
  /** Directory of this source's own, for snapshots. */
  codeDir: string;
  /** How old what is known of a store that tells nobody of changes may be, in milliseconds. */
  cacheMs: number;
  /** What a `lambda.json` may ask for; what a new cluster allows if it is not given. */
  terms?: LambdaTerms;
  log: Log;
  /** Called once the store has answered. */
  onFound?: () => void;
  /** Called as soon as it is known that a lambda points elsewhere; also of one nobody asked for. */
  onChange: (lambda: LambdaName) => void;
}

export class RemoteSource implements CodeSource {
  readonly #options: RemoteSourceOptions;
  readonly #requests: StoreRequests;
  readonly #documents: RemoteDocuments;
  readonly #snapshots: Snapshots;
  readonly #end = new AbortController();
  /** Those that somebody has asked for and that were there once. */
  readonly #lambdas = new Map<LambdaName, RemoteCode>();
  readonly #meeting: Promise<void>;
  #pointers: Pointers | undefined;
  /** The store is being asked what it is; resolves when it has answered or failed to. */
  #asking: Promise<void> = Promise.resolve();
  #failure: Failure | undefined;

  constructor(options: RemoteSourceOptions) {
    this.#options = options;
    this.#snapshots = new Snapshots(options.codeDir);
    this.#requests = options.requests ?? new StoreRequests(options.store);
    this.#documents = options.documents ?? new RemoteDocuments({ ...options, requests: this.#requests });
    this.#meeting = this.#meet();
  }

  async current(lambda: LambdaName): Promise<CodeVersion | undefined> {
    const code = this.#lambdas.get(lambda) ?? (await this.#discover(lambda));
    const version = code?.fresh() ?? (await code?.load());
    if (version !== undefined) this.#snapshots.hold(version.digest);
    return version;
  }

  release(version: CodeVersion): void {
    this.#snapshots.letGo(version.digest);
  }

  pointer(lambda: LambdaName): string | undefined {
    return this.#pointers?.peek(lambda)?.id;
  }

  hasVanished(version: CodeVersion): boolean {
    if (this.#snapshots.has(version.digest)) return false;
    for (const code of this.#lambdas.values()) code.vanished(version.digest);
    return true;
  }

  async close(): Promise<void> {
    this.#end.abort(new Failure('stopping', 'the worker is stopping'));
    this.#requests.close();
    await this.#meeting;
    await this.#pointers?.close();
    for (const code of this.#lambdas.values()) code.close();
    this.#lambdas.clear();
    await this.#snapshots.settle();
  }

  /** What is said of a function that was made through an API, as `current` goes by it. Rejects with Failure. */
  async function(lambda: LambdaName): Promise<FunctionDocument | undefined> {
    await this.#met();
    const document = await this.#documents.look(lambda);
    // A name that nobody has needs no place.
    if (document === undefined) this.#documents.forget(lambda);
    return document;
  }

  async #met(): Promise<Pointers> {
    if (this.#pointers === undefined) await this.#asking;
    if (this.#pointers === undefined) throw this.#failure as Failure;
    return this.#pointers;
  }

  /** Names that nobody ever uploaded leave nothing behind; one that has been deleted may come back. */
  async #discover(lambda: LambdaName): Promise<RemoteCode | undefined> {
    const pointers = await this.#met();
    if ((await pointers.look(lambda)) === undefined) return undefined;
    const { log, terms = DEFAULT_TERMS } = this.#options;
    const { signal } = this.#end;
    const code =
      this.#lambdas.get(lambda) ??
      new RemoteCode({ lambda, pointers, requests: this.#requests, snapshots: this.#snapshots, terms, signal, log });
    this.#lambdas.set(lambda, code);
    return code;
  }

  /** Asks the store what it is, until it says. */
  async #meet(): Promise<void> {
    const { signal } = this.#end;
    for (let pauseMs = STORE_RETRY_MS; !signal.aborted; pauseMs = Math.min(2 * pauseMs, STORE_RETRY_MS_MAX)) {
      this.#asking = this.#ask();
      await this.#asking;
      if (this.#pointers !== undefined) return;
      await delay(pauseMs, undefined, { signal }).catch(() => {}); // The end is seen by the loop.
    }
  }

  async #ask(): Promise<void> {
    const { store, cacheMs, log, onChange, onFound } = this.#options;
    const requests = this.#requests;
    const api = new RegistryApi(store, requests);
    try {
      const isOwn = await api.isThere();
      if (!isOwn) await needBucket(store, requests);
      const changed = (lambda: LambdaName) => this.#changed(lambda, onChange);
      const feed = isOwn ? new ChangeFeed({ api, onChange: changed, log }) : undefined;
      this.#documents.follow(feed, changed);
      const bundles = feed ?? new ObjectHeads({ store, requests, cacheMs, onChange: changed, log });
      this.#pointers = new FunctionPointers({ store, requests, bundles, documents: this.#documents });
      log('info', 'the registry is found', { server: store.server, kind: isOwn ? 'isla' : 's3' });
      onFound?.();
    } catch (error) {
      const failure = requests.unreachable(error);
      if (this.#failure === undefined && !this.#end.signal.aborted)
        log('warn', 'the registry is not found yet', { reason: failure.message });
      this.#failure = failure;
    }
  }

  /** What serves now is pulled at once: by the time that it is asked for, it may be here. */
  #changed(lambda: LambdaName, tell: (lambda: LambdaName) => void): void {
    for (const [name, code] of this.#lambdas) {
      if (partsOf(name).lambda !== lambda) continue;
      // Whoever asks for it next is told what went wrong.
      code.load().catch(() => {});
      if (name !== lambda) tell(name);
    }
    tell(lambda);
  }
}

/** To those who look for objects, a bucket that is not there looks like an empty one. */
async function needBucket(store: RemoteStore, requests: StoreRequests): Promise<void> {
  const answer = await requests.send({ method: 'HEAD', url: bucketUrl(store) });
  await discard(answer);
  if (answer.statusCode !== 404) return;
  const message = `there is no bucket ${store.bucket} at ${store.server}; make it, or set registry_bucket`;
  throw new Failure('registry-refused', message);
}
