/**
 * Looks at the bundles of any S3 store. Such a store tells nobody of changes, so a call asks it, unless the
 * last answer is younger than a limit; calls that come meanwhile share the question.
 */
import { Failure } from '../config/failure.ts';
import type { Log } from '../lib/log.ts';
import { STORE_RETRY_MS_MAX } from './limits.ts';
import { discard, refusalOf } from './remote-answer.ts';
import { type Pointer, PointerMoved, type Pointers } from './remote-pointers.ts';
import type { StoreRequests } from './remote-request.ts';
import { BUNDLE_ENDINGS, bundleKey, objectUrl, type RemoteStore } from './remote-store.ts';
import type { LambdaName } from './source.ts';

export interface ObjectHeadsOptions {
  store: RemoteStore;
  requests: StoreRequests;
  /** How old an answer may be, in milliseconds. */
  cacheMs: number;
  onChange: (lambda: LambdaName) => void;
  log: Log;
}

interface Known {
  pointer: Pointer | undefined;
  /** Monotonic, when it was asked; the answer is younger. */
  askedMs: number;
  silent: boolean;
}

interface ObjectHead {
  key: string;
  etag: string;
  /** Unix time in milliseconds, with whole seconds. */
  modifiedMs: number;
}

const GONE = [404, 410];
const MOVED = [404, 410, 412];

export class ObjectHeads implements Pointers {
  readonly #options: ObjectHeadsOptions;
  readonly #known = new Map<LambdaName, Known>();
  readonly #asking = new Map<LambdaName, Promise<Pointer | undefined>>();

  constructor(options: ObjectHeadsOptions) {
    this.#options = options;
  }

  async look(lambda: LambdaName): Promise<Pointer | undefined> {
    const known = this.#known.get(lambda);
    if (known !== undefined && performance.now() - known.askedMs < this.#options.cacheMs) return known.pointer;
    let asking = this.#asking.get(lambda);
    if (asking === undefined) {
      asking = this.#ask(lambda, known).finally(() => this.#asking.delete(lambda));
      this.#asking.set(lambda, asking);
    }
    return asking;
  }

  peek(lambda: LambdaName): Pointer | undefined {
    const known = this.#known.get(lambda);
    if (known === undefined || performance.now() - known.askedMs >= this.#options.cacheMs) return undefined;
    return known.pointer;
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#asking.values());
  }

  async #ask(lambda: LambdaName, known: Known | undefined): Promise<Pointer | undefined> {
    const askedMs = performance.now();
    try {
      const pointer = await this.#newest(lambda);
      if (known?.silent) this.#options.log('info', 'the registry answers again', { lambda });
      this.#known.set(lambda, { pointer, askedMs, silent: false });
      if (known !== undefined && known.pointer?.id !== pointer?.id) this.#options.onChange(lambda);
      // A name that nobody has needs no place.
      if (pointer === undefined) this.#known.delete(lambda);
      return pointer;
    } catch (error) {
      if (known?.pointer === undefined || !(error instanceof Failure)) throw error;
      const { log, cacheMs } = this.#options;
      if (!known.silent)
        log('warn', 'the registry does not answer; a lambda stays as it is', { lambda, reason: error.message });
      // Asked again soon, and not by every call.
      this.#known.set(lambda, {
        ...known,
        silent: true,
        askedMs: askedMs - cacheMs + Math.min(cacheMs, STORE_RETRY_MS_MAX),
      });
      return known.pointer;
    }
  }

  /** A lambda may have been uploaded under several names; the last counts. */
  async #newest(lambda: LambdaName): Promise<Pointer | undefined> {
    const asked = await Promise.allSettled(BUNDLE_ENDINGS.map((ending) => this.#head(bundleKey(lambda, ending))));
    const heads = asked.flatMap((one) => (one.status === 'fulfilled' ? (one.value ?? []) : []));
    const [newest] = heads.sort((a, b) => b.modifiedMs - a.modifiedMs);
    if (newest !== undefined) return this.#pointerTo(lambda, newest);
    // AWS answers 403 for what is not there to those who may not list, so one that is there outweighs it.
    for (const one of asked) if (one.status === 'rejected') throw one.reason;
    return undefined;
  }

  async #head(key: string): Promise<ObjectHead | undefined> {
    const { store, requests } = this.#options;
    const answer = await requests.send({ method: 'HEAD', url: objectUrl(store, key) });
    const { statusCode = 0, headers } = answer;
    if (GONE.includes(statusCode)) return undefined;
    if (statusCode !== 200) throw await refusalOf(answer);
    await discard(answer);
    return { key, etag: headers.etag ?? '', modifiedMs: Date.parse(headers['last-modified'] ?? '') || 0 };
  }

  #pointerTo(lambda: LambdaName, { key, etag, modifiedMs }: ObjectHead): Pointer {
    const { store, requests } = this.#options;
    return {
      id: `${key} ${etag} ${modifiedMs}`,
      sha256: undefined,
      open: async (signal) => {
        const headers: Record<string, string> = etag === '' ? {} : { 'if-match': etag };
        const answer = await requests.send({ method: 'GET', url: objectUrl(store, key), headers, signal });
        if (answer.statusCode === 200) return answer;
        const refusal = await refusalOf(answer);
        if (!MOVED.includes(answer.statusCode ?? 0)) throw refusal;
        this.#known.delete(lambda);
        throw new PointerMoved(key, { cause: refusal });
      },
    };
  }
}
