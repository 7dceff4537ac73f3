/**
 * What a store says of functions that were made through an API: one document for each, `~functions/NAME/function.json`,
 * which names all of their code. Whoever changes a function writes its document, on condition that it is still the one
 * that was read: so one write is the whole change, and of two at a time one comes second and reads again.
 *
 * Whoever changes a function asks the store each time. Calls do not: where the store tells of changes they go by that,
 * elsewhere by an answer that is young enough. While the store is silent, they go by what was known.
 */
import type { IncomingMessage } from 'node:http';
import { Failure } from '../config/failure.ts';
import type { Log } from '../lib/log.ts';
import { sha256 } from '../lib/signature-v4.ts';
import { documentOfStore, type FunctionDocument } from './function-document.ts';
import { STORE_RETRY_MS_MAX } from './limits.ts';
import { discard, isBucketMissing, readText, refusalOf } from './remote-answer.ts';
import type { DocumentVersion } from './remote-api.ts';
import { StoreObjects } from './remote-objects.ts';
import type { StoreRequests } from './remote-request.ts';
import { documentKey, functionOfKey, type RemoteStore } from './remote-store.ts';
import { FUNCTIONS_DIR, type LambdaName } from './source.ts';

export interface Stored {
  document: FunctionDocument;
  /** As the store writes it, with quotes. */
  etag: string;
  version: DocumentVersion;
}

/** A store that tells of changes. */
export interface DocumentNews {
  /** The version that calls must know; undefined if there is no such function. Rejects with Failure if nothing is known. */
  document(lambda: LambdaName): Promise<DocumentVersion | undefined>;
  peekDocument(lambda: LambdaName): DocumentVersion | undefined;
  readonly knowsAll: boolean;
}

export interface RemoteDocumentsOptions {
  store: RemoteStore;
  requests: StoreRequests;
  /** How old what is known of a store that tells nobody of changes may be for calls, in milliseconds. */
  cacheMs: number;
  log: Log;
}

interface Known {
  stored: Stored | undefined;
  /** Monotonic, when it was asked; the answer is younger. */
  askedMs: number;
  silent: boolean;
}

const GONE = [404, 410];
/** The last is said where two write at the same time. */
const MOVED = [404, 412, 409];

export class RemoteDocuments {
  readonly #options: RemoteDocumentsOptions;
  readonly #objects: StoreObjects;
  readonly #known = new Map<LambdaName, Known>();
  readonly #asking = new Map<string, Promise<Stored | undefined>>();
  #news: DocumentNews | undefined;
  #onChange: (lambda: LambdaName) => void = () => {};

  constructor(options: RemoteDocumentsOptions) {
    this.#options = options;
    this.#objects = new StoreObjects(options.store, options.requests);
  }

  /** From now on calls go by the news, where there are any; `onChange` hears of every change that is seen here. */
  follow(news: DocumentNews | undefined, onChange: (lambda: LambdaName) => void): void {
    this.#news = news;
    this.#onChange = onChange;
  }

  /** As it is in the store. Rejects with Failure. */
  read(lambda: LambdaName): Promise<Stored | undefined> {
    return this.#readFor('change', lambda);
  }

  async #readFor(purpose: 'change' | 'call', lambda: LambdaName): Promise<Stored | undefined> {
    const askedMs = performance.now();
    const known = this.#known.get(lambda)?.stored;
    const headers: Record<string, string> = known === undefined ? {} : { 'if-none-match': known.etag };
    const answer = await this.#objects.get(documentKey(lambda), { headers });
    // AWS answers 403 for what is not there to those who may not list. Calls need not know which of both it is.
    const isRefused = purpose === 'call' && answer.statusCode === 403 && known === undefined;
    if (isRefused) await discard(answer);
    const stored = isRefused ? undefined : await this.#read(lambda, answer, known);
    // Only calls ask so often that it matters that a name is nobody's, or is that of a bundle.
    if (purpose === 'call' || stored !== undefined || this.#known.has(lambda)) this.#note(lambda, stored, askedMs);
    return stored;
  }

