import type { Trace } from '../http/trace.ts';

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
  /** JSON, unparsed: Node's round trip would spoil large integers. */
  event: Uint8Array;
  /** How many sandboxes it was given to that ended before they had any code. */
  tries?: number;
  caller: {
    readonly gone: boolean;
    /** Calls the listener once the caller has gone away; also, harmlessly, once it has been answered. */
    onGone(listener: () => void): void;
  };
}
