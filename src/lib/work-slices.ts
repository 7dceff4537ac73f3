import { setImmediate as nextTurn } from 'node:timers/promises';

/**
 * Lets a long job of synchronous steps share the event loop: call it between two steps, and when
 * the slice is used up it returns a promise that others run behind. Small jobs never wait, and
 * never pay for a thread pool: five system calls cost less than one round trip to it.
 */
export function workSlices(sliceMsMax: number): () => Promise<void> | undefined {
  let startedMs = performance.now();
  return () => {
    if (performance.now() - startedMs < sliceMsMax) return undefined;
    return nextTurn().then(() => {
      startedMs = performance.now();
    });
  };
}
