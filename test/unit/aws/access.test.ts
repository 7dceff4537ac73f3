import { request } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  ALGORITHM,
  amzDate,
  canonicalRequest,
  scopeText,
  sha256,
  sign,
  signingKey,
  stringToSign,
} from '../../../src/lib/signature-v4.ts';
import { Serving } from '../worker/serving.ts';

const KEYS = { accessKey: 'TESTKEY', secretKey: 'a-secret/of+the.test=' };
const PATH = '/2015-03-31/functions/hello%3A%24LATEST/invocations';

let serving: Serving;
beforeEach(async () => {
  serving = await new Serving({ keys: KEYS }).open();
  serving.lambda('hello');
});
afterEach(() => serving.close());

interface Order {
  keys?: typeof KEYS;
  body?: string;
  query?: string;
  service?: string;
  at?: Date;
  /** Sent, and signed unless they are `unsigned`. */
  headers?: Record<string, string>;
  unsigned?: readonly string[];
  /** What is sent instead of what was signed. */
  sent?: { path?: string; body?: string; headers?: Record<string, string> };
}

/** What a client sends that signs as AWS says. */
function signed(order: Order = {}): { path: string; body: string; headers: Record<string, string> } {
  const { keys = KEYS, body = '{"n":1}', query = '', service = 'lambda', at = new Date(), sent = {} } = order;
  const time = amzDate(at);
  const headers: Record<string, string> = { host: `127.0.0.1:${serving.port}`, 'x-amz-date': time, ...order.headers };
  const signedHeaders = Object.keys(headers)
    .filter((name) => !order.unsigned?.includes(name))
    .sort();
  const scope = { date: time.slice(0, 8), region: 'mars-north-1', service };
  const signable = { method: 'POST', path: PATH, query, headers, signedHeaders, payloadHash: sha256(body) };
  const text = stringToSign(time, scope, canonicalRequest({ ...signable, pathEncodings: 2 }));
  const signature = sign(signingKey(keys.secretKey, scope), text);
  const credential = `${keys.accessKey}/${scopeText(scope)}`;
  headers.authorization = `${ALGORITHM} Credential=${credential}, SignedHeaders=${signedHeaders.join(';')}, Signature=${signature}`;
  const path = query === '' ? PATH : `${PATH}?${query}`;
  return { path, body, ...sent, headers: { ...headers, ...sent.headers } };
}

async function told(order: Order | undefined): Promise<[status: number, name: string | undefined]> {
  const { path, body, headers } = order === undefined ? { path: PATH, body: '{}', headers: {} } : signed(order);
  const answer = await serving.send('POST', path, { body, headers });
  return [answer.status, answer.headers['x-amzn-errortype'] as string | undefined];
}

test('whoever signs with the keys may ask, whatever the region', async () => {
  expect(await told({})).toEqual([200, undefined]);
  expect(await told({ query: 'Qualifier=%24LATEST&a=b%20c&a=', headers: { 'x-amz-log-type': 'Tail' } })).toEqual([
    200,
    undefined,
  ]);
  expect(await told({ body: '' })).toEqual([200, undefined]);
});

describe('nothing runs for one', () => {
  const minutes = (count: number) => new Date(Date.now() + count * 60_000);
  const cases: [string, Order | undefined, number, string][] = [
    ['who does not sign', undefined, 403, 'MissingAuthenticationTokenException'],
    ['with another secret', { keys: { ...KEYS, secretKey: 'x' } }, 403, 'InvalidSignatureException'],
    ['with another key', { keys: { ...KEYS, accessKey: 'x' } }, 403, 'UnrecognizedClientException'],
    ['who signs for another service', { service: 's3' }, 400, 'IncompleteSignatureException'],
    ['whose clock is late', { at: minutes(-16) }, 403, 'InvalidSignatureException'],
    ['whose clock is early', { at: minutes(16) }, 403, 'InvalidSignatureException'],
    ['whose event was changed on the way', { sent: { body: '{"n":2}' } }, 403, 'InvalidSignatureException'],
    ['whose path was changed', { sent: { path: PATH.replace('hello', 'other') } }, 403, 'InvalidSignatureException'],
    ['whose query was added', { sent: { path: `${PATH}?Qualifier=1` } }, 403, 'InvalidSignatureException'],
    ['whose query is not encoded well', { sent: { path: `${PATH}?a=%zz` } }, 400, 'IncompleteSignatureException'],
    [
      'who leaves what matters unsigned',
      { headers: { 'x-amz-client-context': 'e30=' }, unsigned: ['x-amz-client-context'] },
      403,
      'InvalidSignatureException',
    ],
    ['who leaves the host unsigned', { unsigned: ['host'] }, 403, 'InvalidSignatureException'],
    ['with half a header', { sent: { headers: { authorization: ALGORITHM } } }, 400, 'IncompleteSignatureException'],
    [
      'with another scheme',
      { sent: { headers: { authorization: 'Basic eDp5' } } },
      403,
      'MissingAuthenticationTokenException',
    ],
  ];
  test.each(cases)('%s', async (_who, order, status, name) => {
    expect(await told(order)).toEqual([status, name]);
    expect(serving.engine.made).toEqual([]);
  });

  test('whose signature is good, and sent twice with something besides', async () => {
    const { path, body, headers } = signed();
    const status = await new Promise((resolve, reject) => {
      const sent = request({ port: serving.port, method: 'POST', path, agent: false }, (incoming) => {
        incoming.resume();
        resolve(incoming.statusCode);
      });
      sent.on('error', reject);
      for (const [name, value] of Object.entries(headers)) sent.setHeader(name, value);
      sent.setHeader('x-amz-date', [headers['x-amz-date'] as string, '20261122T000000Z']);
      sent.end(body);
    });
    expect(status).toBe(403);
  });
});

test('the keys are for AWS’s clients: /runLambda knows none', async () => {
  expect((await serving.run('hello', 1)).text).toBe('1');
});
