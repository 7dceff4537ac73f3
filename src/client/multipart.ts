/** Several files in one body, as forms of web pages have them. Pure. */
import { randomBytes } from 'node:crypto';

export interface NamedBytes {
  name: string;
  bytes: Uint8Array;
}

/** A form with one part `src` for each file. */
export function formOf(files: readonly NamedBytes[]): { type: string; bytes: Buffer } {
  const boundary = `isla-${randomBytes(16).toString('hex')}`;
  const parts = files.flatMap(({ name, bytes }) => [
    Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name="src"; ${fileName(name)}\r\n` +
        'Content-Type: application/octet-stream\r\n\r\n',
    ),
    bytes,
    Buffer.from('\r\n'),
  ]);
  return {
    type: `multipart/form-data; boundary=${boundary}`,
    bytes: Buffer.concat([...parts, Buffer.from(`--${boundary}--\r\n`)]),
  };
}

/** As browsers write it; RFC 5987 says in the second form what the first can not. */
function fileName(name: string): string {
  const plain = name.replace(/["\r\n]/g, (character) => encodeURIComponent(character));
  const extended = encodeURIComponent(name).replace(
    /['()*]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `filename="${plain}"; filename*=UTF-8''${extended}`;
}
