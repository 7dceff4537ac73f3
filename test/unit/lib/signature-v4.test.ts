import { describe, expect, test } from 'vitest';
import {
  amzDate,
  canonicalRequest,
  EMPTY_SHA256,
  presignedUrl,
  type SignOrder,
  sha256,
  signedHeaders,
} from '../../../src/lib/signature-v4.ts';

/** The examples of the S3 API reference, "Signature Calculations for the Authorization Header". */
const AWS: Pick<SignOrder, 'credentials' | 'region' | 'at'> = {
  credentials: { accessKey: 'AKIAIOSFODNN7EXAMPLE', secretKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' },
  region: 'us-east-1',
  at: new Date('2013-05-24T00:00:00Z'),
};

function signatureIn(order: Omit<SignOrder, keyof typeof AWS>): string {
  return signedHeaders({ ...AWS, ...order }).authorization!.split('Signature=')[1]!;
}

describe('the examples that AWS has published', () => {
  test('GET of an object, with a range', () => {
    const url = new URL('https://examplebucket.s3.amazonaws.com/test.txt');
    const headers = { Range: 'bytes=0-9' };
    expect(signatureIn({ method: 'GET', url, headers, payloadHash: EMPTY_SHA256 })).toBe(
      'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
    );
  });

  test('PUT of an object, with a body and a character that is encoded', () => {
    const url = new URL('https://examplebucket.s3.amazonaws.com/test$file.text');
    const headers = { Date: 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY' };
    expect(signatureIn({ method: 'PUT', url, headers, payloadHash: sha256('Welcome to Amazon S3.') })).toBe(
      '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
    );
  });

  test('a parameter without value', () => {
    const url = new URL('https://examplebucket.s3.amazonaws.com/?lifecycle');
    expect(signatureIn({ method: 'GET', url, payloadHash: EMPTY_SHA256 })).toBe(
      'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
    );
  });

  test('several parameters', () => {
    const url = new URL('https://examplebucket.s3.amazonaws.com/?max-keys=2&prefix=J');
    expect(signatureIn({ method: 'GET', url, payloadHash: EMPTY_SHA256 })).toBe(
      '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
    );
  });

  test('a presigned URL', () => {
    const url = presignedUrl({
      ...AWS,
      method: 'GET',
      url: new URL('https://examplebucket.s3.amazonaws.com/test.txt'),
      expiresS: 86_400,
    });
    expect(url.searchParams.get('X-Amz-Signature')).toBe(
      'aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404',
    );
  });
});

describe('what is signed', () => {
  const plain = { method: 'GET', query: '', headers: {}, signedHeaders: [], payloadHash: EMPTY_SHA256 };

  test('has one spelling for each path, however it was sent', () => {
    const path = (sent: string) => canonicalRequest({ ...plain, path: sent }).split('\n')[1];
    expect(path("/registry/a!b'(c)*d e")).toBe('/registry/a%21b%27%28c%29%2Ad%20e');
    expect(path('/registry/a%21b%27%28c%29%2ad%20e')).toBe('/registry/a%21b%27%28c%29%2Ad%20e');
    expect(path('/registry/~h%C3%A4%E2%82%AC-_.')).toBe('/registry/~h%C3%A4%E2%82%AC-_.');
    expect(path('/registry//a/')).toBe('/registry//a/');
  });

  test('has the parameters by name, then by value', () => {
    const query = (sent: string) => canonicalRequest({ ...plain, path: '/', query: sent }).split('\n')[2];
    expect(query('b=2&a-b=1&a=2&a=1&delete&c=%2F+')).toBe('a=1&a=2&a-b=1&b=2&c=%2F%2B&delete=');
    expect(query('a=1&X-Amz-Signature=00&b=')).toBe('a=1&b=');
  });

  test('has the values of headers without needless blanks', () => {
    const headers = { 'x-amz-meta-a': '  one   two ', host: 'h' };
    const request = canonicalRequest({ ...plain, path: '/', headers, signedHeaders: ['host', 'x-amz-meta-a'] });
    expect(request).toContain('\nhost:h\nx-amz-meta-a:one two\n\nhost;x-amz-meta-a\n');
  });
});

test('time is written in UTC without signs between', () => {
  expect(amzDate(new Date('2026-11-22T08:15:00.123Z'))).toBe('20261122T081500Z');
});
