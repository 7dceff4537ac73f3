import { describe, expect, it } from 'vitest';
import { apiVersionOf } from '../../../src/gateway/api-version.ts';
import {
  isSignature,
  mediaType,
  readAuthorization,
  type Signable,
  signatureOf,
} from '../../../src/gateway/signature.ts';
import { readSignedDate } from '../../../src/gateway/signed-date.ts';

const SECRET = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
const DATE = '2026-11-21T23:22:14.851879+00:00';

interface Vector {
  version: string;
  method: string;
  target: string;
  contentType: string | undefined;
  body?: string;
  signature: string;
}

/** Made by the Python client 19.09.6. */
const VECTORS: readonly Vector[] = [
  {
    version: 'v4.20190615',
    method: 'GET',
    target: '/kernel/mysess-1',
    contentType: 'text/plain',
    signature: 'a1705e7a7293b5fa7387914fa3e6d7102fb6ae2f966e505c8bdd976a9020eaf8',
  },
  {
    version: 'v4.20190615',
    method: 'POST',
    target: '/kernel',
    contentType: 'application/json; charset=utf-8',
    signature: 'f34d8ce38ee1262a8af10c77bcd0caab4fdf1942964b5f0d86d693b0a61f0847',
  },
  {
    version: 'v4.20190615',
    method: 'POST',
    target: '/kernel/mysess-1/upload',
    contentType: 'multipart/form-data; boundary=3f1a',
    signature: 'daba24564076fae71731189626e258f931ff5784c2ebd22cbcb7c128b8a85a1b',
  },
  {
    version: 'v4.20190615',
    method: 'GET',
    target: '/stream/kernel/mysess-1/execute',
    contentType: undefined,
    signature: '2d8cd91d495c031a7691f6e40e4cc9af409ba92d40c0d12fc6aa76a180735341',
  },
  {
    version: 'v4.20190615',
    method: 'get',
    target: '/folders?all=True',
    contentType: 'text/plain',
    signature: '84e97c1ef5377e7ffe98fc5c316e208deaf2992e289a56b4720b3a5f0b777ba8',
  },
  {
    version: 'v3.20170615',
    method: 'POST',
    target: '/v3/kernel/create',
    contentType: 'application/json',
    body: '{"a":1}',
    signature: 'b094cbb311c569ffb29c38160ac24a5aa510fd2c76db8d2afeb2b9e62525e985',
  },
];

function signable({ version, method, target, contentType, body = '' }: Vector): Signable {
  const day = readSignedDate(DATE)!.day;
  const versionLine = `x-backendai-version:${version}`;
  const rest = { contentType, versionLine, body: Buffer.from(body) };
  return { method, target, date: DATE, day, host: '127.0.0.1:8081', ...rest };
}

describe('a signature', () => {
  it.each(VECTORS)('of $method $target is that of the original client', (vector) => {
    expect(signatureOf(signable(vector), SECRET)).toBe(vector.signature);
    expect(isSignature(vector.signature, signatureOf(signable(vector), SECRET))).toBe(true);
    expect(isSignature(vector.signature, signatureOf(signable(vector), `${SECRET}x`))).toBe(false);
  });

  it('of the example in the documentation is the one that is printed there', () => {
    const date = '20160930T01:23:45Z';
    const signed = signatureOf(
      {
        method: 'GET',
        target: '/v1',
        date,
        day: readSignedDate(date)!.day,
        host: 'your.sorna.api.endpoint',
        contentType: 'application/json',
        versionLine: 'x-sorna-version:v1.20160915',
        body: Buffer.alloc(0),
      },
      SECRET,
    );
    expect(signed).toBe('022ae894b4ecce097bea6eca9a97c41cd17e8aff545800cd696112cc387059cf');
  });

  it('is compared whole', () => {
    expect(isSignature('', 'a')).toBe(false);
    expect(isSignature('ab', 'abc')).toBe(false);
    expect(isSignature('abc', 'abc')).toBe(true);
  });

  it('names a media type without parameters, and bytes where there is none', () => {
    expect(mediaType('Application/JSON; charset=utf-8')).toBe('application/json');
    expect(mediaType(undefined)).toBe('application/octet-stream');
    expect(mediaType('')).toBe('application/octet-stream');
  });
});

