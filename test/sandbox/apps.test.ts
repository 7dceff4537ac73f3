/** ASGI and WSGI apps as handlers, and answers that come bit by bit, as a sandbox gives them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Reply, Sandbox } from '../../src/sandbox/sandbox.ts';
import { type Bench, LIMITS, resultOf, startBench } from './engine-fixture.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await startBench();
});
afterAll(() => bench.close());

/** The event of a request. */
function requestFor(path: string, more: Record<string, unknown> = {}, method = 'POST'): Record<string, unknown> {
  return {
    version: '2.0',
    rawPath: path,
    rawQueryString: 'a=1&b=%20',
    cookies: ['c=1', 'd=2'],
    headers: {
      host: 'example.com:8080',
      'x-thing': 'yes',
      'content-type': 'text/plain',
      'x-forwarded-prefix': '/fn/app',
    },
    requestContext: { http: { method, path, protocol: 'HTTP/1.1', sourceIp: '192.0.2.1' } },
    ...more,
  };
}

interface Taken {
  reply: Reply;
  head: { statusCode: number; headers: Record<string, unknown>; cookies: string[] } | undefined;
  parts: string[];
}

/** What a caller gets that takes parts. */
async function taken(sandbox: Sandbox, event: unknown): Promise<Taken> {
  const heads: string[] = [];
  const parts: string[] = [];
  const reply = await sandbox.call({
    requestId: 'taken',
    event: Buffer.from(JSON.stringify(event)),
    deadlineMs: Date.now() + LIMITS.timeout_ms,
    parts: {
      head: (said) => void heads.push(said.toString()),
      part: (bytes) => {
        parts.push(bytes.toString());
        return true;
      },
    },
  });
  expect(heads.length).toBeLessThanOrEqual(1);
  return { reply, head: heads[0] === undefined ? undefined : JSON.parse(heads[0]), parts };
}

const bodyOf = ({ reply, parts }: Taken) =>
  parts.join('') + (reply.kind === 'result' ? reply.body.toString() : `<${reply.kind}>`);

const ASGI = `
import asyncio, json
events = []

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        assert (await receive())["type"] == "lifespan.startup"
        scope["state"]["started"] = True
        events.append("started")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        return
    request = await receive()
    path = scope["path"].removeprefix(scope["root_path"])
    headers = [(b"content-type", b"application/json"), (b"set-cookie", b"x=1"), (b"set-cookie", b"y=2"), (b"via", b"a"), (b"via", b"b")]
    if path == "/stream":
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for n in range(3):
            await asyncio.sleep(0)
            await send({"type": "http.response.body", "body": b"%d" % n, "more_body": True})
        await send({"type": "http.response.body", "body": b"!"})
        events.append((await receive())["type"])
        return
    if path == "/raises":
        raise ValueError("boom")
    if path == "/raises-after":
        await send({"type": "http.response.start", "status": 500, "headers": headers})
        await send({"type": "http.response.body", "body": b"sorry"})
        raise ValueError("boom")
    if path == "/says-nothing":
        return
    scope = {**scope, "headers": [[name.decode(), value.decode()] for name, value in scope["headers"]],
             "raw_path": scope["raw_path"].decode(), "query_string": scope["query_string"].decode()}
    body = json.dumps({"scope": scope, "body": request["body"].decode(), "events": events}).encode()
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": body})
`;

