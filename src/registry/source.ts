/** Where lambda code comes from. A version is a snapshot on disk that never changes again. */
import type { NodeHandler } from '../config/handler-name.ts';
import type { LambdaSpec } from '../config/lambda-spec.ts';
import type { Declared } from '../packages/declared.ts';

export interface CodeVersion {
  lambda: string;
  /** Digest of names, modes and contents. */
  digest: string;
  /** Absolute path of the snapshot. */
  dir: string;
  /** What it asked for in its `lambda.json`, and may have. */
  config: LambdaSpec;
  /** Where its handler is, if Node is to run it; Python is if it is not given. */
  node?: NodeHandler | undefined;
  /** The packages that it needs; undefined for none. */
  declared: Declared | undefined;
}

export interface CodeSource {
  /**
   * The version that a request starting now must run: any change to the lambda that was complete
   * before the request started is in it. Undefined if there is no such lambda, or no such version of it.
   * Rejects with Failure `lambda-invalid` if its code cannot be used.
   *
   * Each version returned is on loan, and its snapshot stays, until it is given back once with `release`.
   */
  current(lambda: LambdaName): Promise<CodeVersion | undefined>;
  /** Gives one loan back. */
  release(version: CodeVersion): void;
  /**
   * To be asked when a sandbox could not be given the version: whether its snapshot has vanished from
   * the disk. If so, the next `current` copies the code again.
   */
  hasVanished(version: CodeVersion): boolean;
  /** Names the code that the lambda points at, where that is known without fetching it. */
  pointer?(lambda: LambdaName): string | undefined;
  close(): Promise<void>;
}

/**
 * A name that is safe as a directory's name, in a URL, a log and a cgroup: of a lambda, which is its current code, or
 * `NAME~VERSION` of a version of it, which runs beside as a lambda of its own. A version is the number of one that was
 * published, or the digest of code that was current once.
 */
export type LambdaName = string & { readonly __brand: 'LambdaName' };

export const LAMBDA_NAME_RULE = '1 to 64 of A-Z a-z 0-9 . _ - (but not . or ..)';

/** Where a registry keeps what belongs to lambdas that were made through an API. No lambda can be called so. */
export const FUNCTIONS_DIR = '~functions';

/** What is known there of such a lambda, beside its code. */
export const FUNCTION_DOCUMENT = 'function.json';

const LAMBDA_NAME = /^[A-Za-z0-9._-]{1,64}$/;

const VERSION = /^(?:[1-9][0-9]{0,8}|[0-9a-f]{32}|[0-9a-f]{64})$/;

/** The name of a lambda, not of a version of one. */
export function parseLambdaName(text: string): LambdaName | undefined {
  if (!LAMBDA_NAME.test(text) || text === '.' || text === '..') return undefined;
  return text as LambdaName;
}

/** As `parseLambdaName`, of whatever can be called: versions as well. */
export function parseCalledName(text: string): LambdaName | undefined {
  const at = text.indexOf('~');
  if (at === -1) return parseLambdaName(text);
  const lambda = parseLambdaName(text.slice(0, at));
  const version = text.slice(at + 1);
  return lambda !== undefined && VERSION.test(version) ? versionName(lambda, version) : undefined;
}

export function versionName(lambda: LambdaName, version: string): LambdaName {
  return `${lambda}~${version}` as LambdaName;
}

/** Which lambda, and which version of it; undefined for its current code. */
export function partsOf(name: LambdaName): { lambda: LambdaName; version: string | undefined } {
  const at = name.indexOf('~');
  if (at === -1) return { lambda: name, version: undefined };
  return { lambda: name.slice(0, at) as LambdaName, version: name.slice(at + 1) };
}

/** Whether it was published under a number. */
export function isNumbered(version: string): boolean {
  return version.length < 32;
}
