/** One call of the API: what was asked, by whom, and what is known of it so far. */
import type { IncomingMessage } from 'node:http';
import { rawPath } from '../http/app.ts';
import { readBody } from '../http/body.ts';
import type { BodyClaim, BodyMemory } from '../http/body-memory.ts';
import { ApiProblem } from './api-problem.ts';
import { type ApiVersion, headerOf } from './api-version.ts';
import type { KeyPair } from './key-pair.ts';
import { JSON_BYTES_MAX } from './limits.ts';
import { Params, type Raw, readRaw } from './params.ts';

/** Those that one may mean by another. */
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']);

/** That of `X-Method-Override`, if it is one, counts more than the request's own. */
export function meantMethod({ headers, method = 'GET' }: IncomingMessage): string {
  const meant = headerOf(headers, 'x-method-override')?.toUpperCase();
  return meant !== undefined && METHODS.has(meant) ? meant : method;
}

export class ApiCall {
  readonly incoming: IncomingMessage;
  readonly requestId: string;
  /** Of the path, decoded: `token` of `/kernel/:token`. */
  readonly names: Readonly<Record<string, string>>;
  readonly version: ApiVersion;
  readonly #claim: BodyClaim;
  readonly #gone = new AbortController();
  /** Who calls has brought a token, and need not know the secret key. */
  byToken = false;
  #pair: KeyPair | undefined;
  #body: Promise<Buffer> | undefined;
  #raw: Raw | undefined;

  constructor(call: {
    incoming: IncomingMessage;
    requestId: string;
    /** Closes when the caller has been answered, or has gone away: the answer, or the socket. */
    ending: { once(event: 'close', listener: () => void): unknown };
    names: Readonly<Record<string, string>>;
    version: ApiVersion;
    bodies: BodyMemory;
  }) {
    this.incoming = call.incoming;
    this.requestId = call.requestId;
    this.names = call.names;
    this.version = call.version;
    this.#claim = call.bodies.claim();
    call.ending.once('close', () => {
      this.#claim.release();
      this.#gone.abort();
    });
  }

  /** The one that is meant: old clients that can only GET and POST say it in a header. */
  get method(): string {
    return meantMethod(this.incoming);
  }

  /** The target exactly as it was sent. */
  get target(): string {
    return this.incoming.url ?? '/';
  }

  get path(): string {
    return rawPath(this.target);
  }

  get query(): string {
    const at = this.target.indexOf('?');
    return at === -1 ? '' : this.target.slice(at + 1);
  }

  /** Aborted when the caller has been answered, or has gone away. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** Who has signed it. Only of routes that want a key. */
  get pair(): KeyPair {
    if (this.#pair === undefined) throw new Error('nobody has signed this call');
    return this.#pair;
  }

  set pair(pair: KeyPair) {
    this.#pair = pair;
  }

  /** The body as it was sent, whatever the method: clients send JSON with GET and DELETE. */
  body(bytesMax: number): Promise<Buffer> {
    this.#body ??= this.#read(bytesMax);
    return this.#body;
  }

  /** Throws ApiProblem `invalid-api-params`. */
  async params(): Promise<Params> {
    this.#raw ??= readRaw(await this.body(JSON_BYTES_MAX), this.query);
    return new Params(this.#raw);
  }

  async #read(bytesMax: number): Promise<Buffer> {
    const { 'content-length': length = '0', 'transfer-encoding': coding } = this.incoming.headers;
    // Of a request to upgrade nothing would ever come, not even an end.
    if (length === '0' && coding === undefined) return Buffer.alloc(0);
    const body = await readBody(this.incoming, bytesMax, this.#claim);
    switch (body.kind) {
      case 'whole':
        return body.bytes;
      case 'too-large':
        throw new ApiProblem('invalid-api-params', 'The body is too large', {
          detail: `${bytesMax} bytes are allowed.`,
        });
      case 'no-room':
        throw new ApiProblem('service-unavailable', undefined, {
          detail: 'The bodies of other requests take all memory that there is for them.',
          headers: { 'Retry-After': '1' },
        });
      case 'cut-off':
        throw new ApiProblem('generic-bad-request', 'The body was cut off');
    }
  }
}
