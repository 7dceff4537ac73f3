/** What the handlers of requests are given. */
import type { S3Request } from './request.ts';
import type { Store } from './store.ts';
import type { Verified } from './verification.ts';

/** A request whose signature is good. */
export interface Exchange {
  request: S3Request;
  verified: Verified;
  store: Store;
  /** Aborted when the client goes away. */
  gone: AbortSignal;
}

/** An exchange about an object. */
export interface ObjectExchange extends Exchange {
  place: { bucket: string; key: string };
}
