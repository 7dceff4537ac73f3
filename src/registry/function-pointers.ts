/**
 * What lambdas of a store point at, versions of functions included: a function that was made through an API is what its
 * document says, any other the bundle of its name.
 */
import { type FunctionDocument, type FunctionState, ownOf } from './function-document.ts';
import { refusalOf } from './remote-answer.ts';
import type { RemoteDocuments } from './remote-documents.ts';
import { StoreObjects } from './remote-objects.ts';
import { type Pointer, PointerMoved, type Pointers } from './remote-pointers.ts';
import type { StoreRequests } from './remote-request.ts';
import { functionKey, type RemoteStore } from './remote-store.ts';
import { isNumbered, type LambdaName, partsOf } from './source.ts';

export interface FunctionPointersOptions {
  store: RemoteStore;
  requests: StoreRequests;
  bundles: Pointers;
  documents: RemoteDocuments;
}

const MOVED = [404, 410];

export class FunctionPointers implements Pointers {
  readonly #options: FunctionPointersOptions;
  readonly #objects: StoreObjects;

  constructor(options: FunctionPointersOptions) {
    this.#options = options;
    this.#objects = new StoreObjects(options.store, options.requests);
  }

  async look(name: LambdaName): Promise<Pointer | undefined> {
    const { bundles, documents } = this.#options;
    const { lambda, version } = partsOf(name);
    if (version !== undefined) return this.#lookVersion(lambda, version);
    if (documents.wasThere(lambda)) {
      const document = await documents.look(lambda);
      if (document !== undefined) return this.#pointerTo(lambda, document);
    }
    // Asked at the same time; most lambdas are bundles.
    const [document, bundle] = await Promise.allSettled([documents.look(lambda), bundles.look(lambda)]);
    if (document.status === 'fulfilled' && document.value !== undefined) {
      return this.#pointerTo(lambda, document.value);
    }
    if (bundle.status === 'rejected') throw bundle.reason;
    // Some stores refuse to say of a document that it is not there.
    if (bundle.value === undefined && document.status === 'rejected') throw document.reason;
    // A name that nobody has needs no place.
    if (bundle.value === undefined) documents.forget(lambda);
    return bundle.value;
  }

  peek(name: LambdaName): Pointer | undefined {
    const { lambda, version } = partsOf(name);
    const document = this.#options.documents.peek(lambda);
    if (document === undefined) return undefined;
    if (document === null) return version === undefined ? this.#options.bundles.peek(lambda) : undefined;
    const state = stateOf(document, version);
    return state && this.#pointerTo(lambda, state);
  }

  close(): Promise<void> {
    return this.#options.bundles.close();
  }

  async #lookVersion(lambda: LambdaName, version: string): Promise<Pointer | undefined> {
    if (!isNumbered(version)) return undefined;
    const document = await this.#options.documents.look(lambda);
    if (document === undefined) this.#options.documents.forget(lambda);
    const state = document && stateOf(document, version);
    return state && this.#pointerTo(lambda, state);
  }

  #pointerTo(lambda: LambdaName, { code, bundle = '', facts, own, wishes }: FunctionState): Pointer {
    const { codeSha256 } = facts;
    return {
      id: code,
      sha256: codeSha256 && Buffer.from(codeSha256, 'base64').toString('hex'),
      said: { own, wishes },
      open: async (signal) => {
        const key = functionKey(lambda, bundle);
        const answer = await this.#objects.get(key, { signal });
        if (answer.statusCode === 200) return answer;
        const refusal = await refusalOf(answer);
        if (!MOVED.includes(answer.statusCode ?? 0)) throw refusal;
        this.#options.documents.forget(lambda);
        throw new PointerMoved(key, { cause: refusal });
      },
    };
  }
}

function stateOf(document: FunctionDocument, version: string | undefined): FunctionState | undefined {
  return version === undefined ? document : ownOf(document.versions, version);
}
