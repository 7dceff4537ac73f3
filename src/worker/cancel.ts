import type { Instance } from './instance.ts';
import type { Awaiting, Invocation } from './invocation.ts';
import type { Outcome } from './outcome.ts';

/** Runs the event as long as somebody waits for the answer: when he goes away, the instance ends at once. */
export async function runWhileAwaited(
  instance: Instance,
  invocation: Invocation,
  awaiting: Awaiting,
): Promise<Outcome> {
  if (awaiting.gone) return { kind: 'abandoned' };
  let running = true;
  let cancelled = false;
  awaiting.onGone(() => {
    if (!running) return;
    cancelled = true;
    void instance.end();
  });
  const outcome = await instance.run(invocation);
  running = false;
  return cancelled && 'run' in outcome ? { kind: 'cancelled', run: outcome.run } : outcome;
}
