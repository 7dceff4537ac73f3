/** How the lambdas of a worker are run. */
export interface LambdaPolicy {
  pauseAfterMs: number;
  queueMax: number;
  queueWaitMsMax: number;
  /** Code is loaded as soon as it is seen, whether anybody calls it or not: for those who write it. */
  eager?: boolean;
  /** Longest wait of a call until packages are installed, in milliseconds. */
  packagesWaitMsMax?: number;
}
