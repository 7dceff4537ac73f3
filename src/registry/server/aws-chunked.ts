/**
 * Bodies in the framing `aws-chunked`: each chunk as `HEX[;chunk-signature=HEX]\r\n<bytes>\r\n`, the last one
 * empty and followed by trailers. Decoded as they come; what a chunk holds is not kept.
 */
import { createHash, type Hash } from 'node:crypto';
import { sameText } from '../../lib/signature-check.ts';
import { EMPTY_SHA256, scopeText, sha256, sign } from '../../lib/signature-v4.ts';
import { S3Error } from './s3-error.ts';
import { wrongSignature } from './signature-check.ts';
import type { SignatureChain } from './verification.ts';

/** A chunk's first line, or a trailer's, in bytes. */
const LINE_BYTES_MAX = 1_024;
const TRAILERS_MAX = 8;

export interface ChunkedOptions {
  /** Each chunk is signed, the first on top of the request's signature; undefined if none is. */
  chain: SignatureChain | undefined;
  /** Told the trailers, which come last, by lower-case name. */
  onTrailers: (trailers: ReadonlyMap<string, string>) => void;
}

/** The bytes inside. Throws S3Error `IncompleteBody`, `InvalidRequest`, `SignatureDoesNotMatch`. */
export async function* decodeChunked(
  source: AsyncIterable<Buffer>,
  { chain, onTrailers }: ChunkedOptions,
): AsyncGenerator<Buffer, void> {
  const reader = new Reader(source);
  const signatures = chain === undefined ? undefined : new ChunkSignatures(chain);
  for (;;) {
    const { bytes, signature } = parseHead(await reader.line(), signatures !== undefined);
    const hash = signatures === undefined ? undefined : createHash('sha256');
    for (let rest = bytes; rest > 0; ) {
      const piece = await reader.some(rest);
      rest -= piece.length;
      hash?.update(piece);
      yield piece;
    }
    signatures?.check(signature, hash as Hash);
    if (bytes === 0) break;
    if ((await reader.line()) !== '') throw malformed('a chunk is longer than it says');
  }
  const trailers = await readTrailers(reader);
  const trailerSignature = trailers.get('x-amz-trailer-signature');
  trailers.delete('x-amz-trailer-signature');
  if (trailers.size > 0) signatures?.checkTrailers(trailerSignature, trailers);
  onTrailers(trailers);
}

function parseHead(line: string, signed: boolean): { bytes: number; signature: string } {
  const found = /^([0-9a-fA-F]{1,12})(?:;chunk-signature=([0-9a-f]{64}))?$/.exec(line);
  if (found === null || (signed && found[2] === undefined)) throw malformed('a chunk does not begin with its size');
  return { bytes: Number.parseInt(found[1] as string, 16), signature: found[2] ?? '' };
}

async function readTrailers(reader: Reader): Promise<Map<string, string>> {
  const trailers = new Map<string, string>();
  for (;;) {
    const line = await reader.lastLine();
    if (line === undefined) return trailers;
    // Behind the last trailer some clients send one empty line, some two, some none.
    if (line === '') continue;
    const at = line.indexOf(':');
    if (at < 1 || trailers.size === TRAILERS_MAX) throw malformed('what follows the last chunk is no trailer');
    trailers.set(line.slice(0, at).trim().toLowerCase(), line.slice(at + 1).trim());
  }
}

/** Each signature covers the one before, so no chunk can be left out, added or moved. */
class ChunkSignatures {
  readonly #chain: SignatureChain;
  #previous: string;

  constructor(chain: SignatureChain) {
    this.#chain = chain;
    this.#previous = chain.seed;
  }

  check(signature: string, chunk: Hash): void {
    this.#checkOne('AWS4-HMAC-SHA256-PAYLOAD', signature, [EMPTY_SHA256, chunk.digest('hex')]);
  }

  checkTrailers(signature: string | undefined, trailers: ReadonlyMap<string, string>): void {
    const text = [...trailers].map(([name, value]) => `${name}:${value}\n`).join('');
    this.#checkOne('AWS4-HMAC-SHA256-TRAILER', signature ?? '', [sha256(text)]);
  }

  #checkOne(what: string, signature: string, digests: readonly string[]): void {
    const { key, time, scope } = this.#chain;
    const expected = sign(key, [what, time, scopeText(scope), this.#previous, ...digests].join('\n'));
    if (!sameText(signature, expected)) throw wrongSignature();
    this.#previous = expected;
  }
}

class Reader {
  readonly #source: AsyncIterator<Buffer>;
  #piece: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** At least one byte, at most `bytesMax`. */
  async some(bytesMax: number): Promise<Buffer> {
    if (!(await this.#fill())) throw incomplete();
    const taken = this.#piece.subarray(0, bytesMax);
    this.#piece = this.#piece.subarray(taken.length);
    return taken;
  }

  async line(): Promise<string> {
    const line = await this.lastLine();
    if (line === undefined) throw incomplete();
    return line;
  }

  /** Without its end; undefined if the body has ended. A last line may lack its end. */
  async lastLine(): Promise<string | undefined> {
    let line = '';
    while (await this.#fill()) {
      const at = this.#piece.indexOf(0x0a);
      const upTo = at === -1 ? this.#piece.length : at;
      line += this.#piece.toString('latin1', 0, Math.min(upTo, LINE_BYTES_MAX + 1));
      if (line.length > LINE_BYTES_MAX) throw malformed('a line of its framing is too long');
      this.#piece = this.#piece.subarray(at === -1 ? upTo : upTo + 1);
      if (at !== -1) return line.replace(/\r$/, '');
    }
    return line === '' ? undefined : line;
  }

  async #fill(): Promise<boolean> {
    while (this.#piece.length === 0) {
      const next = await this.#source.next();
      if (next.done) return false;
      this.#piece = next.value;
    }
    return true;
  }
}

function incomplete(): S3Error {
  return new S3Error('IncompleteBody', 'The body ended before its last chunk.');
}

function malformed(what: string): S3Error {
  return new S3Error('InvalidRequest', `The body is not well chunked: ${what}.`);
}
