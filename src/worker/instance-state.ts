import type { Sandbox } from '../sandbox/sandbox.ts';

/** What an instance is about, and the sandbox that it has then. */
export type InstanceState =
  | { kind: 'starting' }
  | { kind: 'loading'; sandbox: Sandbox }
  | { kind: 'idle'; sandbox: Sandbox }
  | { kind: 'pausing'; sandbox: Sandbox; paused: Promise<boolean> }
  | { kind: 'paused'; sandbox: Sandbox }
  | { kind: 'busy'; sandbox: Sandbox }
  | { kind: 'ending'; sandbox: Sandbox | undefined };

/** What of an instance is shown to people. */
export interface InstanceView {
  instance: number;
  state: 'starting' | 'idle' | 'paused' | 'busy' | 'ending';
  sandboxId: string | undefined;
  /** Unix time in milliseconds at which it was asked for. */
  bornMs: number;
  /** Events that it was given. */
  calls: number;
}

const SHOWN: Readonly<Record<InstanceState['kind'], InstanceView['state']>> = {
  starting: 'starting',
  loading: 'starting',
  idle: 'idle',
  pausing: 'paused',
  paused: 'paused',
  busy: 'busy',
  ending: 'ending',
};

export function viewOf(state: InstanceState): Pick<InstanceView, 'state' | 'sandboxId'> {
  const sandboxId = state.kind === 'starting' ? undefined : state.sandbox?.id;
  return { state: SHOWN[state.kind], sandboxId };
}