  /** All of them, as they are in the store, by name; those that can not be read are told and left out. */
  async list(): Promise<{ lambda: LambdaName; document: FunctionDocument }[]> {
    const found: { lambda: LambdaName; stored: Promise<Stored | undefined> }[] = [];
    for await (const { key, etag } of this.#objects.list({ prefix: `${FUNCTIONS_DIR}/` })) {
      const lambda = functionOfKey(key);
      if (lambda === undefined) continue;
      const known = this.#known.get(lambda)?.stored;
      const stored = known?.etag === etag ? Promise.resolve(known) : this.#readListed(lambda);
      // Who waits for one of them hears of it; the others must not end the process meanwhile.
      stored.catch(() => {});
      found.push({ lambda, stored });
    }
    const all = found.map(async ({ lambda, stored }) => {
      const document = (await stored)?.document;
      return document === undefined ? [] : [{ lambda, document }];
    });
    return (await Promise.all(all)).flat();
  }

  /** As calls may see it. Rejects with Failure if nothing is known. */
  async look(lambda: LambdaName): Promise<FunctionDocument | undefined> {
    const news = this.#news;
    const known = this.#known.get(lambda);
    if (news === undefined) {
      if (known !== undefined && this.#isYoung(known)) return known.stored?.document;
      return (await this.#ask(lambda, lambda, known))?.document;
    }
    const version = await news.document(lambda);
    if (version === undefined) {
      this.#known.delete(lambda);
      return undefined;
    }
    if (known?.stored?.version === version) return known.stored.document;
    // Only who asks for the same version may share the answer: one that was asked for before may be older.
    return (await this.#ask(`${lambda} ${version}`, lambda, known))?.document;
  }

  /** As `look`, where the answer is at hand: null says that there is none, undefined says nothing. */
  peek(lambda: LambdaName): FunctionDocument | null | undefined {
    const known = this.#known.get(lambda);
    if (this.#news === undefined) {
      return known !== undefined && this.#isYoung(known) ? (known.stored?.document ?? null) : undefined;
    }
    const version = this.#news.peekDocument(lambda);
    if (version === undefined) return this.#news.knowsAll ? null : undefined;
    return known?.stored?.version === version ? known.stored.document : undefined;
  }

  /** A function that has been there when it was last looked for. */
  wasThere(lambda: LambdaName): boolean {
    return this.#known.get(lambda)?.stored !== undefined;
  }

  /** The next look asks the store. */
  forget(lambda: LambdaName): void {
    this.#known.delete(lambda);
  }

  /**
   * Writes what takes the place of `before`, or is new. False if another has come first: read again. Rejects with
   * Failure; after `registry-unreachable` it may have been written nevertheless.
   */
  async write(lambda: LambdaName, document: FunctionDocument, before: Stored | undefined): Promise<boolean> {
    const body = `${JSON.stringify(document, null, 2)}\n`;
    const condition: Record<string, string> =
      before === undefined ? { 'if-none-match': '*' } : { 'if-match': before.etag };
    const order = { body, type: 'application/json', headers: condition };
    const begunMs = performance.now();
    try {
      const answer = await this.#objects.put(documentKey(lambda), order);
      if (answer.statusCode === 200) {
        await discard(answer);
        const stored = { document, etag: answer.headers.etag ?? '', version: sha256(body) };
        this.#noteWritten(lambda, stored, { before, begunMs });
        return true;
      }
      const refusal = await refusalOf(answer);
      // The name may be a bundle's, which is no matter of time.
      if (!MOVED.includes(answer.statusCode ?? 0) || refusal.code === 'conflict') throw refusal;
    } catch (error) {
      const failure = this.#options.requests.unreachable(error);
      if (failure.code !== 'registry-unreachable') throw failure;
      // The answer may have been lost on the way, and the document not.
      if ((await this.read(lambda))?.version === sha256(body)) return true;
      throw failure;
    }
    // Also of a request that was sent again because its first answer was lost.
    return (await this.read(lambda))?.version === sha256(body);
  }

  /** One that is not there has been removed. */
  async remove(lambda: LambdaName): Promise<void> {
    await this.#objects.remove(documentKey(lambda));
    this.#note(lambda, undefined, performance.now());
  }

  async #readListed(lambda: LambdaName): Promise<Stored | undefined> {
    try {
      return await this.read(lambda);
    } catch (error) {
      if (!(error instanceof Failure) || error.code !== 'registry-refused') throw error;
      this.#options.log('warn', 'a function of the registry can not be told of', { lambda, reason: error.message });
      return undefined;
    }
  }

  async #ask(key: string, lambda: LambdaName, known: Known | undefined): Promise<Stored | undefined> {
    let asking = this.#asking.get(key);
    if (asking === undefined) {
      asking = this.#askOnce(lambda, known).finally(() => this.#asking.delete(key));
      this.#asking.set(key, asking);
    }
    return asking;
  }

  async #askOnce(lambda: LambdaName, known: Known | undefined): Promise<Stored | undefined> {
    const askedMs = performance.now();
    try {
      return await this.#readFor('call', lambda);
    } catch (error) {
      if (known?.stored === undefined || !(error instanceof Failure)) throw error;
      const { log, cacheMs } = this.#options;
      if (!known.silent) {
        log('warn', 'the registry does not answer; a function stays as it is', { lambda, reason: error.message });
      }
      // Asked again soon, and not by every call.
      const againMs = askedMs - cacheMs + Math.min(cacheMs, STORE_RETRY_MS_MAX);
      this.#known.set(lambda, { ...known, silent: true, askedMs: againMs });
      return known.stored;
    }
  }

