/** HTTP functions as people call them: events and responses of AWS's Function URLs, apps, and answers bit by bit. */
import { request } from 'node:http';
import { beforeAll, describe, expect, test } from 'vitest';
import { useCluster } from './use-cluster.ts';

const cluster = useCluster();

const SHOP = `
import json
def lambda_handler(event, context):
    path = event["rawPath"]
    if path == "/event":
        return event
    if path == "/envelope":
        return {"statusCode": 201, "headers": {"X-Kind": "tea", "Content-Type": "text/html"}, "cookies": ["a=1; Path=/", "b=2"], "body": "<p>ü</p>"}
    if path == "/bytes":
        return {"statusCode": 200, "headers": {"content-type": "image/png"}, "body": "iVBORw==", "isBase64Encoded": True}
    if path == "/bare":
        return json.loads(event["body"])
    if path == "/empty":
        return {"statusCode": 204}
    if path == "/bad":
        return {"statusCode": 200, "headers": {"x": "a\\r\\nb: c"}}
    raise ValueError("boom")
`;

const STREAM = `
import time
def handler(event, context):
    path = event.get("rawPath", "/head")
    if path == "/lines":
        return ({"n": n} for n in range(3))
    if path == "/slow":
        return slow()
    if path == "/breaks":
        return breaks()
    if path == "/endless":
        return endless()
    if path == "/async":
        return many()
    return head()

def slow():
    yield "one\\n"
    time.sleep(25)

def breaks():
    yield "begun"
    raise ValueError("on the way")

def endless():
    while True:
        yield b"x" * 65536

async def many():
    yield "a"
    yield "b"

def head():
    yield {"statusCode": 202, "headers": {"content-type": "text/css"}, "cookies": ["c=3"], "body": "first "}
    yield "second"
`;

beforeAll(() => {
  cluster().install('shop', { 'lambda_function.py': SHOP });
  cluster().install('stream', STREAM);
  cluster().install('cors', {
    'lambda_func.py':
      'def handler(event):\n    return {"statusCode": 200, "headers": {"access-control-allow-origin": "*"}, "body": event["requestContext"]["http"]["method"]}\n',
    'lambda.json': JSON.stringify({
      cors: {
        allow_origins: ['https://a.example'],
        allow_methods: ['GET', 'PUT'],
        allow_headers: ['x-key'],
        expose_headers: ['x-kind'],
        allow_credentials: true,
        max_age_s: 60,
      },
    }),
  });
});

const get = (path: string, init: RequestInit = {}) => fetch(`${cluster().url()}/fn/${path}`, init);

