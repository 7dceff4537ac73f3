/** What each lambda of a store points at, as a worker knows it. */
import type { IncomingMessage } from 'node:http';
import type { FunctionState } from './function-document.ts';
import type { LambdaName } from './source.ts';

/** A bundle that a lambda points at. */
export interface Pointer {
  /** Equal for the same bundle. */
  id: string;
  /** SHA-256 of its bytes, if the store says it; they are counted in any case. */
  sha256: string | undefined;
  /** Begins to read it. Rejects with `PointerMoved` if the lambda points elsewhere by now. */
  open(signal: AbortSignal): Promise<IncomingMessage>;
  /** What was said of it apart from its code; undefined if the code says all. */
  said?: Pick<FunctionState, 'own' | 'wishes'>;
}

export interface Pointers {
  /**
   * What the lambda points at; undefined if it is not there. While the store is down: what it pointed at
   * when that was last known. Rejects with Failure if nothing is known.
   */
  look(lambda: LambdaName): Promise<Pointer | undefined>;
  /** As `look`, where the answer is at hand; undefined says nothing. */
  peek(lambda: LambdaName): Pointer | undefined;
  close(): Promise<void>;
}

/** The bundle has been replaced since it was looked at: look again. */
export class PointerMoved extends Error {
  override readonly name = 'PointerMoved';
}
