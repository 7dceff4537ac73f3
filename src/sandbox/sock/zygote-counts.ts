/** How many zygotes there are and have been, out of what the spawner tells. */
import type { EngineLog } from '../sandbox.ts';
import type { SpawnerEvent } from './spawner-process.ts';

export class ZygoteCounts {
  readonly #alive = new Set<number>();
  /** Zygotes that have been followed by a fresh one. */
  renewed = 0;

  get alive(): number {
    return this.#alive.size;
  }

  hear(event: SpawnerEvent & { ev: 'zygote' }, log: EngineLog): void {
    switch (event.state) {
      case 'ready':
        this.#alive.add(event.zygote);
        break;
      case 'retired':
        this.renewed += 1;
        break;
      case 'ended':
        if (event.zygote !== null) this.#alive.delete(event.zygote);
        if (event.reason !== null) log('error', 'a zygote ended', { zygote: event.zygote, reason: event.reason });
        break;
    }
  }

  /** The spawner is gone, and with it all of them. */
  lose(): void {
    this.#alive.clear();
  }
}
