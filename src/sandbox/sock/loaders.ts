/** The worker's view of the zygotes that have loaded a lambda's code. */
import { deferred } from '../../lib/deferred.ts';
import type { Loader, LoaderEnding, LoaderSpec } from '../loader.ts';
import { startOf } from '../maker.ts';
import type { ZygoteEnding } from '../sandbox.ts';
import type { SpawnerEvent, SpawnerRequest } from './spawner-process.ts';

/** It has no longer than this to import, in microseconds. */
const US_MAX = 60_000_000;

class LoaderProcess implements Loader {
  readonly number: number;
  findings: unknown;
  tookUs = 0;
  forks = 0;
  bytes: number | undefined;
  state: 'loading' | 'ready' | 'retired' = 'loading';
  readonly #send: (request: SpawnerRequest) => void;
  readonly #loaded = deferred<Loader | LoaderEnding>();
  readonly #ended = deferred<LoaderEnding>();

  constructor(number: number, send: (request: SpawnerRequest) => void) {
    this.number = number;
    this.#send = send;
  }

  get loaded(): Promise<Loader | LoaderEnding> {
    return this.#loaded.promise;
  }

  get ended(): Promise<LoaderEnding> {
    return this.#ended.promise;
  }

  /** `report`: its own word, and so whatever it likes. */
  ready(report: unknown): void {
    const { took_us, findings } = (report ?? {}) as Record<string, unknown>;
    this.tookUs = typeof took_us === 'number' ? Math.min(Math.max(took_us, 0), US_MAX) : 0;
    this.findings = findings;
    this.state = 'ready';
    this.#loaded.resolve(this);
  }

  retire(): void {
    this.end({ cause: 'retired' });
  }

  /** It is used no more, dead or alive. */
  end(ending: LoaderEnding): void {
    if (this.state === 'retired') return;
    this.state = 'retired';
    this.#loaded.resolve(ending);
    this.#ended.resolve(ending);
    this.#send({ op: 'retire', branch: this.number });
  }
}

export class Loaders {
  readonly #send: (request: SpawnerRequest) => void;
  readonly #nextNumber: () => number;
  readonly #forksMax: number;
  /** Until nothing is left of them. */
  readonly #all = new Map<number, LoaderProcess>();

  /** `nextNumber`: of zygotes that the worker asks for, of all kinds; after `forksMax` forks one is retired. */
  constructor(send: (request: SpawnerRequest) => void, nextNumber: () => number, forksMax: number) {
    this.#send = send;
    this.#nextNumber = nextNumber;
    this.#forksMax = forksMax;
  }

  load({ seeded, ...spec }: LoaderSpec): Promise<Loader | LoaderEnding> {
    const loader = new LoaderProcess(this.#nextNumber(), this.#send);
    this.#all.set(loader.number, loader);
    this.#send({ op: 'load', branch: loader.number, ...startOf(spec), seeded });
    return loader.loaded;
  }

  /** Whether a sandbox can be asked of it, which it then is. */
  take({ number }: Loader): boolean {
    const loader = this.#all.get(number);
    if (loader?.state !== 'ready') return false;
    if (loader.forks >= this.#forksMax) {
      // All its forks have its addresses. The next instance loads the code itself; those after it may have another one.
      loader.retire();
      return false;
    }
    loader.forks += 1;
    return true;
  }

  /** A sandbox that was asked of that zygote could not be made. */
  failed(number: number, reason: string): void {
    this.#all.get(number)?.end({ cause: 'failed', reason });
  }

  /** False if it is about none of these. */
  hear(event: SpawnerEvent & { ev: 'branch' }): boolean {
    const loader = this.#all.get(event.branch);
    if (loader === undefined) return false;
    if (event.state === 'ready') loader.ready(event.report);
    else {
      this.#all.delete(event.branch);
      loader.end(endingOf(event.ending));
    }
    return true;
  }

  measured(sizes: Record<string, number>): void {
    for (const loader of this.#all.values()) loader.bytes = sizes[loader.number] ?? loader.bytes;
  }

  /** The spawner is gone, and with it all of them. */
  lose(reason: string): void {
    const all = [...this.#all.values()];
    this.#all.clear();
    for (const loader of all) loader.end({ cause: 'lost', reason });
  }
}

function endingOf(ending: ZygoteEnding): LoaderEnding {
  return ending.cause === 'retired' ? ending : { cause: ending.cause, reason: ending.reason };
}
