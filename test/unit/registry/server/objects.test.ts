import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { crc32c, crc64nvme } from '../../../../src/lib/crc.ts';
import { md5, Served } from './served.ts';

let served: Served;
beforeAll(async () => {
  served = await Served.start();
});
afterAll(() => served.dispose());

const codeOf = (text: string) => /<Code>(.*?)<\/Code>/.exec(text)?.[1];
const blobs = () => readdirSync(join(served.dir, 'blobs'));

describe('an object', () => {
  test('comes back as it went, with what was said about it', async () => {
    const body = Buffer.from('hällo\0world');
    const headers = { 'content-type': 'text/plain', 'cache-control': 'no-cache', 'x-amz-meta-mtime': '12.5' };
    const put = await served.put('/registry/d/ä%20%2F.txt'.replace('ä', '%C3%A4'), body, headers);
    expect(put.headers.etag).toBe(`"${md5(body)}"`);
    const got = await served.get('/registry/d/%C3%A4%20%2F.txt');
    expect(got.bytes).toEqual(body);
    expect(got.headers).toMatchObject({ ...headers, etag: `"${md5(body)}"`, 'accept-ranges': 'bytes' });
    const head = await served.ask({ method: 'HEAD', path: '/registry/d/%C3%A4%20%2F.txt' });
    expect(head.headers).toMatchObject({ ...headers, 'content-length': '12' });
    expect(head.bytes).toHaveLength(0);
  });

  test('may be empty, and may be replaced', async () => {
    await served.put('/registry/e', '');
    expect((await served.get('/registry/e')).headers['content-length']).toBe('0');
    await served.put('/registry/e', 'more');
    expect((await served.get('/registry/e')).text).toBe('more');
  });

  test('is read in parts', async () => {
    await served.put('/registry/r', '0123456789');
    const part = async (range: string, more = {}) => {
      const { status, text, headers } = await served.get('/registry/r', { range, ...more });
      return [status, status === 416 ? '' : text, headers['content-range']];
    };
    expect(await part('bytes=0-3')).toEqual([206, '0123', 'bytes 0-3/10']);
    expect(await part('bytes=8-')).toEqual([206, '89', 'bytes 8-9/10']);
    expect(await part('bytes=-3')).toEqual([206, '789', 'bytes 7-9/10']);
    expect(await part('bytes=-30')).toEqual([206, '0123456789', 'bytes 0-9/10']);
    expect(await part('bytes=5-99')).toEqual([206, '56789', 'bytes 5-9/10']);
    expect(await part('bytes=10-')).toEqual([416, '', undefined]);
    expect(await part('bytes=5-3')).toEqual([200, '0123456789', undefined]);
    expect(await part('bytes=0-1,3-4')).toEqual([200, '0123456789', undefined]);
    expect(await part('bytes=0-3', { 'if-range': '"other"' })).toEqual([200, '0123456789', undefined]);
  });

  test('is read and written on conditions', async () => {
    const { headers } = await served.put('/registry/c', 'one');
    const etag = headers.etag as string;
    const get = async (conditions: Record<string, string>) => (await served.get('/registry/c', conditions)).status;
    expect(await get({ 'if-match': etag })).toBe(200);
    expect(await get({ 'if-match': '"other"' })).toBe(412);
    expect(await get({ 'if-none-match': etag })).toBe(304);
    expect(await get({ 'if-none-match': '"other", "another"' })).toBe(200);
    expect(await get({ 'if-modified-since': new Date().toUTCString() })).toBe(304);
    expect(await get({ 'if-unmodified-since': 'Mon, 01 Jan 2024 00:00:00 GMT' })).toBe(412);
    const put = async (conditions: Record<string, string>) =>
      (await served.put('/registry/c', 'two', conditions)).status;
    expect(await put({ 'if-none-match': '*' })).toBe(412);
    expect(await put({ 'if-match': '"other"' })).toBe(412);
    expect((await served.get('/registry/c')).text).toBe('one');
    expect(await put({ 'if-match': etag })).toBe(200);
    expect((await served.put('/registry/c2', 'new', { 'if-none-match': '*' })).status).toBe(200);
  });

  test('leaves its bytes when nothing refers to them any more', async () => {
    const before = blobs().length;
    await served.put('/registry/x1', 'the same bytes');
    await served.put('/registry/x2', 'the same bytes');
    expect(blobs()).toHaveLength(before + 1);
    await served.ask({ method: 'DELETE', path: '/registry/x1' });
    expect((await served.get('/registry/x2')).text).toBe('the same bytes');
    await served.put('/registry/x2', 'other bytes');
    expect(blobs()).toHaveLength(before + 1);
    expect((await served.ask({ method: 'DELETE', path: '/registry/x2' })).status).toBe(204);
    expect((await served.ask({ method: 'DELETE', path: '/registry/x2' })).status).toBe(204);
    expect(blobs()).toHaveLength(before);
  });

  test('is copied with its metadata, or with others', async () => {
    await served.put('/registry/from', 'copied', { 'x-amz-meta-a': '1' });
    const copy = { 'x-amz-copy-source': '/registry/from' };
    expect((await served.put('/registry/to', '', copy)).text).toContain('<CopyObjectResult');
    expect((await served.get('/registry/to')).headers['x-amz-meta-a']).toBe('1');
    const replace = { ...copy, 'x-amz-metadata-directive': 'REPLACE', 'x-amz-meta-b': '2' };
    await served.put('/registry/to', '', replace);
    const { headers, text } = await served.get('/registry/to');
    expect([text, headers['x-amz-meta-a'], headers['x-amz-meta-b']]).toEqual(['copied', undefined, '2']);
    const lost = await served.put('/registry/to', '', { 'x-amz-copy-source': '/registry/nothing' });
    expect(codeOf(lost.text)).toBe('NoSuchKey');
  });

  test('is refused where it can not be kept as it is wanted', async () => {
    expect(codeOf((await served.put('/nobucket/x', 'x')).text)).toBe('NoSuchBucket');
    expect(codeOf((await served.put(`/registry/${'k'.repeat(1025)}`, 'x')).text)).toBe('KeyTooLongError');
    expect(codeOf((await served.put('/registry/x', 'x', { 'x-amz-meta-a': 'b'.repeat(3000) })).text)).toBe(
      'MetadataTooLarge',
    );
    expect(codeOf((await served.put('/registry/x', 'x', { 'x-amz-server-side-encryption': 'AES256' })).text)).toBe(
      'NotImplemented',
    );
    expect(codeOf((await served.get('/registry/x?acl')).text)).toBe('NotImplemented');
    expect(codeOf((await served.get('/registry/x?versionId=3')).text)).toBe('NoSuchVersion');
    expect((await served.ask({ method: 'PATCH', path: '/registry/x' })).status).toBe(405);
    expect((await served.ask({ method: 'HEAD', path: '/registry/x' })).bytes).toHaveLength(0);
  });
});

