/** The packages that lambdas ask for, as the worker sees whoever installs them. */
import type { CodeVersion } from '../registry/source.ts';
import type { PackageSet, SandboxSpec } from '../sandbox/sandbox.ts';

export interface LambdaPackages {
  /** The set, if it is known to be there; costs no more than a look. */
  ready(lambda: string, declared: Declared): PackageSet | undefined;
  /**
   * Resolves when the set is there. Rejects with Failure `packages-installing` if that takes longer than `waitMs`,
   * if that is given, and goes on; `packages-failed` if it cannot be had; `stopping`.
   */
  obtain(lambda: string, declared: Declared, waitMs: number | undefined): Promise<void>;
  /** The lambda is no more, or needs nothing any more. */
  forget(lambda: string): void;
  /** To be asked when a sandbox could not be given a set: whether it has vanished from the disk. It is installed again then. */
  hasVanished(dir: string): boolean;
  /** Ends what is being installed; who waits for it is told. Idempotent. */
  close(): Promise<void>;
}

type Declared = NonNullable<CodeVersion['declared']>;

/** A version of a lambda's code with all that it needs. */
export interface EquippedVersion extends CodeVersion {
  /** Not there if it needs none. */
  packages?: PackageSet;
}

type Outfit = Pick<SandboxSpec, 'lambda' | 'codeDir' | 'handler' | 'node' | 'packages' | 'limits' | 'env' | 'network'>;

/** What every process that runs it is given. */
export function outfitOf({ lambda, dir: codeDir, node, packages, config }: EquippedVersion): Outfit {
  const { handler, limits, env, network } = config;
  return { lambda, codeDir, handler: handler?.text, node, packages, limits, env, network };
}
