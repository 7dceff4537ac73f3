/** What a gateway refuses, as it says so: `application/problem+json` of RFC 7807. */

export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  /** HTTP status; 0 if it was said in the midst of a stream. */
  readonly status: number;
  /** The last part of the problem's type, such as `kernel-not-found`; empty if the answer named none. */
  readonly slug: string;
  readonly title: string;
  /** A sentence that says more; undefined if there is none. */
  readonly detail: string | undefined;
  /** By which the gateway's log knows the request. */
  readonly requestId: string | undefined;
  /** Seconds after which to try again, if the gateway said so. */
  readonly retryAfterS: number | undefined;
  /** All that the gateway said. */
  readonly body: unknown;

  constructor(status: number, said: { body: unknown; retryAfter?: string | undefined }) {
    const fields = (typeof said.body === 'object' && said.body !== null ? said.body : {}) as Record<string, unknown>;
    const title = textOf(fields.title) ?? textOf(fields.msg) ?? textOf(said.body)?.trim() ?? `HTTP status ${status}`;
    const detail = textOf(fields.detail) ?? (fields.title === undefined ? undefined : textOf(fields.msg));
    super(detail === undefined ? title : `${title} ${detail}`);
    this.status = status;
    this.slug = textOf(fields.type)?.split('/').at(-1) ?? '';
    this.title = title;
    this.detail = detail;
    this.requestId = textOf(fields.requestId);
    this.retryAfterS =
      said.retryAfter !== undefined && /^\d+$/.test(said.retryAfter) ? Number(said.retryAfter) : undefined;
    this.body = said.body;
  }
}

const SAID_CHARS_MAX = 500;

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value.trim() !== '' ? value.slice(0, SAID_CHARS_MAX) : undefined;
}
