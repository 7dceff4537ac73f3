/** What an engine with an import cache tells of it. Names are those of the documents that people read. */
export interface ImportCacheView {
  /** Sandboxes of lambdas with packages that started from a zygote with some of them, and those that did not. */
  hits: number;
  misses: number;
  /** What the hits have saved. */
  saved_ms: number;
  /** Parents come before those made from them. */
  zygotes: readonly ZygoteView[];
  /** What no zygote may have imported. */
  kept_out: readonly { members: readonly string[]; module: string | null; reason: string }[];
}

export interface ZygoteView {
  zygote: number;
  parent: number | null;
  /** Each as `name==version`. */
  packages: readonly string[];
  /** Those that its parent does not have. */
  added: readonly string[];
  hits: number;
  saved_ms: number;
  import_ms: number;
  memory_bytes: number | null;
  waiting: number;
  /** Sandboxes that were asked of it. */
  forks: number;
}
