/**
 * Waits until a fact of the outside world holds: for what nobody reports, such as the end of a
 * process that is not our child. Throws what the last look threw, or what it returned.
 */
import { PATIENCE } from './patience.ts';

const LOOK_EVERY_MS = 20;

export async function eventually<T>(look: () => T | Promise<T>, waitMs = 30_000): Promise<T> {
  const deadline = Date.now() + waitMs * PATIENCE;
  for (;;) {
    try {
      return await look();
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await new Promise((done) => setTimeout(done, LOOK_EVERY_MS));
  }
}