describe('a function', () => {
  test('is given the request as the event of a Function URL', async () => {
    const answer = await get('shop/event?a=1&a=2&b=%C3%BC+x', {
      method: 'PATCH',
      headers: {
        'Content-Type': 'application/json; charset=utf-8',
        Cookie: 'c1=v1; c2=v2',
        'X-Thing': 'yes',
        'User-Agent': 'probe/1',
      },
      body: '{"n": 1}',
    });
    const event = (await answer.json()) as { requestContext: { requestId: string; time: string; timeEpoch: number } };
    const { host, port } = new URL(cluster().url());
    expect(event).toEqual({
      version: '2.0',
      routeKey: '$default',
      rawPath: '/event',
      rawQueryString: 'a=1&a=2&b=%C3%BC+x',
      cookies: ['c1=v1', 'c2=v2'],
      headers: expect.objectContaining({
        host,
        'content-type': 'application/json; charset=utf-8',
        'content-length': '8',
        'x-thing': 'yes',
        'x-forwarded-for': '127.0.0.1',
        'x-forwarded-proto': 'http',
        'x-forwarded-port': port,
        'x-forwarded-prefix': '/fn/shop',
      }),
      queryStringParameters: { a: '1,2', b: 'ü x' },
      requestContext: {
        accountId: 'anonymous',
        apiId: 'shop',
        domainName: new URL(cluster().url()).hostname,
        domainPrefix: 'shop',
        http: { method: 'PATCH', path: '/event', protocol: 'HTTP/1.1', sourceIp: '127.0.0.1', userAgent: 'probe/1' },
        requestId: answer.headers.get('x-request-id'),
        routeKey: '$default',
        stage: '$default',
        time: expect.stringMatching(/^\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000$/),
        timeEpoch: expect.any(Number),
      },
      body: '{"n": 1}',
      isBase64Encoded: false,
    });
  });

  test('is given nothing that was not sent, and bytes as base64', async () => {
    const bare = (await (await get('shop/event')).json()) as object;
    for (const key of ['cookies', 'queryStringParameters', 'body']) expect(bare).not.toHaveProperty(key);
    const sent = { method: 'POST', headers: { 'content-type': 'image/png' }, body: Buffer.from([0x89, 0x50, 0xff]) };
    expect(await (await get('shop/event', sent)).json()).toMatchObject({ body: 'iVD/', isBase64Encoded: true });
    const liar = { method: 'POST', headers: { 'content-type': 'text/plain' }, body: Buffer.from([0xff]) };
    expect(await (await get('shop/event', liar)).json()).toMatchObject({ body: '/w==', isBase64Encoded: true });
    for (const path of ['shop', 'shop?x=1']) expect((await get(path)).status, path).toBe(502);
  });

  test('says what the response is, with status, headers, cookies and bytes', async () => {
    const answer = await get('shop/envelope');
    expect(answer.status).toBe(201);
    expect(answer.headers.get('x-kind')).toBe('tea');
    expect(answer.headers.get('content-type')).toBe('text/html');
    expect(answer.headers.getSetCookie()).toEqual(['a=1; Path=/', 'b=2']);
    expect(answer.headers.get('server-timing')).toMatch(/run;dur=/);
    expect(await answer.text()).toBe('<p>ü</p>');
    expect(Buffer.from(await (await get('shop/bytes')).arrayBuffer()).toString('hex')).toBe('89504e47');
    const empty = await get('shop/empty');
    expect([empty.status, await empty.text()]).toEqual([204, '']);
    expect((await get('shop/envelope', { method: 'HEAD' })).status).toBe(201);
  });

  test.each(['"text"', '12345678901234567890', '[1, 2]', '{"a": {"statusCode": 1}}', 'null'])(
    'answers with %s as JSON',
    async (body) => {
      const answer = await get('shop/bare', { method: 'POST', headers: { 'content-type': 'application/json' }, body });
      expect([answer.status, answer.headers.get('content-type'), await answer.text()]).toEqual([
        200,
        'application/json',
        body,
      ]);
    },
  );

  test('that failed tells strangers no more than that', async () => {
    const answer = await get('shop/nothing');
    expect([answer.status, answer.headers.get('x-amz-function-error'), await answer.text()]).toEqual([
      502,
      'Unhandled',
      'Internal Server Error',
    ]);
    const bad = await get('shop/bad');
    expect(bad.status).toBe(502);
    const { errorType, requestId } = (await bad.json()) as Record<string, string>;
    expect([errorType, requestId]).toEqual(['Function.InvalidResponse', bad.headers.get('x-request-id')]);
    expect((await get('nobody/x')).status).toBe(404);
    expect((await get('')).status).toBe(400);
  });
});

