import type { Trace } from '../http/trace.ts';
import type { PartSink } from '../sandbox/sandbox.ts';

/** Somebody who waits. */
export interface Awaiting {
  readonly gone: boolean;
  /** Calls the listener once he has gone away; also, harmlessly, once he has been answered. */
  onGone(listener: () => void): void;
}

/** Takes parts. It goes away when nobody reads them any more, and the call ends then: else it would wait for a reader. */
export interface AwaitingParts extends PartSink, Awaiting {}

/** What makes a call, by OpenTelemetry's names: somebody who waits for it, the asynchronous queue, or a schedule. */
export const TRIGGERS = ['http', 'pubsub', 'timer'] as const;
export type Trigger = (typeof TRIGGERS)[number];

/** One request to run a lambda, as the worker sees it. */
export interface Invocation {
  requestId: string;
  trigger: Trigger;
  /** If its caller said. */
  trace?: Trace | undefined;
  /** JSON of what its caller says of itself, as AWS's clients do. */
  clientContext?: string | undefined;
  /** The version or alias by which AWS's clients have asked for it: letters, digits and `_-$`. */
  qualifier?: string | undefined;
  /** JSON, unparsed: Node's round trip would spoil large integers. */
  event: Uint8Array;
  /** How many sandboxes it was given to that ended before they had any code. */
  tries?: number;
  caller: Awaiting;
  /** If its caller takes an answer bit by bit. */
  parts?: AwaitingParts | undefined;
}
