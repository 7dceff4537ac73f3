/**
 * Lambdas that are made and changed through an API, wherever the registry keeps them: their current code, versions of it
 * that were published under numbers and never change again, and aliases, which are names that lead to versions.
 */
import type { LambdaSpec } from '../config/lambda-spec.ts';
import type { LambdaName } from './source.ts';

/** The current code, by AWS's name. */
export const LATEST = '$LATEST';

/** What its maker has said of a function, and what is not in its code. */
export interface FunctionFacts {
  description?: string;
  role?: string;
  runtime?: string;
  /** Of the code as it came: SHA-256 in base64, and bytes. */
  codeSha256?: string;
  codeSize?: number;
}

/** What of `lambda.json` was said apart from the code. */
export interface FunctionWishes {
  handler?: string;
  timeout_ms?: number;
  memory_mb?: number;
  env?: Record<string, string>;
}

export interface FunctionChange {
  facts: FunctionFacts;
  wishes: FunctionWishes;
}

export interface FunctionRecord {
  lambda: LambdaName;
  /** The number of a version; undefined for the current code. */
  version: string | undefined;
  facts: FunctionFacts;
  /**
   * What it runs with; what any lambda runs with if its own file is wrong. Undefined in a list where only the code
   * itself says it, which is elsewhere.
   */
  spec: LambdaSpec | undefined;
  modifiedMs: number;
  /** Another one after each change; empty for what was made by hand. */
  revision: string;
}

export interface Alias {
  /** A number, or `$LATEST`. */
  version: string;
  description: string;
  /** Another version, which that part of the calls (0 to 1) goes to. */
  also?: { version: string; weight: number } | undefined;
  revision: string;
}

/** What a change may ask of the state that it finds. */
export interface Precondition {
  /** That this is still the revision. */
  revision?: string | undefined;
}

export interface PublishWish extends Precondition {
  /** That this is still the code: SHA-256 in base64. */
  codeSha256?: string | undefined;
  description?: string | undefined;
}

/**
 * All reject with Failure: `lambda-invalid` with what is wrong with code or wishes, `lambda-missing`, `conflict`,
 * `revision-old`; `registry-unreachable` and `registry-refused` where the registry is a store.
 */
export interface FunctionStore {
  /** By name, those included that were made by hand. */
  list(): Promise<FunctionRecord[]>;
  /** The current code, or a version. */
  find(lambda: LambdaName, version?: string): Promise<FunctionRecord | undefined>;
  /** By number; none of what was made by hand. */
  versions(lambda: LambdaName): Promise<FunctionRecord[]>;
  create(lambda: LambdaName, zip: Buffer, said: FunctionChange): Promise<void>;
  replaceCode(lambda: LambdaName, zip: Buffer, precondition: Precondition): Promise<void>;
  /** Says what is wrong with code that might replace that which is there. */
  tryCode(lambda: LambdaName, zip: Buffer, precondition: Precondition): Promise<void>;
  configure(lambda: LambdaName, change: FunctionChange, precondition: Precondition): Promise<void>;
  /** With its versions and aliases; or one version, to which no alias leads. */
  remove(lambda: LambdaName, version?: string): Promise<void>;
  /** Makes the current code a version, unless it is the last one, and resolves with its number. */
  publish(lambda: LambdaName, wish: PublishWish): Promise<string>;
  aliases(lambda: LambdaName): Promise<ReadonlyMap<string, Alias>>;
  /** As a call that begins now has to see it: no older than the code that it runs. */
  alias(lambda: LambdaName, name: string): Promise<Alias | undefined>;
  createAlias(lambda: LambdaName, name: string, alias: Omit<Alias, 'revision'>): Promise<Alias>;
  /** What is undefined stays as it is; `also: null` takes the other version away. */
  updateAlias(lambda: LambdaName, name: string, change: AliasChange): Promise<Alias>;
  /** One that is not there has been removed. */
  removeAlias(lambda: LambdaName, name: string): Promise<void>;
}

export interface AliasChange extends Precondition {
  version?: string | undefined;
  description?: string | undefined;
  also?: Alias['also'] | null;
}
