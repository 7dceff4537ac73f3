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