  async #read(lambda: LambdaName, answer: IncomingMessage, known: Stored | undefined): Promise<Stored | undefined> {
    const { statusCode = 0, headers } = answer;
    try {
      if (GONE.includes(statusCode)) {
        const refusal = await refusalOf(answer);
        if (isBucketMissing(refusal)) throw refusal;
        return undefined;
      }
      if (statusCode === 304 && known !== undefined) {
        await discard(answer);
        return known;
      }
      if (statusCode !== 200) throw await refusalOf(answer);
      const text = await readText(answer);
      const document = documentOfStore(text);
      if (document !== undefined) return { document, etag: headers.etag ?? '', version: sha256(text) };
    } catch (error) {
      throw this.#options.requests.unreachable(error);
    }
    const message = `${documentKey(lambda)} in the registry is not what describes a function; remove that object`;
    throw new Failure('registry-refused', message);
  }

  #note(lambda: LambdaName, stored: Stored | undefined, askedMs: number): void {
    const known = this.#known.get(lambda);
    // An answer that was overtaken.
    if (known !== undefined && askedMs < known.askedMs) return;
    if (known?.silent) this.#options.log('info', 'the registry answers again', { lambda });
    this.#known.set(lambda, { stored, askedMs, silent: false });
    if (known?.stored?.version !== stored?.version) this.#onChange(lambda);
  }

  /** What was read meanwhile and is not what was written over is what another has written after it. */
  #noteWritten(
    lambda: LambdaName,
    stored: Stored,
    { before, begunMs }: { before: Stored | undefined; begunMs: number },
  ): void {
    const known = this.#known.get(lambda);
    const isLater = known !== undefined && known.askedMs > begunMs && known.stored?.version !== before?.version;
    if (!isLater) this.#note(lambda, stored, performance.now());
  }

  #isYoung({ askedMs }: Known): boolean {
    return performance.now() - askedMs < this.#options.cacheMs;
  }
}
