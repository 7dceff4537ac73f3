/** Whether a store keeps to conditions (`If-Match`) in what it is to write. Only a write can tell. */
import { randomUUID } from 'node:crypto';
import { Failure } from '../config/failure.ts';
import { discard, isBucketMissing, refusalOf } from './remote-answer.ts';
import type { StoreObjects } from './remote-objects.ts';
import type { RemoteStore } from './remote-store.ts';
import { FUNCTIONS_DIR } from './source.ts';

export class StoreConditions {
  readonly #store: RemoteStore;
  readonly #objects: StoreObjects;
  #kept = false;

  constructor(store: RemoteStore, objects: StoreObjects) {
    this.#store = store;
    this.#objects = objects;
  }

  /**
   * Rejects with Failure `config-invalid` unless the store keeps to them: one that takes no notice would let two workers
   * undo each other's changes. A store that does has nothing of the question left. Also rejects as requests do.
   */
  async need(): Promise<void> {
    if (this.#kept) return;
    const key = `${FUNCTIONS_DIR}/probe/${randomUUID()}`;
    const order = { body: '', type: 'application/json', headers: { 'if-match': '"0"' } };
    const answer = await this.#objects.put(key, order);
    const { statusCode = 0 } = answer;
    if (statusCode === 404 || statusCode === 412) {
      const refusal = await refusalOf(answer);
      if (isBucketMissing(refusal)) throw refusal;
      this.#kept = true;
      return;
    }
    if (statusCode !== 200 && statusCode !== 501) throw await refusalOf(answer);
    await discard(answer);
    if (statusCode === 200) await this.#objects.remove(key);
    const what = `the store at ${this.#store.server} takes no notice of conditions (If-Match) in what it is to write`;
    const other = "Isla's own registry (admin registry) does, as AWS's and MinIO's do";
    throw new Failure('config-invalid', `Functions can not be made or changed here: ${what}. ${other}.`);
  }
}
