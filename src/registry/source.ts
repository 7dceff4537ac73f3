/** Where lambda code comes from. A version is a snapshot on disk that never changes again. */
export interface CodeVersion {
  lambda: string;
  /** Digest of names, modes and contents. */
  digest: string;
  /** Absolute path of the snapshot. */
  dir: string;
}

export interface CodeSource {
  /**
   * The version that a request starting now must run: any change to the lambda that was complete
   * before the request started is in it. Undefined if there is no such lambda.
   */
  current(lambda: string): Promise<CodeVersion | undefined>;
  /** Tells the source that no instance uses this version any more. */
  release(version: CodeVersion): void;
  close(): Promise<void>;
}