describe('a checksum', () => {
  const BODY = Buffer.from('checked '.repeat(1000));
  const of = (crc: { update(b: Buffer): void; digest(): Buffer }) => {
    crc.update(BODY);
    return crc.digest().toString('base64');
  };
  const crc32Of = Buffer.alloc(4);
  crc32Of.writeUInt32BE(crc32(BODY));
  const SUMS: [string, string][] = [
    ['crc32', crc32Of.toString('base64')],
    ['crc32c', of(crc32c())],
    ['crc64nvme', of(crc64nvme())],
  ];

  test.each(SUMS)('of the kind %s is compared, kept and given back', async (kind, sum) => {
    const header = `x-amz-checksum-${kind}`;
    const wrong = Buffer.from(sum, 'base64');
    wrong[0]! ^= 1;
    const bad = await served.put('/registry/sum', BODY, { [header]: wrong.toString('base64') });
    expect([bad.status, codeOf(bad.text)]).toEqual([400, 'BadDigest']);
    expect((await served.put('/registry/sum', BODY, { [header]: sum })).headers[header]).toBe(sum);
    expect((await served.get('/registry/sum', { 'x-amz-checksum-mode': 'ENABLED' })).headers[header]).toBe(sum);
    expect((await served.get('/registry/sum')).headers[header]).toBe(undefined);
    await served.ask({ method: 'DELETE', path: '/registry/sum' });
  });

  test('of a kind that came later is no reason to refuse', async () => {
    expect((await served.put('/registry/sum', BODY, { 'x-amz-checksum-xxhash128': 'AAAA' })).status).toBe(200);
  });

  test('in Content-MD5 is compared', async () => {
    const headers = { 'content-md5': Buffer.from(md5('other'), 'hex').toString('base64') };
    expect(codeOf((await served.put('/registry/sum', BODY, headers)).text)).toBe('BadDigest');
    expect(codeOf((await served.put('/registry/sum', BODY, { 'content-md5': 'x' })).text)).toBe('InvalidDigest');
  });
});

describe('a bucket', () => {
  test('is made once or more, listed, and removed when it is empty', async () => {
    for (const _ of [1, 2]) expect((await served.ask({ method: 'PUT', path: '/photos/' })).status).toBe(200);
    expect((await served.get('/')).text).toMatch(/<Name>photos<\/Name>.*<Name>registry<\/Name>/);
    expect((await served.ask({ method: 'HEAD', path: '/photos' })).status).toBe(200);
    expect((await served.ask({ method: 'HEAD', path: '/phetos' })).status).toBe(404);
    await served.put('/photos/a', 'a');
    expect(codeOf((await served.ask({ method: 'DELETE', path: '/photos' })).text)).toBe('BucketNotEmpty');
    const body = '<Delete><Object><Key>a</Key></Object><Object><Key>gone</Key></Object></Delete>';
    const deleted = await served.ask({ method: 'POST', path: '/photos?delete=', body });
    expect(deleted.text).toMatch(/<Deleted><Key>a<\/Key><\/Deleted><Deleted><Key>gone<\/Key>/);
    expect((await served.ask({ method: 'DELETE', path: '/photos' })).status).toBe(204);
    expect(codeOf((await served.ask({ method: 'DELETE', path: '/registry' })).text)).toBe('AccessDenied');
  });

  test('has a name that S3 would take', async () => {
    for (const name of ['ab', 'Photos', 'a..b', '1.2.3.4', '-ab', 'a'.repeat(64)]) {
      expect(codeOf((await served.ask({ method: 'PUT', path: `/${name}` })).text), name).toBe('InvalidBucketName');
    }
  });

  test('tells where it is, and that it keeps no versions', async () => {
    expect((await served.get('/registry/?location')).text).toContain('<LocationConstraint xmlns=');
    expect((await served.get('/registry?versioning=')).text).toContain('<VersioningConfiguration');
  });
});
