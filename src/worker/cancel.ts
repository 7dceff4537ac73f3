import type { Instance } from './instance.ts';
import type { Invocation } from './invocation.ts';
import type { Outcome } from './outcome.ts';

/** Runs the event as long as its caller waits for the answer: when he goes away, the instance ends at once. */
export async function runWhileAwaited(instance: Instance, invocation: Invocation): Promise<Outcome> {
  const { caller } = invocation;
  if (caller.gone) return { kind: 'abandoned' };
  let running = true;
  let cancelled = false;
  caller.onGone(() => {
    if (!running) return;
    cancelled = true;
    void instance.end();
  });
  const outcome = await instance.run(invocation);
  running = false;
  return cancelled && 'run' in outcome ? { kind: 'cancelled', run: outcome.run } : outcome;
}
