/** Whether the gateway takes what changes something: `running`, or `frozen` for maintenance. Kept over restarts. */
import type { Store } from '../store/key-value/store.ts';
import { ApiProblem } from './api-problem.ts';

export type Status = 'running' | 'frozen';

const BUCKET = 'config';
const KEY = 'manager/status';

export class ManagerStatus {
  readonly #store: Store;
  #now: Status = 'running';

  private constructor(store: Store) {
    this.#store = store;
  }

  static async open(store: Store): Promise<ManagerStatus> {
    const status = new ManagerStatus(store);
    const kept = await store.get(BUCKET, KEY);
    if (kept !== undefined && Buffer.from(kept.value).toString() === 'frozen') status.#now = 'frozen';
    return status;
  }

  get now(): Status {
    return this.#now;
  }

  async set(status: Status): Promise<void> {
    await this.#store.put(BUCKET, KEY, new Uint8Array(Buffer.from(status)));
    this.#now = status;
  }

  /** Throws ApiProblem `server-frozen`. */
  refuseFrozen(): void {
    if (this.#now === 'frozen') throw new ApiProblem('server-frozen', undefined, { headers: { 'Retry-After': '60' } });
  }
}
