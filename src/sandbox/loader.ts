/** What a loader is, for those who have one made: the process that has loaded a lambda's code for all its events. */
import type { SandboxSpec } from './sandbox.ts';

/** What a loader imports: a sandbox of that lambda and version would find the same. */
export interface LoaderSpec
  extends Pick<
    SandboxSpec,
    'lambda' | 'instance' | 'codeDir' | 'handler' | 'packages' | 'limits' | 'env' | 'secrets' | 'network'
  > {
  /** States of generators by name, as `Loaded`'s body has them from another process: one that is the same has a chosen seed. */
  seeded: Readonly<Record<string, number>>;
}

/** A process that has loaded a lambda's code, from which sandboxes can be made that have it. */
export interface Loader {
  readonly number: number;
  /** What its import has left behind, by its own word: as `Loaded`'s body, parsed. */
  readonly findings: unknown;
  /** What loading took, by its own word. */
  readonly tookUs: number;
  /** Sandboxes that were asked of it so far. */
  readonly forks: number;
  /** Its memory in bytes, with its part of what it shares, when that was last looked at. */
  readonly bytes: number | undefined;
  /** It makes no more sandboxes, and ends when the last of them has gone. */
  retire(): void;
  /** As soon as it makes no more. Never rejects. */
  readonly ended: Promise<LoaderEnding>;
}

/** `failed`: of its own doing, so that another one would fare no better. */
export type LoaderEnding = { cause: 'retired' } | { cause: 'lost' | 'failed'; reason: string };
