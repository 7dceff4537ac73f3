import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { presignedUrl } from '../../../../src/lib/signature-v4.ts';
import { type Asked, KEYS, Served, send } from './served.ts';

let served: Served;
beforeAll(async () => {
  served = await Served.start();
  expect((await served.put('/registry/notes/a b+c.txt', 'hello')).status).toBe(200);
});
afterAll(() => served.dispose());

const PATH = '/registry/notes/a%20b%2Bc.txt';
const MINUTE_MS = 60_000;

async function refused(asked: Partial<Asked>): Promise<string> {
  const answer = await served.ask({ path: PATH, ...asked });
  return `${answer.status} ${/<Code>(.*?)<\/Code>/.exec(answer.text)?.[1]}`;
}

describe('a signed request', () => {
  test('is answered', async () => {
    expect((await served.get(PATH)).text).toBe('hello');
    expect((await served.get('/registry?list-type=2&prefix=notes%2F&delimiter=%2F')).text).toContain('a b+c.txt');
  });

  test('is refused with the code that S3 has for what is wrong', async () => {
    const secretKey = 'another';
    expect(await refused({ credentials: { ...KEYS, accessKey: 'XX' } })).toBe('403 InvalidAccessKeyId');
    expect(await refused({ credentials: { ...KEYS, secretKey } })).toBe('403 SignatureDoesNotMatch');
    expect(await refused({ at: new Date(Date.now() - 16 * MINUTE_MS) })).toBe('403 RequestTimeTooSkewed');
    expect(await refused({ at: new Date(Date.now() + 16 * MINUTE_MS) })).toBe('403 RequestTimeTooSkewed');
    const authorization = (change: (text: string) => string) => (headers: Record<string, string>) => {
      headers.authorization = change(headers.authorization as string);
    };
    expect(await refused({ tamper: (headers) => delete headers.authorization })).toBe('403 AccessDenied');
    expect(await refused({ tamper: authorization(() => 'AWS AK:c2ln') })).toBe('400 InvalidRequest');
    expect(await refused({ tamper: authorization((text) => text.replace('host;', '')) })).toBe('403 AccessDenied');
    expect(await refused({ tamper: authorization((text) => text.replace('/s3/', '/sqs/')) })).toBe(
      '400 AuthorizationHeaderMalformed',
    );
    expect(await refused({ tamper: authorization((text) => text.replace(/Credential=[^,]*/, 'Credential=AK')) })).toBe(
      '400 AuthorizationHeaderMalformed',
    );
    expect(await refused({ tamper: authorization((text) => text.slice(0, -1)) })).toBe('403 SignatureDoesNotMatch');
    expect(await refused({ tamper: (headers) => delete headers['x-amz-content-sha256'] })).toBe('400 InvalidRequest');
    expect(await refused({ tamper: (headers) => delete headers['x-amz-date'] })).toBe('403 AccessDenied');
  });

  test('covers what it means: a header that is added or changed on the way is refused', async () => {
    const add = (headers: Record<string, string>) => {
      headers['x-amz-copy-source'] = '/registry/secret';
    };
    expect(await refused({ method: 'PUT', tamper: add })).toBe('403 AccessDenied');
    const host = (headers: Record<string, string>) => {
      headers.host = 'elsewhere:1';
    };
    expect(await refused({ tamper: host })).toBe('403 SignatureDoesNotMatch');
  });

  test('with another body than it says is refused, and nothing is stored', async () => {
    const asked: Asked = { method: 'PUT', path: '/registry/notes/b.txt', body: 'one', payloadHash: 'ab'.repeat(32) };
    expect(await refused(asked)).toBe('400 XAmzContentSHA256Mismatch');
    expect((await served.get('/registry/notes/b.txt')).status).toBe(404);
  });

  test('leaves no secret in the log, nor in the answer', async () => {
    const answer = await served.ask({ path: PATH, credentials: { ...KEYS, secretKey: 'another' } });
    expect(`${served.logged.join('\n')}${answer.text}`).not.toContain(KEYS.secretKey);
    expect(served.logged.join('\n')).not.toMatch(/Signature=/);
    expect(answer.text).toMatch(/<RequestId>[0-9a-f-]{36}<\/RequestId>/);
    expect(answer.headers['x-amz-request-id']).toBe(/<RequestId>(.*)<\/RequestId>/.exec(answer.text)?.[1]);
  });
});

describe('a presigned URL', () => {
  const presign = (over: { at?: Date; expiresS?: number; method?: string } = {}): URL => {
    const { at = new Date(), expiresS = 60, method = 'GET' } = over;
    return presignedUrl({ method, url: served.url(PATH), credentials: KEYS, region: 'eu-west-1', at, expiresS });
  };
  const ask = (url: URL, method = 'GET') => send(url, method, { host: url.host }, method === 'PUT' ? 'put' : '');

  test('is good for whoever has it', async () => {
    expect((await ask(presign())).text).toBe('hello');
  });

  test('is good for its method and its object only', async () => {
    expect((await ask(presign(), 'DELETE')).text).toContain('<Code>SignatureDoesNotMatch</Code>');
    const other = presign();
    other.pathname = '/registry/notes/other.txt';
    expect((await ask(other)).text).toContain('<Code>SignatureDoesNotMatch</Code>');
  });

  test('is good until it expires, and not before it begins', async () => {
    const late = await ask(presign({ at: new Date(Date.now() - 2 * MINUTE_MS) }));
    expect(late.status).toBe(403);
    expect(late.text).toContain('<Message>Request has expired</Message>');
    expect(late.text).toContain('<ServerTime>');
    expect((await ask(presign({ at: new Date(Date.now() + 20 * MINUTE_MS) }))).status).toBe(403);
    const stretched = presign();
    stretched.searchParams.set('X-Amz-Expires', '600');
    expect((await ask(stretched)).text).toContain('<Code>SignatureDoesNotMatch</Code>');
    expect((await ask(presign({ expiresS: 604_801 }))).text).toContain('AuthorizationQueryParametersError');
  });

  test('of version 2 is good, too, until it expires', async () => {
    const at = (seconds: number) => {
      const expires = Math.floor(Date.now() / 1000) + seconds;
      const signature = createHmac('sha1', KEYS.secretKey).update(`GET\n\n\n${expires}\n${PATH}`).digest('base64');
      const url = served.url(PATH);
      url.search = `AWSAccessKeyId=AK&Signature=${encodeURIComponent(signature)}&Expires=${expires}`;
      return url;
    };
    expect((await ask(at(60))).text).toBe('hello');
    expect((await ask(at(-60))).text).toContain('Request has expired');
    expect((await ask(at(60), 'DELETE')).text).toContain('<Code>SignatureDoesNotMatch</Code>');
  });
});

test('health is told to everybody', async () => {
  const url = served.url('/-/health');
  expect((await send(url, 'GET', { host: url.host }, '')).json).toEqual({ state: 'ready' });
});
