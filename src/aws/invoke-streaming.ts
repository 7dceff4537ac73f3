/** The operation InvokeWithResponseStream: as Invoke, with an answer that comes bit by bit, as messages of an event stream. */
import type { ServerResponse } from 'node:http';
import { PartWriter } from '../http/part-writer.ts';
import type { PlainAnswer } from '../http/plain-answer.ts';
import { encodeMessage } from '../lib/event-stream.ts';
import type { AwaitingParts } from '../worker/invocation.ts';
import { AwsError, requestIdHeaders } from './aws-error.ts';
import type { AwsRequest } from './aws-request.ts';
import { type OutcomeFacts, outcomeAnswer } from './outcome-answer.ts';
import { choiceOf, type RunSources, readAsked, run } from './run.ts';

/** Between what an answer begins with and its body, where it begins with anything. */
const END_OF_PRELUDE = Buffer.alloc(8);

/** `sent` is the name as the path has it. Throws AwsError and Failure for what did not run. */
export async function invokeStreaming(
  request: AwsRequest,
  sent: string,
  { outgoing, ...options }: RunSources & { outgoing: ServerResponse },
): Promise<PlainAnswer> {
  const { caller, requestId } = request.admitted;
  if (choiceOf(request.admitted, 'X-Amz-Invocation-Type', ['RequestResponse', 'DryRun'] as const) === 'DryRun') {
    throw new AwsError('InvalidParameterValueException', 'A dry run is an affair of Invoke.');
  }
  const asked = await readAsked(request, sent, options);
  const { version } = asked;
  const parts = new EventStream(outgoing, { requestId, version });
  const { outcome, log } = await run(asked, { caller, requestId, parts }, options);
  // Also the words for what has failed, and what is thrown for what did not run.
  const { status, headers, body } = outcomeAnswer(outcome, { requestId, version, log });
  if (status !== 200 || body === null) return { status, headers, body };
  const failed = headers.includes('X-Amz-Function-Error');
  parts.end({ last: failed ? undefined : Buffer.from(body), error: failed ? String(body) : undefined, log });
  return { status, headers: [], body: null, sent: true };
}

class EventStream implements AwaitingParts {
  readonly #outgoing: ServerResponse;
  readonly #facts: Pick<OutcomeFacts, 'requestId' | 'version'>;
  readonly #writer: PartWriter;

  constructor(outgoing: ServerResponse, facts: Pick<OutcomeFacts, 'requestId' | 'version'>) {
    this.#outgoing = outgoing;
    this.#facts = facts;
    this.#writer = new PartWriter(outgoing);
  }

  get gone(): boolean {
    return this.#writer.gone;
  }

  onGone(listener: () => void): void {
    this.#writer.onGone(listener);
  }

  head(said: Buffer): void {
    this.#writer.begin();
    this.#begin();
    // One that is only there to name a type of content is none of the function's.
    if (said.includes('"statusCode"')) this.#outgoing.write(chunk(Buffer.concat([said, END_OF_PRELUDE])));
  }

  part(bytes: Buffer, goOn: () => void): boolean {
    return this.#writer.write(chunk(bytes), goOn);
  }

  end({ last, error, log }: { last: Buffer | undefined; error: string | undefined; log: string | undefined }): void {
    if (this.#outgoing.destroyed) return;
    this.#begin();
    if (last !== undefined && last.length > 0) this.#outgoing.write(chunk(last));
    const facts = {
      ...(error === undefined ? {} : { ErrorCode: 'Unhandled', ErrorDetails: error }),
      ...(log === undefined ? {} : { LogResult: log }),
    };
    this.#outgoing.end(message('InvokeComplete', 'application/json', Buffer.from(JSON.stringify(facts))));
  }

  #begin(): void {
    if (this.#outgoing.headersSent || this.#outgoing.destroyed) return;
    const { requestId, version } = this.#facts;
    this.#outgoing.writeHead(200, [
      'Content-Type',
      'application/vnd.amazon.eventstream',
      'X-Amz-Executed-Version',
      version,
      ...requestIdHeaders(requestId),
    ]);
    this.#outgoing.flushHeaders();
  }
}

function chunk(bytes: Buffer): Buffer {
  return message('PayloadChunk', 'application/octet-stream', bytes);
}

function message(event: string, contentType: string, payload: Buffer): Buffer {
  return encodeMessage({ ':message-type': 'event', ':event-type': event, ':content-type': contentType }, payload);
}
