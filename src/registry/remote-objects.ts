/** Objects of a store's bucket, by their keys. All throw Failure `registry-unreachable`, `registry-refused`. */
import type { IncomingMessage } from 'node:http';
import { discard, elementOf, readText, refusalOf } from './remote-answer.ts';
import type { StoreRequest, StoreRequests } from './remote-request.ts';
import { bucketUrl, objectUrl, type RemoteStore } from './remote-store.ts';

export interface ListedObject {
  key: string;
  /** As the store writes it, with quotes. */
  etag: string;
  bytes: number;
  modified: Date;
  /** The store's time when it was listed, to the second. */
  nowMs: number;
}

export interface ListWish {
  /** Of the keys; all if it is not given. */
  prefix?: string;
  /** Whether to leave out what lies in a folder. */
  topOnly?: boolean;
}

export interface PutOrder {
  body: string | Buffer;
  type: string;
  headers?: Readonly<Record<string, string>>;
}

export class StoreObjects {
  readonly #store: RemoteStore;
  readonly #requests: StoreRequests;

  constructor(store: RemoteStore, requests: StoreRequests) {
    this.#store = store;
    this.#requests = requests;
  }

  /** Any answer, whatever its status, unread. */
  get(key: string, rest: Pick<StoreRequest, 'headers' | 'signal'> = {}): Promise<IncomingMessage> {
    return this.#requests.send({ method: 'GET', url: objectUrl(this.#store, key), ...rest });
  }

  /** As `get`. */
  put(key: string, { body, type, headers = {} }: PutOrder): Promise<IncomingMessage> {
    const url = objectUrl(this.#store, key);
    return this.#requests.send({ method: 'PUT', url, body, headers: { 'content-type': type, ...headers } });
  }

  /** What is not there has been removed. */
  async remove(key: string): Promise<void> {
    const answer = await this.#requests.send({ method: 'DELETE', url: objectUrl(this.#store, key) });
    const { statusCode = 0 } = answer;
    if (statusCode !== 404 && statusCode >= 300) throw await refusalOf(answer);
    await discard(answer);
  }

  /** In the order of keys. */
  async *list({ prefix = '', topOnly = false }: ListWish): AsyncGenerator<ListedObject> {
    let token: string | undefined;
    do {
      const url = bucketUrl(this.#store);
      url.searchParams.set('list-type', '2');
      if (topOnly) url.searchParams.set('delimiter', '/');
      if (prefix !== '') url.searchParams.set('prefix', prefix);
      if (token !== undefined) url.searchParams.set('continuation-token', token);
      const answer = await this.#requests.send({ method: 'GET', url });
      if (answer.statusCode !== 200) throw await refusalOf(answer);
      const nowMs = Date.parse(answer.headers.date ?? '') || Date.now();
      const page = await this.#read(answer);
      for (const [, element = ''] of page.matchAll(/<Contents>([\s\S]*?)<\/Contents>/g)) {
        yield listedIn(element, nowMs);
      }
      token = elementOf(page, 'NextContinuationToken') || undefined;
    } while (token !== undefined);
  }

  async #read(answer: IncomingMessage): Promise<string> {
    try {
      return await readText(answer);
    } catch (error) {
      throw this.#requests.unreachable(error);
    }
  }
}

function listedIn(element: string, nowMs: number): ListedObject {
  const [key, etag] = [elementOf(element, 'Key'), elementOf(element, 'ETag')];
  const modified = new Date(elementOf(element, 'LastModified'));
  return { key, etag, bytes: Number(elementOf(element, 'Size')), modified, nowMs };
}
