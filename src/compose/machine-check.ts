/** One thing that this machine has or lacks. */
export interface Check {
  name: string;
  state: 'ok' | 'weaker' | 'missing';
  /** No lambda runs without it. */
  needed: boolean;
  /** What was found: a version, a place, an error. */
  found: string;
  /** What the lack means; only where something lacks. */
  means?: string;
  /** The command that mends it, if there is one. */
  mend?: string;
}