describe('an ASGI app', () => {
  it('is started once, and given requests', async () => {
    const sandbox = await bench.sandbox({ 'main.py': ASGI });
    const answer = await taken(sandbox, requestFor('/caf%C3%A9', { body: 'hello' }));
    expect(answer.head).toEqual({
      statusCode: 201,
      headers: { 'content-type': 'application/json', via: ['a', 'b'] },
      cookies: ['x=1', 'y=2'],
    });
    expect(answer.parts).toEqual([]);
    expect(JSON.parse(bodyOf(answer))).toEqual({
      body: 'hello',
      events: ['started'],
      scope: {
        type: 'http',
        asgi: { version: '3.0', spec_version: '2.3' },
        http_version: '1.1',
        method: 'POST',
        scheme: 'http',
        path: '/fn/app/café',
        raw_path: '/fn/app/caf%C3%A9',
        query_string: 'a=1&b=%20',
        root_path: '/fn/app',
        headers: [
          ['host', 'example.com:8080'],
          ['x-thing', 'yes'],
          ['content-type', 'text/plain'],
          ['x-forwarded-prefix', '/fn/app'],
          ['cookie', 'c=1; d=2'],
        ],
        client: ['192.0.2.1', 0],
        server: ['example.com', 8080],
        state: { started: true },
      },
    });
    const bytes = Buffer.from('ü').toString('base64');
    const binary = await taken(sandbox, requestFor('/', { body: bytes, isBase64Encoded: true }));
    expect(JSON.parse(bodyOf(binary)).body).toBe('ü');
    await sandbox.destroy();
  });

  it('answers bit by bit', async () => {
    const sandbox = await bench.sandbox({ 'main.py': ASGI });
    const answer = await taken(sandbox, requestFor('/stream'));
    expect(answer.parts).toEqual(['0', '1', '2', '!']);
    expect(bodyOf(answer)).toBe('012!');
    expect(JSON.parse(bodyOf(await taken(sandbox, requestFor('/')))).events).toEqual(['started', 'http.disconnect']);
    await sandbox.destroy();
  });

  it('that raises has failed, unless it has answered before', async () => {
    const sandbox = await bench.sandbox({ 'main.py': ASGI });
    for (const path of ['/raises', '/says-nothing']) {
      const answer = await taken(sandbox, requestFor(path));
      expect(answer.reply.kind, path).toBe('raised');
      expect(answer.head).toBeUndefined();
    }
    const after = await taken(sandbox, requestFor('/raises-after'));
    expect([after.head?.statusCode, bodyOf(after)]).toEqual([500, 'sorry']);
    await sandbox.destroy();
  });

  it('is named in lambda.json, and answers those who take no parts with an object', async () => {
    const sandbox = await bench.sandbox({ 'web/site.py': ASGI }, 'site', { handler: 'web.site:app' });
    expect(await resultOf(sandbox, requestFor('/stream'))).toMatchObject({ statusCode: 200, body: '012!' });
    const reply = await taken(sandbox, { name: 'Alice' });
    expect(JSON.parse((reply.reply as { body: Buffer }).body.toString())).toMatchObject({
      errorType: 'Runtime.EventNotHttp',
    });
    await sandbox.destroy();
  });

  it('that can not start, or knows no start', async () => {
    const failing = await bench.sandbox({
      'main.py':
        'async def app(scope, receive, send):\n    await send({"type": "lifespan.startup.failed", "message": "no database"})\n',
    });
    const reply = await taken(failing, requestFor('/'));
    expect(reply.reply.kind).toBe('init-failed');
    expect((reply.reply as { body: Buffer }).body.toString()).toContain('no database');
    const simple = await bench.sandbox({
      'main.py':
        'class App:\n    async def __call__(self, scope, receive, send):\n        assert scope["type"] == "http"\n        await send({"type": "http.response.start", "status": 204})\n        await send({"type": "http.response.body"})\napp = App()\n',
    });
    expect((await taken(simple, requestFor('/'))).head).toEqual({ statusCode: 204, headers: {}, cookies: [] });
    await Promise.all([failing.destroy(), simple.destroy()]);
  });
});

const WSGI = `
import json
class Closing:
    closed = 0
    def __init__(self, parts):
        self.parts = parts
    def __iter__(self):
        return iter(self.parts)
    def close(self):
        Closing.closed += 1

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/stream":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return Closing(part for part in (b"a", b"", b"b"))
    if path == "/raises":
        raise ValueError("boom")
    if path == "/write":
        start_response("200 OK", [])(b"written ")
        return [b"returned"]
    told = {key: value for key, value in environ.items() if not key.startswith("wsgi.")}
    body = json.dumps([told, environ["wsgi.input"].read().decode(), environ["wsgi.url_scheme"], Closing.closed]).encode()
    start_response("201 Created", [("Content-Length", str(len(body))), ("Set-Cookie", "x=1")])
    return Closing([body[:5], body[5:]])
`;