describe('an Authorization header', () => {
  it('is read, of both names', () => {
    for (const type of ['BackendAI', 'Sorna']) {
      expect(readAuthorization(`${type} signMethod=HMAC-SHA256, credential=AKIA:00ff`)).toEqual({
        algorithm: 'sha256',
        accessKey: 'AKIA',
        signature: '00ff',
      });
    }
    expect(readAuthorization('BackendAI credential=A:b,signMethod=hmac-sha3_512').algorithm).toBe('sha3-512');
  });

  it.each([
    ['', 'Invalid authorization type name'],
    ['Basic abc', 'Invalid authorization type name'],
    ['BackendAI', 'Malformed authorization header'],
    ['BackendAI signMethod=HMAC-SHA256', 'Malformed authorization header'],
    ['BackendAI signMethod=HMAC-SHA256, credential=abc', 'Malformed authorization header'],
    ['BackendAI signMethod=HMAC-SHA256, credential=:abc', 'Malformed authorization header'],
    ['BackendAI signMethod=HMAC-CRC32, credential=a:b', 'Unsupported request signing hash method'],
    ['BackendAI signMethod=HMAC-constructor, credential=a:b', 'Unsupported request signing hash method'],
    ['BackendAI credential=a:b', 'Unsupported request signing hash method'],
  ])('%j is refused', (header, extra) => {
    expect(() => readAuthorization(header)).toThrow(`Missing or invalid authorization parameters. (${extra})`);
  });
});

describe('the date of a signed request', () => {
  it.each([
    ['2026-11-21T23:22:14.851879+00:00', '2026-11-21T23:22:14.851Z', '20261121'],
    ['2026-11-21T23:22:14.851Z', '2026-11-21T23:22:14.851Z', '20261121'],
    ['2026-11-21T23:22:14', '2026-11-21T23:22:14.000Z', '20261121'],
    ['20160930T01:23:45Z', '2016-09-30T01:23:45.000Z', '20160930'],
    ['20160930T012345Z', '2016-09-30T01:23:45.000Z', '20160930'],
    // The day is that of the date's own offset.
    ['2026-11-22T08:22:14+09:00', '2026-11-21T23:22:14.000Z', '20261122'],
    ['2026-11-21T20:00:00-0500', '2026-11-22T01:00:00.000Z', '20261121'],
    ['Fri, 30 Sep 2016 01:23:45 GMT', '2016-09-30T01:23:45.000Z', '20160930'],
    ['Fri, 30 Sep 2016 01:23:45 +0900', '2016-09-29T16:23:45.000Z', '20160930'],
  ])('%s is %s on %s', (text, iso, day) => {
    expect(readSignedDate(text)).toEqual({ atMs: Date.parse(iso), day });
  });

  it.each(['', 'now', '1479770534', '2026-02-31T00:00:00Z', '2026-13-01T00:00:00Z', 'Fri, 30 Foo 2016 01:23:45 GMT'])(
    '%j is none',
    (text) => expect(readSignedDate(text)).toBeUndefined(),
  );
});

describe('the version of the API', () => {
  it('is that of the header, else that of the prefix, else 4', () => {
    expect(apiVersionOf({ 'x-backendai-version': 'v3.20170615' }, 2)).toEqual({
      major: 3,
      text: 'v3.20170615',
      header: 'x-backendai-version',
    });
    expect(apiVersionOf({ 'x-sorna-version': 'v1.20160915' }, undefined).header).toBe('x-sorna-version');
    const both = { 'x-backendai-version': 'v4.20190115', 'x-sorna-version': 'v1.20160915' };
    expect(apiVersionOf(both, undefined).text).toBe('v4.20190115');
    expect(apiVersionOf({}, 2)).toEqual({ major: 2, text: 'v2.20170315', header: '' });
    expect(apiVersionOf({}, undefined).text).toBe('v4.20190615');
  });

  it('is refused if it is none', () => {
    for (const text of ['v5.20191215', 'v4', '4', 'v4.20190616']) {
      expect(() => apiVersionOf({ 'x-backendai-version': text }, undefined)).toThrow(
        'Bad request. (Unsupported API major version.)',
      );
    }
  });
});
