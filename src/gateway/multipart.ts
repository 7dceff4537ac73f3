/** Files as clients send them, `multipart/form-data`, and as they are sent back, `multipart/mixed`. Pure. */
import { randomBytes } from 'node:crypto';
import { invalidParams } from './params.ts';

export interface FormPart {
  name: string;
  /** Decoded; undefined if the part is no file. */
  filename: string | undefined;
  bytes: Buffer;
}

export interface FormLimits {
  partsMax: number;
  partBytesMax: number;
}

const BREAK = Buffer.from('\r\n');
const HEAD_END = Buffer.from('\r\n\r\n');

/** Throws ApiProblem `invalid-api-params`. */
export function readForm(contentType: string | undefined, body: Buffer, limits: FormLimits): FormPart[] {
  const boundary = boundaryOf(contentType);
  const delimiter = Buffer.from(`--${boundary}`);
  const parts: FormPart[] = [];
  let at = body.indexOf(delimiter);
  if (at === -1) throw invalidParams('The form has no parts');
  for (;;) {
    at += delimiter.length;
    if (body[at] === 0x2d && body[at + 1] === 0x2d) return parts;
    const start = body.indexOf(BREAK, at);
    const end = nextDelimiter(body, delimiter, start);
    if (start === -1 || end === -1) throw invalidParams('The form has no end');
    if (parts.length === limits.partsMax) throw invalidParams(`Too many files; ${limits.partsMax} are allowed`);
    const part = readPart(body.subarray(start, end));
    if (part.bytes.length > limits.partBytesMax) {
      throw invalidParams(
        `${part.filename ?? part.name} has ${part.bytes.length} bytes; ${limits.partBytesMax} are allowed`,
      );
    }
    parts.push(part);
    at = end + BREAK.length;
  }
}

/** A boundary stands at the begin of a line. */
function nextDelimiter(body: Buffer, delimiter: Buffer, from: number): number {
  return from === -1 ? -1 : body.indexOf(Buffer.concat([BREAK, delimiter]), from);
}

function boundaryOf(contentType: string | undefined): string {
  if (!/^multipart\/form-data\s*(?:;|$)/i.test(contentType ?? '')) {
    throw invalidParams('Content-Type is not multipart/form-data');
  }
  const [, quoted, plain] = /;\s*boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType as string) ?? [];
  const boundary = quoted ?? plain;
  if (boundary === undefined || boundary.length > 200) throw invalidParams('The form names no boundary');
  return boundary;
}

/** From the line break behind a boundary to the one before the next. */
function readPart(piece: Buffer): FormPart {
  const headEnd = piece.indexOf(HEAD_END);
  if (headEnd === -1) throw invalidParams('A part of the form has no head');
  const head = piece.subarray(0, headEnd).toString('utf8');
  const disposition = /^content-disposition:\s*form-data\s*(;.*)$/im.exec(head)?.[1] ?? '';
  const extended = /;\s*filename\*=(?:utf-8|iso-8859-1)'[^']*'([^;\s]*)/i.exec(disposition)?.[1];
  const filename = extended ?? quotedField(disposition, 'filename');
  return {
    name: quotedField(disposition, 'name') ?? '',
    filename: filename === undefined ? undefined : percentDecoded(filename),
    bytes: piece.subarray(headEnd + HEAD_END.length),
  };
}

function quotedField(disposition: string, name: string): string | undefined {
  const [, quoted, plain] =
    new RegExp(`;\\s*${name}=(?:"((?:\\\\.|[^"\\\\])*)"|([^;\\s]*))`, 'i').exec(disposition) ?? [];
  return quoted?.replace(/\\(.)/g, '$1') ?? plain;
}

/** aiohttp writes `sub%2Fdata.txt` into a plain `filename`; a stray percent sign stays what it is. */
function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export interface MixedPart {
  contentType: string;
  filename: string;
  bytes: Uint8Array;
}

/** A whole `multipart/mixed` body and its type. */
export function writeMixed(parts: readonly MixedPart[]): { contentType: string; body: Buffer } {
  const boundary = `isla-${randomBytes(16).toString('hex')}`;
  const pieces: Uint8Array[] = [];
  for (const { contentType, filename, bytes } of parts) {
    const head = [
      `--${boundary}`,
      `Content-Type: ${contentType}`,
      'Content-Encoding: identity',
      `Content-Length: ${bytes.length}`,
      `Content-Disposition: attachment; filename="${encodeURIComponent(filename)}"`,
    ];
    pieces.push(Buffer.from(`${head.join('\r\n')}\r\n\r\n`), bytes, BREAK);
  }
  pieces.push(Buffer.from(`--${boundary}--\r\n`));
  return { contentType: `multipart/mixed; boundary=${boundary}`, body: Buffer.concat(pieces) };
}
