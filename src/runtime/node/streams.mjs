/**
 * Answers that come bit by bit: what generators and streams give, and what handlers write that AWS's
 * `awslambda.streamifyResponse` has marked.
 *
 * One has a head, `{statusCode, headers, cookies}` (without the first where nobody said it), and parts, which are bytes. A
 * caller that can take them as they come gets them so; any other gets them together, as one object in the form in which
 * AWS's Function URLs are answered.
 */
import { Readable, Writable } from 'node:stream';
import { HandlerFailure } from './failures.mjs';
import * as frames from './frames.mjs';
import { encode } from './values.mjs';

// Bound now: a handler may replace them.
const { concat, from: toBytes, isBuffer } = Buffer;
const { isView } = ArrayBuffer;
const { toString: tag } = Object.prototype;
const { hasOwn } = Object;
const WebStream = ReadableStream;
const decoder = new TextDecoder('utf-8', { fatal: true });

/** Of one part. What is larger is cut into several, so that none is long in coming. */
const PART_BYTES_MAX = 65_536;
const BYTES_TYPE = 'application/octet-stream';
const GENERATORS = new Set(['[object Generator]', '[object AsyncGenerator]']);
/** AWS's own mark. */
const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');

export function isStreamed(result) {
  if (typeof result !== 'object' || result === null) return false;
  return GENERATORS.has(tag.call(result)) || result instanceof WebStream || result instanceof Readable;
}

export function isStreaming(handler) {
  return handler[STREAMING] !== undefined;
}

/** What AWS's runtime has under this name for handlers that write their answer. */
export const awslambda = {
  streamifyResponse(handler) {
    handler[STREAMING] = 'response';
    return handler;
  },
  HttpResponseStream: {
    from(stream, head) {
      stream.answer.say(head);
      return stream;
    },
  },
};

/** What is being answered, to a caller who takes parts (`parts`) or wants all of it at once. */
export class StreamedAnswer {
  #channel;
  #bytesMax;
  #takesParts;
  #head;
  #sent = false;
  #pieces = [];
  #bytes = 0;

  constructor(channel, { parts, bytesMax }) {
    this.#channel = channel;
    this.#takesParts = parts === true;
    this.#bytesMax = bytesMax;
  }

  /** What it begins with; counts for nothing once something has been sent. */
  say({ statusCode, headers, cookies } = {}) {
    const named = { statusCode, headers, cookies };
    this.#head = Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined));
  }

  /** As generators give it. The first may be the head, with what the body begins with. */
  give(item) {
    if (this.#head !== undefined) this.write(bytesOf(item));
    else if (isHead(item)) {
      this.say(item);
      if (item.body) this.write(bytesOf(item.body));
    } else {
      this.say({ headers: { 'content-type': typeOf(item) } });
      this.write(bytesOf(item));
    }
  }

  write(bytes) {
    if (this.#takesParts) this.#send(bytes);
    else this.#collect(bytes);
  }

  /** The body of the frame that ends it. */
  end() {
    if (this.#takesParts) {
      this.#sendHead();
      return '';
    }
    const whole = concat(this.#pieces);
    const text = textOf(whole);
    const body = text === undefined ? whole.toString('base64') : text;
    return encode({ statusCode: 200, ...this.#headOr(), body, isBase64Encoded: text === undefined });
  }

  #send(bytes) {
    this.#sendHead();
    for (let start = 0; start < bytes.length; start += PART_BYTES_MAX) {
      this.#channel.write(frames.PART, '', bytes.subarray(start, start + PART_BYTES_MAX));
    }
  }

  #sendHead() {
    if (this.#sent) return;
    this.#sent = true;
    this.#channel.write(frames.HEAD, '', encode(this.#headOr()));
  }

  #headOr() {
    return this.#head ?? { headers: { 'content-type': BYTES_TYPE } };
  }

  #collect(bytes) {
    this.#bytes += bytes.length;
    if (this.#bytes > this.#bytesMax) {
      const message = `Response payload size exceeded maximum allowed payload size (${this.#bytesMax} bytes).`;
      throw new HandlerFailure('Function.ResponseSizeTooLarge', message);
    }
    this.#pieces.push(toBytes(bytes));
  }
}

/** What a streaming handler writes its answer to. A reader who is slow makes its writes wait. */
export class ResponseStream extends Writable {
  constructor(answer) {
    super();
    this.answer = answer;
  }

  /** As in AWS's runtime. */
  setContentType(type) {
    this.answer.say({ headers: { 'content-type': type } });
  }

  _write(bytes, _encoding, done) {
    try {
      this.answer.write(bytes);
      done();
    } catch (error) {
      done(error);
    }
  }
}

function isHead(item) {
  return typeof item === 'object' && item !== null && !isView(item) && hasOwn(item, 'statusCode');
}

function typeOf(first) {
  if (typeof first === 'string') return 'text/plain; charset=utf-8';
  return isView(first) || first instanceof ArrayBuffer ? BYTES_TYPE : 'application/x-ndjson';
}

function bytesOf(item) {
  if (isBuffer(item)) return item;
  if (typeof item === 'string') return toBytes(item);
  if (isView(item)) return toBytes(item.buffer, item.byteOffset, item.byteLength);
  return item instanceof ArrayBuffer ? toBytes(item) : toBytes(`${encode(item)}\n`);
}

/** Undefined if it is none. */
function textOf(bytes) {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}
