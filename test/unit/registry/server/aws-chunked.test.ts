import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { signingKey } from '../../../../src/lib/signature-v4.ts';
import { decodeChunked } from '../../../../src/registry/server/aws-chunked.ts';
import type { SignatureChain } from '../../../../src/registry/server/verification.ts';
import { Served } from './served.ts';

/** The examples of the S3 API reference: 66,560 times the letter a, in chunks of 64 KiB. */
const SCOPE = { date: '20130524', region: 'us-east-1', service: 's3' };
const KEY = signingKey('wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', SCOPE);
const PLAIN: SignatureChain = {
  key: KEY,
  time: '20130524T000000Z',
  scope: SCOPE,
  seed: '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
};
const PLAIN_SIGNATURES = [
  'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648',
  '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497',
  'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9',
];
const TRAILED: SignatureChain = {
  ...PLAIN,
  seed: '106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e',
};
const TRAILED_SIGNATURES = [
  'b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2',
  '1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7',
  '2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992',
];
const TRAILER =
  'x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n';

function framed(signatures: readonly string[], trailer = ''): Buffer {
  const [first, second, last] = signatures;
  return Buffer.from(
    `10000;chunk-signature=${first}\r\n${'a'.repeat(65_536)}\r\n400;chunk-signature=${second}\r\n${'a'.repeat(1_024)}\r\n0;chunk-signature=${last}\r\n${trailer}\r\n`,
  );
}

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function decode(bytes: Buffer, { chain, size = 1_000 }: { chain?: SignatureChain; size?: number } = {}) {
  const pieces: Buffer[] = [];
  const trailers: [string, string][] = [];
  const onTrailers = (all: ReadonlyMap<string, string>) => trailers.push(...all);
  for await (const piece of decodeChunked(inPieces(bytes, size), { chain, onTrailers })) pieces.push(piece);
  return { bytes: Buffer.concat(pieces), trailers };
}

describe('the published examples', () => {
  test('a signed body', async () => {
    const { bytes } = await decode(framed(PLAIN_SIGNATURES), { chain: PLAIN });
    expect(bytes.equals(Buffer.alloc(66_560, 'a'))).toBe(true);
  });

  test('a signed body with a signed trailer', async () => {
    const { trailers } = await decode(framed(TRAILED_SIGNATURES, TRAILER), { chain: TRAILED });
    expect(trailers).toEqual([['x-amz-checksum-crc32c', 'sOO8/Q==']]);
  });
});

describe('a body whose chunks are signed is refused', () => {
  const wrong = (bytes: Buffer, chain = PLAIN) => expect(decode(bytes, { chain })).rejects;

  test('if a byte is another', async () => {
    const bytes = framed(PLAIN_SIGNATURES);
    bytes[200] = 0x62;
    await wrong(bytes).toMatchObject({ code: 'SignatureDoesNotMatch' });
  });

  test('if chunks change places, or one is not signed', async () => {
    const [first, second, last] = PLAIN_SIGNATURES as [string, string, string];
    await wrong(framed([second, first, last])).toMatchObject({ code: 'SignatureDoesNotMatch' });
    await wrong(Buffer.from('1\r\na\r\n0\r\n\r\n')).toMatchObject({ code: 'InvalidRequest' });
  });

  test('if the last chunk, or the trailer’s signature, is missing or another', async () => {
    await wrong(framed(PLAIN_SIGNATURES).subarray(0, 65_900)).toMatchObject({ code: 'IncompleteBody' });
    await wrong(framed(TRAILED_SIGNATURES, 'x-amz-checksum-crc32c:sOO8/Q==\r\n'), TRAILED).toMatchObject({
      code: 'SignatureDoesNotMatch',
    });
    await wrong(framed(TRAILED_SIGNATURES, TRAILER.replace('sOO8', 'sOO9')), TRAILED).toMatchObject({
      code: 'SignatureDoesNotMatch',
    });
  });
});

describe('a framed body', () => {
  test.each([1, 2, 3, 7, 64, 1_000])('is the same in pieces of %i bytes', async (size) => {
    const body = Buffer.from('5\r\nhello\r\nA\r\n, my world\r\n0\r\nx-amz-checksum-crc32: AAAA\r\n\r\n');
    const { bytes, trailers } = await decode(body, { size });
    expect(bytes.toString()).toBe('hello, my world');
    expect(trailers).toEqual([['x-amz-checksum-crc32', 'AAAA']]);
  });

  test.each([
    ['that is not framed', 'hello'],
    ['with a size that is none', 'zz\r\nhello\r\n0\r\n\r\n'],
    ['with a chunk longer than it says', '2\r\nhello\r\n0\r\n\r\n'],
    ['with a size without end', `${'1'.repeat(5_000)}`],
    ['with a negative size', '-5\r\nhello\r\n0\r\n\r\n'],
    ['with a trailer that is none', '0\r\nhello\r\n\r\n'],
    ['with trailers without end', `0\r\n${Array.from({ length: 99 }, (_, at) => `a${at}:b\r\n`).join('')}\r\n`],
  ])('%s is refused', async (_what, text) => {
    await expect(decode(Buffer.from(text))).rejects.toMatchObject({ code: 'InvalidRequest' });
  });

  test('that ends early is refused', async () => {
    await expect(decode(Buffer.from('5\r\nhel'))).rejects.toMatchObject({ code: 'IncompleteBody' });
    await expect(decode(Buffer.from(''))).rejects.toMatchObject({ code: 'IncompleteBody' });
  });
});

describe('an upload with a trailer', () => {
  let served: Served;
  beforeAll(async () => {
    served = await Served.start();
  });
  afterAll(() => served.dispose());

  const upload = (body: string, headers: Record<string, string>) =>
    served.ask({
      method: 'PUT',
      path: '/registry/t.txt',
      body,
      payloadHash: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
      headers: {
        'content-encoding': 'aws-chunked',
        'x-amz-trailer': 'x-amz-checksum-sha256',
        ...headers,
      },
    });
  const SUM = createHash('sha256').update('hello').digest('base64');

  test('is compared with its checksum, and kept without its framing', async () => {
    const body = `5\r\nhello\r\n0\r\nx-amz-checksum-sha256:${SUM}\r\n\r\n`;
    expect((await upload(body, { 'x-amz-decoded-content-length': '5' })).headers['x-amz-checksum-sha256']).toBe(SUM);
    const { text, headers } = await served.get('/registry/t.txt');
    expect([text, headers['content-encoding']]).toEqual(['hello', undefined]);
  });

  test('is refused if it differs from what was said', async () => {
    const good = `5\r\nhello\r\n0\r\nx-amz-checksum-sha256:${SUM}\r\n\r\n`;
    const code = async (body: string, length: string | undefined) => {
      const headers: Record<string, string> = length === undefined ? {} : { 'x-amz-decoded-content-length': length };
      return /<Code>(.*)<\/Code>/.exec((await upload(body, headers)).text)?.[1];
    };
    expect(await code(good.replace('hello', 'hallo'), '5')).toBe('BadDigest');
    expect(await code(good, '6')).toBe('IncompleteBody');
    expect(await code(good, undefined)).toBe('InvalidRequest');
    expect(await code('5\r\nhello\r\n0\r\n\r\n', '5')).toBe('InvalidRequest');
  });
});