describe('a WSGI app', () => {
  it('is given requests, and answers', async () => {
    const sandbox = await bench.sandbox({ 'app.py': WSGI });
    const answer = await taken(sandbox, requestFor('/caf%C3%A9', { body: 'hello' }));
    expect(answer.head).toMatchObject({ statusCode: 201, cookies: ['x=1'] });
    expect(answer.parts).toEqual([]);
    expect(JSON.parse(bodyOf(answer))).toEqual([
      {
        REQUEST_METHOD: 'POST',
        SCRIPT_NAME: '/fn/app',
        PATH_INFO: Buffer.from('/café').toString('latin1'),
        QUERY_STRING: 'a=1&b=%20',
        SERVER_NAME: 'example.com',
        SERVER_PORT: '8080',
        SERVER_PROTOCOL: 'HTTP/1.1',
        REMOTE_ADDR: '192.0.2.1',
        CONTENT_LENGTH: '5',
        CONTENT_TYPE: 'text/plain',
        HTTP_HOST: 'example.com:8080',
        HTTP_X_THING: 'yes',
        HTTP_X_FORWARDED_PREFIX: '/fn/app',
        HTTP_COOKIE: 'c=1; d=2',
      },
      'hello',
      'http',
      0,
    ]);
    const stream = await taken(sandbox, requestFor('/stream'));
    expect(stream.parts).toEqual(['a', 'b']);
    expect(bodyOf(await taken(sandbox, requestFor('/write')))).toBe('written returned');
    expect((await taken(sandbox, requestFor('/raises'))).reply.kind).toBe('raised');
    expect(JSON.parse(bodyOf(await taken(sandbox, requestFor('/'))))[3]).toBe(2);
    await sandbox.destroy();
  });
});

describe('parts', () => {
  it('that are large come in pieces, and what is not taken waits in the sandbox', async () => {
    const sandbox = await bench.sandbox(
      'made = []\ndef handler(event):\n    if event == "made":\n        return len(made)\n    return parts()\ndef parts():\n    for n in range(64):\n        made.append(n)\n        yield b"x" * 262144\n',
    );
    let goOn: (() => void) | undefined;
    let bytes = 0;
    let largest = 0;
    let calls = 0;
    const replied = sandbox.call({
      requestId: 'waits',
      event: Buffer.from('{}'),
      deadlineMs: Date.now() + LIMITS.timeout_ms,
      parts: {
        head: () => {},
        part: (part, resume) => {
          calls += 1;
          bytes += part.length;
          largest = Math.max(largest, part.length);
          goOn = resume;
          return false;
        },
      },
    });
    await expect.poll(() => calls).toBeGreaterThan(0);
    // What came in the same piece, and no more: nothing is read until somebody says so.
    const before = calls;
    for (let turn = 0; turn < 100; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(calls).toBe(before);
    const going = setInterval(() => goOn?.(), 0);
    const reply = await replied;
    clearInterval(going);
    expect([reply.kind, bytes, largest]).toEqual(['result', 64 * 262_144, 65_536]);
    expect(await resultOf(sandbox, 'made')).toBe(64);
    await sandbox.destroy();
  });

  it('are not taken from a sandbox that has no leave to send them', async () => {
    const sandbox = await bench.sandbox(
      'import os\ndef handler(event):\n    for fd in range(3, 20):\n        try:\n            os.write(fd, bytes.fromhex("00000004170000") + b"{}")\n        except OSError:\n            pass\n    return 1\n',
    );
    const reply = await sandbox.call({ requestId: 'x', event: Buffer.from('{}'), deadlineMs: Date.now() + 5_000 });
    expect(reply.kind).toBe('ended');
    await sandbox.destroy();
  });
});
