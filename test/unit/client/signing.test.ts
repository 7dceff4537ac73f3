import { describe, expect, it } from 'vitest';
import { API_VERSION, signatureOf, signedHeaders } from '../../../src/client/signing.ts';

const SECRET = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
const HOST = '127.0.0.1:8081';
const DATE = '2026-11-21T23:22:14.851879+00:00';

describe('a signature', () => {
  // Made by the Python client 19.09.6 of Backend.AI.
  it.each([
    ['GET', '/kernel/mysess-1', 'text/plain', 'a1705e7a7293b5fa7387914fa3e6d7102fb6ae2f966e505c8bdd976a9020eaf8'],
    ['POST', '/kernel', 'application/json', 'f34d8ce38ee1262a8af10c77bcd0caab4fdf1942964b5f0d86d693b0a61f0847'],
    [
      'POST',
      '/kernel/mysess-1/upload',
      'multipart/form-data; boundary=x',
      'daba24564076fae71731189626e258f931ff5784c2ebd22cbcb7c128b8a85a1b',
    ],
    [
      'GET',
      '/stream/kernel/mysess-1/execute',
      undefined,
      '2d8cd91d495c031a7691f6e40e4cc9af409ba92d40c0d12fc6aa76a180735341',
    ],
    ['GET', '/folders?all=True', 'Text/Plain', '84e97c1ef5377e7ffe98fc5c316e208deaf2992e289a56b4720b3a5f0b777ba8'],
  ])('of %s %s %s is that of the original client', (method, target, contentType, expected) => {
    const signable = { method, target, contentType, host: HOST, date: DATE, version: API_VERSION };
    expect(signatureOf(signable, SECRET)).toBe(expected);
    expect(signatureOf({ ...signable, target: `${target}x` }, SECRET)).not.toBe(expected);
  });

  it('of older versions covers the body', () => {
    const signable = {
      method: 'POST',
      target: '/v3/kernel/create',
      contentType: 'application/json',
      host: HOST,
      date: DATE,
      version: 'v3.20170615',
      body: '{"a":1}',
    };
    expect(signatureOf(signable, SECRET)).toBe('b094cbb311c569ffb29c38160ac24a5aa510fd2c76db8d2afeb2b9e62525e985');
  });
});

describe('the headers of a request', () => {
  const order = { method: 'GET', target: '/kernel/a', host: HOST, contentType: undefined, at: new Date(DATE) };

  it('are date, version and signature with keys', () => {
    const headers = signedHeaders(order, { accessKey: 'AKIA', secretKey: SECRET });
    const date = '2026-11-21T23:22:14.851Z';
    expect(headers).toEqual({
      'X-BackendAI-Version': API_VERSION,
      Date: date,
      Authorization: `BackendAI signMethod=HMAC-SHA256, credential=AKIA:${signatureOf({ ...order, date, version: API_VERSION }, SECRET)}`,
    });
  });

  it('are version and token with a token', () => {
    expect(signedHeaders(order, { token: 't0' })).toEqual({
      'X-BackendAI-Version': API_VERSION,
      Authorization: 'Bearer t0',
    });
  });
});
