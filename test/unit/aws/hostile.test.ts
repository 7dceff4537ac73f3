/** Names, qualifiers, headers and bodies that nobody sends by mistake: refused by name, and nothing is left of them. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Answer, Serving } from '../worker/serving.ts';

let serving: Serving;
beforeEach(async () => {
  serving = await new Serving({ eventBytesMax: 100_000 }).open();
  serving.lambda('hello');
});
afterEach(() => serving.close());

const FUNCTIONS = '/2015-03-31/functions';

const NAMES = [
  'hello',
  'nobody',
  'hello%3A1',
  'hello%3Aprod',
  'hello%3A%24LATEST',
  'hello%3A%24LATEST.PUBLISHED',
  'hello~1',
  'hello%7E1',
  'hello%3A1%7E2',
  '..',
  '%2e%2e',
  '%2e%2e%2f%2e%2e%2fetc',
  '~functions',
  '%00',
  '%',
  '%ff',
  'a%0d%0aX-Evil%3A%201',
  '__proto__',
  'constructor',
  'arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Ahello',
  'arn%3Aaws%3Alambda%3Amars-1%3A1%3Afunction%3Ahello',
  'arn%3Aaws%3As3%3A%3A%3Abucket',
  '123456789012%3Ahello%3A1',
  'x'.repeat(3_000),
  '',
];
const QUALIFIERS = [
  '',
  '1',
  '0',
  '01',
  '-1',
  '999999999999',
  '$LATEST',
  '__proto__',
  'constructor',
  '..',
  '%00',
  '%ff',
  'a'.repeat(2_000),
];
const VERBS = [
  'invocations',
  'code',
  'configuration',
  'versions',
  'aliases',
  'aliases/__proto__',
  'aliases/prod',
  'aliases/..%2f',
  'policy',
  'url',
  '',
];
const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH'];
const BODIES = [
  '',
  '{}',
  '[]',
  'null',
  '{"ZipFile": "UEsFBgAA"}',
  '{"ZipFile": 7}',
  '{"Name": "__proto__", "FunctionVersion": "1"}',
  '{"Name": "prod", "FunctionVersion": "constructor"}',
  '{"Name": "prod", "FunctionVersion": "$LATEST", "RoutingConfig": {"AdditionalVersionWeights": {"__proto__": 1}}}',
  '{"FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": {"1": 1e999}}}',
  '{"FunctionName": "../x", "Code": {"ZipFile": "AAAA"}}',
  '{"FunctionName": "fresh", "Code": {"ZipFile": "AAAA"}, "Publish": "yes"}',
  '{"FunctionName": "fresh", "Code": {"ZipFile": "AAAA"}, "Timeout": -1, "MemorySize": 1e12, "Environment": {"Variables": []}}',
  `{"FunctionName": "fresh", "Code": {"ZipFile": "AAAA"}, "Environment": {"Variables": {"A": ${'['.repeat(99_999)}1${']'.repeat(99_999)}}}}`,
  '{"Description": {"deep": [[[[[[[[[[]]]]]]]]]]}}',
  '\u0000',
  '{"a":',
];
const HEADERS: readonly Record<string, string>[] = [
  {},
  { 'x-amz-invocation-type': 'Event' },
  { 'x-amz-invocation-type': 'DryRun' },
  { 'x-amz-invocation-type': '__proto__' },
  { 'x-amz-log-type': 'Tail' },
  { 'x-amz-log-type': 'tail' },
  { 'x-amz-client-context': '!!!' },
  { 'x-amz-client-context': Buffer.from('[1]').toString('base64') },
  { 'x-amz-client-context': 'A'.repeat(5_000) },
  { 'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD', 'content-encoding': 'aws-chunked' },
  { authorization: 'AWS4-HMAC-SHA256 Credential=a/20260101/mars-1/lambda/aws4_request, SignedHeaders=, Signature=' },
];

/** The same numbers each time: what fails once fails again. */
function dice(seed: number): <T>(of: readonly T[]) => T {
  let state = seed;
  return (of) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return of[Math.floor((state / 2 ** 32) * of.length)] as (typeof of)[number];
  };
}

