import { describe, expect, it } from 'vitest';
import { readForm, writeMixed } from '../../../src/gateway/multipart.ts';

const LIMITS = { partsMax: 3, partBytesMax: 100 };

function form(...parts: (readonly [head: string, body: string | Buffer])[]): Buffer {
  const pieces = parts.flatMap(([head, body]) => [
    Buffer.from(`--B\r\n${head}\r\n\r\n`),
    Buffer.from(body as string),
    Buffer.from('\r\n'),
  ]);
  return Buffer.concat([...pieces, Buffer.from('--B--\r\n')]);
}

const read = (body: Buffer, type = 'multipart/form-data; boundary=B') => readForm(type, body, LIMITS);

describe('a form with files', () => {
  it('is read byte by byte', () => {
    const odd = Buffer.from([0, 13, 10, 45, 45, 66, 120, 13, 10, 255]);
    const parts = read(
      form(
        ['Content-Disposition: form-data; name="src"; filename="a.txt"\r\nContent-Type: text/plain', 'hello'],
        ['Content-Disposition: form-data; name="src"; filename="empty"', ''],
        ['content-disposition: form-data; filename=odd; name=src', odd.subarray(0, 3)],
      ),
    );
    expect(parts.map(({ name, filename, bytes }) => [name, filename, bytes.toString('latin1')])).toEqual([
      ['src', 'a.txt', 'hello'],
      ['src', 'empty', ''],
      ['src', 'odd', '\0\r\n'],
    ]);
  });

  it('has its boundary where it was said to be, quoted or not, and nowhere else', () => {
    const body = form(['Content-Disposition: form-data; name="src"; filename="a"', 'x--By']);
    expect(read(body, 'Multipart/Form-Data; charset=utf-8; boundary="B"')[0]!.bytes.toString()).toBe('x--By');
  });

  it.each([
    ['filename="sub%2Fdata.txt"', 'sub/data.txt'],
    ['filename="50%.txt"', '50%.txt'],
    [`filename="ignored"; filename*=utf-8''caf%C3%A9.txt`, 'café.txt'],
    ['filename="a\\"b"', 'a"b'],
  ])('has a file named by %s', (disposition, name) => {
    const [part] = read(form([`Content-Disposition: form-data; name="src"; ${disposition}`, 'x']));
    expect(part!.filename).toBe(name);
  });

  it('is refused if it is none, has too much, or stops', () => {
    const part = ['Content-Disposition: form-data; name="src"; filename="a"', 'x'] as const;
    const refused = (body: Buffer, type?: string) => expect(() => read(body, type));
    refused(form(part, part, part, part)).toThrow('Too many files; 3 are allowed');
    refused(form([part[0], 'x'.repeat(101)])).toThrow('a has 101 bytes; 100 are allowed');
    refused(form(part), 'application/json').toThrow('not multipart/form-data');
    refused(form(part), 'multipart/form-data').toThrow('no boundary');
    refused(Buffer.from('nothing')).toThrow('has no parts');
    refused(form(part).subarray(0, -12)).toThrow('has no end');
    refused(Buffer.from('--B\r\nx\r\n--B--')).toThrow('has no head');
  });
});

describe('files that are sent back', () => {
  it('are parts of one body, each with its length, and not encoded', () => {
    const parts = ['one', 'two'].map((text) => ({
      contentType: 'application/x-tar',
      filename: `${text}.tar`,
      bytes: Buffer.from(text),
    }));
    const { contentType, body } = writeMixed(parts);
    const boundary = /^multipart\/mixed; boundary=(\S+)$/.exec(contentType)?.[1];
    const text = body.toString();
    expect(text.split(`--${boundary}`)).toHaveLength(4);
    expect(text).toContain('Content-Encoding: identity\r\nContent-Length: 3\r\n');
    expect(text).toContain('\r\n\r\ntwo\r\n--');
    expect(text.endsWith(`--${boundary}--\r\n`)).toBe(true);
  });
});
