import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { accessOf } from '../../../src/client/access.ts';
import { Gateway } from '../../../src/client/gateway.ts';
import { formOf } from '../../../src/client/multipart.ts';
import { filesOfTar } from '../../../src/client/tar.ts';
import { ScriptedGateway } from './scripted-gateway.ts';

let gateway: ScriptedGateway;
beforeEach(async () => {
  gateway = await ScriptedGateway.start();
});
afterEach(() => gateway.stop());

describe('a session', () => {
  it('is asked for with all that it is to have', async () => {
    gateway.answers.set('POST /kernel', { status: 201, body: '{"kernelId":"work","created":true}' });
    const made = await new Gateway(gateway.access, {}).create('python', {
      name: 'work',
      exclusive: true,
      requirements: ['numpy', 'pandas>=2'],
      env: { A: 'b' },
      limits: { memoryMb: 512, cpus: 0.5 },
      network: 'outbound',
      idleTimeoutMs: 1_500,
      lifetimeMs: 0,
    });
    expect(made).toMatchObject({ name: 'work', created: true });
    expect(JSON.parse(gateway.asked[0]!.body)).toEqual({
      clientSessionToken: 'work',
      image: 'python',
      reuseIfExists: false,
      config: {
        environ: { A: 'b' },
        resources: { mem: '512m', cpu: 0.5 },
        requirements: 'numpy\npandas>=2',
        network: 'outbound',
        idleTimeout: 1.5,
        lifetime: 0,
      },
    });
    expect(gateway.asked[0]!.headers.authorization).toMatch(
      /^BackendAI signMethod=HMAC-SHA256, credential=AKIA:[0-9a-f]{64}$/,
    );
  });

  it('completes where the cursor is', async () => {
    const result = { status: 'finished', completions: ['append'], completed: { start: 4, end: 6 } };
    gateway.answers.set('POST /kernel/work/complete', { status: 200, body: JSON.stringify({ result }) });
    const session = new Gateway(gateway.access, {}).session('work');
    expect(await session.complete('a\nl.ap(1)', 6)).toEqual({ completions: ['append'], start: 4, end: 6 });
    expect(JSON.parse(gateway.asked[0]!.body)).toEqual({ code: 'a\nl.ap(1)', options: { row: 1, col: 4 } });
  });

  it('sends files in as few requests as are allowed', async () => {
    gateway.answers.set('POST /kernel/work/upload', { status: 204 });
    const session = new Gateway(gateway.access, {}).session('work');
    await session.files.upload(Object.fromEntries(Array.from({ length: 21 }, (_, at) => [`f${at}`, `${at}`])));
    expect(gateway.asked).toHaveLength(2);
    expect(gateway.asked[1]!.body).toContain('filename="f20"');
  });

  it('tells how far files are, of which there may be any number', async () => {
    gateway.answers.set('POST /kernel/work/upload', { status: 204 });
    gateway.answers.set('GET /kernel/work/download_single', {
      status: 200,
      body: Buffer.alloc(1_000_000),
      headers: { 'content-length': 1_000_000 },
    });
    const { files } = new Gateway(gateway.access, {}).session('work');
    const seen: [number, number | undefined][] = [];
    const onProgress = (bytes: number, of: number | undefined) => seen.push([bytes, of]);
    const content = Buffer.alloc(100_000);
    await files.upload(Object.fromEntries(Array.from({ length: 25 }, (_, at) => [`f${at}`, content])), { onProgress });
    expect(seen.map(([, of]) => of)).toEqual(seen.map(() => 2_500_000));
    expect(seen).toContainEqual([2_000_000, 2_500_000]);
    expect(seen.at(-1)).toEqual([2_500_000, 2_500_000]);
    seen.length = 0;
    await files.download('out.bin', { onProgress });
    expect(seen.at(-1)).toEqual([1_000_000, 1_000_000]);
  });

  it('that is refused says why, and when to try again', async () => {
    const body = JSON.stringify({
      type: 'https://api.backend.ai/probs/rate-limit-exceeded',
      title: 'You have reached your API query rate limit.',
      requestId: 'q',
    });
    gateway.answers.set('GET /kernel/work', { status: 429, body, headers: { 'retry-after': '7' } });
    await expect(new Gateway(gateway.access, {}).session('work').info()).rejects.toMatchObject({
      status: 429,
      slug: 'rate-limit-exceeded',
      retryAfterS: 7,
      requestId: 'q',
    });
  });

  it('is called under the path of its endpoint', async () => {
    gateway.answers.set('DELETE /v4/kernel/work', { status: 200, body: '{}' });
    await new Gateway({ ...gateway.access, endpoint: `${gateway.access.endpoint}/v4/` }, {}).session('work').destroy();
    expect(gateway.asked[0]!.target).toBe('/v4/kernel/work');
  });
});

describe('access', () => {
  it('is what is said, else what the environment says, and that by its new names first', () => {
    const environment = {
      BACKEND_ENDPOINT: 'http://new:1',
      SORNA_ENDPOINT: 'http://old:1',
      SORNA_ACCESS_KEY: 'a',
      SORNA_SECRET_KEY: 's',
    };
    expect(accessOf({}, environment)).toEqual({
      endpoint: new URL('http://new:1'),
      credentials: { accessKey: 'a', secretKey: 's' },
    });
    expect(accessOf({ endpoint: 'http://mine', token: 't' }, environment)).toEqual({
      endpoint: new URL('http://mine'),
      credentials: { token: 't' },
    });
  });

  it.each([
    [{}, /BACKEND_ENDPOINT/],
    [{ endpoint: 'localhost:8090', token: 't' }, /"localhost:8090" is no address/],
    [{ endpoint: 'http://a' }, /BACKEND_ACCESS_KEY/],
    [{ endpoint: 'http://a', accessKey: 'a' }, /BACKEND_SECRET_KEY/],
  ])('%j is not enough', (options, complaint) => {
    expect(() => accessOf(options, {})).toThrow(complaint);
  });
});

describe('files', () => {
  it('in a form have names that any server reads', () => {
    const { type, bytes } = formOf([{ name: 'a "b"/ü.txt', bytes: Buffer.from('x\r\n--y') }]);
    const boundary = type.split('boundary=')[1];
    expect(bytes.toString()).toBe(
      [
        `--${boundary}`,
        `Content-Disposition: form-data; name="src"; filename="a %22b%22/ü.txt"; filename*=UTF-8''a%20%22b%22%2F%C3%BC.txt`,
        'Content-Type: application/octet-stream',
        '',
        'x\r\n--y',
        `--${boundary}--`,
        '',
      ].join('\r\n'),
    );
  });

  it('of an archive that is cut are not half there', () => {
    const header = Buffer.alloc(512);
    header.write('name');
    header.write('00000000012', 124);
    header.write('0', 156);
    const archive = Buffer.concat([header, Buffer.from('0123456789'), Buffer.alloc(502), Buffer.alloc(1024)]);
    expect(filesOfTar(archive)).toEqual([{ name: 'name', bytes: Buffer.from('0123456789') }]);
    expect(() => filesOfTar(archive.subarray(0, 520))).toThrow('in the midst');
  });
});
