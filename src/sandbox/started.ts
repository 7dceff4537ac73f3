/** A sandbox that has started, the first that was asked for or one made in its place. */
import type { Slot } from './slot.ts';

/** How long sandboxes that go down with what makes them are made again for one who waits, in milliseconds. */
const AGAIN_MS_MAX = 30_000;

/**
 * Nothing has run in one that did not start, so `another` may be made, with its code under way: once if the first could
 * not be made, and if it went down with its zygote or the spawner, which is no fault of its own, for as long as a caller
 * can be expected to wait. Rejects with the last one's failure, or with that of `another`.
 */
export async function startedOrAnother(first: Slot, another: () => Promise<Slot>): Promise<Slot> {
  const lastMs = performance.now() + AGAIN_MS_MAX;
  let slot = first;
  for (let failures = 0; ; slot = await another()) {
    try {
      await slot.started;
      return slot;
    } catch (error) {
      failures += slot.lost ? 0 : 1;
      if (failures > 1 || performance.now() > lastMs) throw error;
    }
  }
}