describe('where lambda.json says so, pages of other origins', () => {
  const page = (origin: string, method = 'GET', more: Record<string, string> = {}) =>
    get('cors/x', { method, headers: { Origin: origin, ...more } });
  const told = ({ headers }: Response) =>
    Object.fromEntries([...headers].filter(([name]) => name.startsWith('access-control-') || name === 'vary'));

  test('may read what it answers', async () => {
    const answer = await page('https://a.example');
    expect(told(answer)).toEqual({
      vary: 'Origin',
      'access-control-allow-origin': 'https://a.example',
      'access-control-allow-credentials': 'true',
      'access-control-expose-headers': 'x-kind',
    });
    expect(told(await page('https://b.example'))).toEqual({ vary: 'Origin' });
  });

  test('are told so before they ask, and nothing runs', async () => {
    const answer = await page('https://a.example', 'OPTIONS', { 'Access-Control-Request-Method': 'PUT' });
    expect([answer.status, await answer.text()]).toEqual([204, '']);
    expect(told(answer)).toMatchObject({
      'access-control-allow-methods': 'GET, PUT',
      'access-control-allow-headers': 'x-key',
      'access-control-max-age': '60',
    });
    const other = await page('https://b.example', 'OPTIONS', { 'Access-Control-Request-Method': 'PUT' });
    expect(told(other)).toEqual({ vary: 'Origin' });
    expect(await (await page('https://a.example', 'OPTIONS')).text()).toBe('OPTIONS');
  });
});

/** Of the lambda `stream`. */
async function instances(): Promise<{ states: string[]; workerBytes: number }> {
  const asked = await fetch(`${cluster().url()}/status`, { headers: { accept: 'application/json' } });
  const status = (await asked.json()) as {
    worker_memory_bytes: number;
    sandboxes: { lambda: string; state: string }[];
  };
  const states = status.sandboxes.filter(({ lambda }) => lambda === 'stream').map(({ state }) => state);
  return { states, workerBytes: status.worker_memory_bytes };
}

describe('an answer that comes bit by bit', () => {
  test('is read before the function has ended, which it does when nobody reads any more', async () => {
    const reading = new AbortController();
    const answer = await get('stream/slow', { signal: reading.signal });
    expect(answer.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    const first = await answer.body!.getReader().read();
    expect(Buffer.from(first.value!).toString()).toBe('one\n');
    expect((await instances()).states).toContain('busy');
    reading.abort();
    await expect.poll(async () => (await instances()).states, { timeout: 10_000 }).not.toContain('busy');
  });

  test('says what it is', async () => {
    const lines = await get('stream/lines');
    expect([lines.headers.get('content-type'), await lines.text()]).toEqual([
      'application/x-ndjson',
      '{"n": 0}\n{"n": 1}\n{"n": 2}\n',
    ]);
    const head = await get('stream/head');
    expect([head.status, head.headers.get('content-type'), head.headers.getSetCookie(), await head.text()]).toEqual([
      202,
      'text/css',
      ['c=3'],
      'first second',
    ]);
    expect(await (await get('stream/async')).text()).toBe('ab');
  });

  test('never looks whole if the function has failed on the way', async () => {
    const answer = await get('stream/breaks');
    expect(answer.status).toBe(200);
    await expect(answer.text()).rejects.toThrow();
    expect((await get('stream/head')).status).toBe(202);
  });

  test('is made no faster than it is read, and no longer than somebody reads', async () => {
    const sent = request(`${cluster().url()}/fn/stream/endless`, { agent: false });
    const answer = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
      sent.on('response', resolve).on('error', reject).end();
    });
    answer.pause();
    const before = await instances();
    for (let looks = 0; looks < 50; looks += 1) await instances();
    const during = await instances();
    expect(during.workerBytes - before.workerBytes).toBeLessThan(50_000_000);
    expect(during.states).toContain('busy');
    sent.destroy();
    await expect.poll(async () => (await instances()).states, { timeout: 10_000 }).not.toContain('busy');
    expect((await get('stream/head')).status).toBe(202);
  });

  test('comes all at once to those who take no parts', async () => {
    expect((await cluster().call('stream')).json).toEqual({
      statusCode: 202,
      headers: { 'content-type': 'text/css' },
      cookies: ['c=3'],
      body: 'first second',
      isBase64Encoded: false,
    });
  });
});