function expectManners({ status, headers, text }: Answer, what: string): void {
  expect(status, what).toBeLessThan(500);
  if (status < 400) return;
  expect(headers, what).toHaveProperty('x-amzn-errortype');
  expect(JSON.parse(text), what).toMatchObject({ Type: 'User', Message: expect.any(String) });
  expect(headers, what).not.toHaveProperty('x-evil');
}

describe('whatever is asked', () => {
  test.each([1, 2, 3, 4])(
    'is done or refused by name, and nothing is made or lost (%d)',
    { timeout: 60_000 },
    async (seed) => {
      const one = dice(seed);
      for (let asked = 0; asked < 250; asked += 1) {
        const [method, name, verb, qualifier] = [one(METHODS), one(NAMES), one(VERBS), one(QUALIFIERS)];
        const query =
          qualifier === ''
            ? ''
            : `?Qualifier=${qualifier}${one(['', '&Qualifier=2', '&MaxItems=0', '&Marker=-1', '&MaxItems=1e9'])}`;
        const path = `${FUNCTIONS}/${name}${verb === '' ? '' : `/${verb}`}${query}`;
        const body = one(BODIES);
        const sent = { body, headers: { 'content-length': String(Buffer.byteLength(body)), ...one(HEADERS) } };
        expectManners(await serving.send(method, path, sent), `${method} ${path} ${JSON.stringify(sent)}`);
      }
      expect(readdirSync(join(serving.home, 'registry')).filter((entry) => entry !== '~functions')).toEqual(['hello']);
      expect(await serving.run('hello', { still: 'there' })).toMatchObject({ status: 200, text: '{"still":"there"}' });
    },
  );

  test('a version of a lambda is called by AWS’s own words only', async () => {
    for (const name of ['hello~1', `hello~${'0'.repeat(64)}`]) {
      const answer = await serving.send('POST', `${FUNCTIONS}/${name}/invocations`, { body: '{}' });
      expect([answer.status, answer.headers['x-amzn-errortype']]).toEqual([400, 'InvalidParameterValueException']);
    }
  });
});

describe('with keys', () => {
  let strict: Serving;
  beforeEach(async () => {
    strict = await new Serving({ keys: { accessKey: 'K', secretKey: 's'.repeat(40) } }).open();
    strict.lambda('hello');
  });
  afterEach(() => strict.close());

  test.each([
    [
      'a presigned query',
      '?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=K%2F20260101%2Fus-east-1%2Flambda%2Faws4_request&X-Amz-Date=20260101T000000Z&X-Amz-Expires=604800&X-Amz-SignedHeaders=host&X-Amz-Signature=00',
      {},
    ],
    ['a query of version 2', '?AWSAccessKeyId=K&Signature=x&Expires=9999999999', {}],
    ['basic credentials', '', { authorization: `Basic ${Buffer.from('K:s').toString('base64')}` }],
    [
      'chunks that are signed one by one',
      '',
      {
        'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
        authorization:
          'AWS4-HMAC-SHA256 Credential=K/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=00',
      },
    ],
    [
      'another service',
      '',
      {
        authorization:
          'AWS4-HMAC-SHA256 Credential=K/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00',
      },
    ],
    ['two headers', '', { authorization: 'AWS4-HMAC-SHA256 Credential=K, AWS4-HMAC-SHA256 Credential=K' }],
  ])('%s runs nothing', async (_what, query, headers) => {
    for (const path of ['hello/invocations', 'hello', 'hello/versions']) {
      const answer = await strict.send('POST', `${FUNCTIONS}/${path}${query}`, {
        body: '{}',
        headers: headers as Record<string, string>,
      });
      expect([400, 403], path).toContain(answer.status);
      expect(answer.headers['x-amzn-errortype']).toMatch(/Signature|AuthenticationToken|UnrecognizedClient/);
    }
    expect(strict.records).toEqual([]);
  });
});
