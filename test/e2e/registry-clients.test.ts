/** The clients that people have, unmodified, against `admin registry`. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Finished, run, succeeded } from './admin.ts';
import { TestCluster } from './cluster.ts';
import { BOTO_PYTHONS, has } from './programs.ts';
import { KEYS, makeBundle, TestRegistry } from './registry.ts';

let cluster: TestCluster;
let registry: TestRegistry;
let dir: string;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'isla-s3-'));
  cluster = await TestCluster.make();
  registry = await TestRegistry.start(cluster);
});
afterAll(async () => {
  rmSync(dir, { recursive: true });
  await cluster?.dispose();
});

function file(name: string, content: Buffer | string): string {
  const path = join(dir, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, content);
  return path;
}

async function lambdas(): Promise<string[]> {
  const { bytes } = await registry.send('GET', '/-/lambdas');
  return (JSON.parse(bytes.toString()) as { lambdas: { name: string }[] }).lambdas.map(({ name }) => name);
}

const TREE = { 'a.txt': 'a', 'sub/b c+ü.txt': 'b', 'sub/deep/empty': '' };

function makeTree(name: string): string {
  for (const [path, content] of Object.entries(TREE)) file(`${name}/${path}`, content);
  return join(dir, name);
}

function readTree(root: string): Record<string, string> {
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const named = files.map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  return Object.fromEntries(named.map((path) => [path.slice(root.length + 1), readFileSync(path, 'utf8')]));
}

// Debian: awscli.
describe.skipIf(!has('aws', '--version'))('the AWS command line', () => {
  const ok = async (...args: string[]): Promise<Finished> =>
    succeeded(await registry.aws(...args), `aws ${args.slice(0, 2).join(' ')}`);

  test('`aws s3 cp hello.tar.gz s3://registry/` deploys, and `rm` takes it back', async () => {
    const bundle = makeBundle();
    await ok('s3', 'cp', file('hello.tar.gz', bundle), 's3://registry/');
    expect(await lambdas()).toEqual(['hello']);
    expect((await ok('s3', 'ls', 's3://registry/')).stdout).toMatch(new RegExp(` ${bundle.length} hello.tar.gz\n`));
    await ok('s3', 'cp', 's3://registry/hello.tar.gz', join(dir, 'back.tar.gz'));
    expect(readFileSync(join(dir, 'back.tar.gz'))).toEqual(bundle);
    await ok('s3', 'mv', 's3://registry/hello.tar.gz', 's3://registry/hallo.tgz');
    expect(await lambdas()).toEqual(['hallo']);
    await ok('s3', 'rm', 's3://registry/hallo.tgz');
    expect(await lambdas()).toEqual([]);
  });

  test('is told why a bundle can not be a lambda, and nothing is there', async () => {
    const refused = await registry.aws('s3', 'cp', file('bad.zip', 'no archive'), 's3://registry/');
    expect(refused.status).toBe(1);
    expect(refused.stderr).toMatch(/\(InvalidBundle\).*bad\.zip can not be a lambda: .*archive/);
    expect((await registry.aws('s3', 'ls', 's3://registry/bad.zip')).status).toBe(1);
  });

  test('copies trees there and back with sync, and removes them', async () => {
    const tree = makeTree('tree');
    await ok('s3', 'sync', tree, 's3://registry/tree');
    expect((await ok('s3', 'sync', tree, 's3://registry/tree')).stdout).toBe('');
    await ok('s3', 'sync', 's3://registry/tree', join(dir, 'tree-back'));
    expect(readTree(join(dir, 'tree-back'))).toEqual(TREE);
    await ok('s3', 'rm', '--recursive', 's3://registry/tree/');
    expect((await ok('s3', 'ls', '--recursive', 's3://registry')).stdout).toBe('');
    expect(await lambdas()).toEqual([]);
  });

  test('sends what is large in parts, and reads it in parts', async () => {
    const large = randomBytes(20 * 1024 * 1024 + 7);
    await ok('s3', 'cp', file('large.bin', large), 's3://registry/data/large.bin');
    await ok('s3', 'cp', 's3://registry/data/large.bin', 's3://registry/data/copy.bin');
    await ok('s3', 'cp', 's3://registry/data/copy.bin', join(dir, 'large-back.bin'));
    expect(readFileSync(join(dir, 'large-back.bin')).equals(large)).toBe(true);
    const head = JSON.parse((await ok('s3api', 'head-object', '--bucket=registry', '--key=data/large.bin')).stdout);
    expect(head).toMatchObject({ ContentLength: large.length, ETag: expect.stringMatching(/^"[0-9a-f]{32}-3"$/) });
    await ok('s3', 'rm', '--recursive', 's3://registry/data');
    expect(readdirSync(join(cluster.dir, 'registry-store', 'parts'))).toEqual([]);
    expect(readdirSync(join(cluster.dir, 'registry-store', 'tmp'))).toEqual([]);
  });

  test('makes URLs that are good without keys', async () => {
    await ok('s3', 'cp', file('note.txt', 'signed'), 's3://registry/note.txt');
    const url = (await ok('s3', 'presign', 's3://registry/note.txt', '--expires-in=60')).stdout.trim();
    expect(await (await fetch(url)).text()).toBe('signed');
    expect((await fetch(url.split('?')[0]!)).status).toBe(403);
  });

  test('hears what S3 says to the wrong keys', async () => {
    const as = (keys: typeof KEYS) =>
      run('aws', ['--endpoint-url', registry.url, 's3', 'ls', 's3://registry'], { env: registry.env(keys) });
    expect((await as({ ...KEYS, secretKey: 'wrong' })).stderr).toContain('(SignatureDoesNotMatch)');
    expect((await as({ ...KEYS, accessKey: 'WRONG' })).stderr).toContain('(InvalidAccessKeyId)');
    expect(registry.log()).not.toContain(KEYS.secretKey);
  });

  test('makes buckets and removes them', async () => {
    await ok('s3', 'mb', 's3://photos');
    await ok('s3', 'cp', file('p.jpg', 'p'), 's3://photos/2026/p.jpg');
    expect((await ok('s3', 'ls')).stdout).toMatch(/photos\n.*registry\n/);
    await ok('s3', 'rb', '--force', 's3://photos');
    expect((await ok('s3', 'ls')).stdout).not.toContain('photos');
  });
});

// Debian: rclone.
describe.skipIf(!has('rclone', 'version'))('rclone', () => {
  const ok = async (...args: string[]): Promise<Finished> =>
    succeeded(await registry.rclone(...args), `rclone ${args[0]}`);

  test('copies a tree, finds it the same, and deletes it', async () => {
    const tree = makeTree('rtree');
    await ok('copy', tree, 'isla:registry/rtree');
    await ok('check', tree, 'isla:registry/rtree');
    expect((await ok('lsf', '-R', '--files-only', 'isla:registry/rtree')).stdout.trim().split('\n').sort()).toEqual(
      Object.keys(TREE).sort(),
    );
    writeFileSync(join(tree, 'a.txt'), 'changed');
    expect((await registry.rclone('check', tree, 'isla:registry/rtree')).status).toBe(1);
    await ok('sync', tree, 'isla:registry/rtree');
    await ok('copy', 'isla:registry/rtree', join(dir, 'rback'));
    expect(readTree(join(dir, 'rback'))).toEqual({ ...TREE, 'a.txt': 'changed' });
    await ok('delete', 'isla:registry/rtree');
    expect((await ok('lsf', '-R', 'isla:registry/rtree')).stdout).toBe('');
  });

  test('deploys', async () => {
    await ok('copyto', file('r.tgz', makeBundle()), 'isla:registry/fromrclone.tgz');
    expect(await lambdas()).toContain('fromrclone');
    await ok('deletefile', 'isla:registry/fromrclone.tgz');
    expect(await lambdas()).not.toContain('fromrclone');
  });

  test('sends what is large in parts', async () => {
    file('rlarge/large.bin', randomBytes(12 * 1024 * 1024));
    const tree = join(dir, 'rlarge');
    await ok('copy', tree, 'isla:registry/rlarge', '--s3-upload-cutoff=5M', '--s3-chunk-size=5M');
    await ok('check', '--download', tree, 'isla:registry/rlarge');
    await ok('delete', 'isla:registry/rlarge');
  });
});

// Debian: s3cmd.
describe.skipIf(!has('s3cmd', '--version'))('s3cmd', () => {
  test('puts, lists, gets and deletes', async () => {
    const host = new URL(registry.url).host;
    const config = ['--no-ssl', `--host=${host}`, `--host-bucket=${host}`, '--config=/dev/null'];
    const keys = [`--access_key=${KEYS.accessKey}`, `--secret_key=${KEYS.secretKey}`];
    const ok = async (...args: string[]) =>
      succeeded(await run('s3cmd', [...config, ...keys, ...args]), `s3cmd ${args[0]}`);
    const large = randomBytes(11 * 1024 * 1024);
    await ok('put', file('s.bin', large), 's3://registry/s/s.bin', '--multipart-chunk-size-mb=5');
    expect((await ok('ls', 's3://registry/s/')).stdout).toContain('s3://registry/s/s.bin');
    await ok('get', 's3://registry/s/s.bin', join(dir, 's-back.bin'));
    expect(readFileSync(join(dir, 's-back.bin')).equals(large)).toBe(true);
    await ok('info', 's3://registry/s/s.bin');
    await ok('del', '--recursive', '--force', 's3://registry/s/');
    expect((await ok('ls', 's3://registry/s/')).stdout).toBe('');
  });
});

const BOTO = `
import io, sys, boto3, botocore
from botocore.config import Config
url = sys.argv[1]
s3 = boto3.client("s3", endpoint_url=url)
s3.head_bucket(Bucket="registry")
for kind in ("CRC32", "SHA1", "SHA256"):
    s3.put_object(Bucket="registry", Key="boto/" + kind, Body=b"x" * 100000, ChecksumAlgorithm=kind)
    assert s3.get_object(Bucket="registry", Key="boto/" + kind, ChecksumMode="ENABLED")["Body"].read() == b"x" * 100000
s3.upload_fileobj(io.BytesIO(b"m" * 17000000), "registry", "boto/large")
assert s3.get_object(Bucket="registry", Key="boto/large")["Body"].read() == b"m" * 17000000
keys = [c["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket="registry", Prefix="boto/", PaginationConfig={"PageSize": 2}) for c in page["Contents"]]
assert keys == ["boto/CRC32", "boto/SHA1", "boto/SHA256", "boto/large"], keys
for version in ("s3", "s3v4"):
    signer = boto3.client("s3", endpoint_url=url, config=Config(signature_version=version))
    print(signer.generate_presigned_url("get_object", Params={"Bucket": "registry", "Key": "boto/CRC32"}, ExpiresIn=60))
print(s3.generate_presigned_url("put_object", Params={"Bucket": "registry", "Key": "boto/put"}, ExpiresIn=60))
try:
    s3.get_object(Bucket="registry", Key="nothing")
except s3.exceptions.NoSuchKey:
    pass
`;

const [PYTHON = ''] = BOTO_PYTHONS;

describe.skipIf(PYTHON === '')('boto3', () => {
  test('uploads with checksums, in parts, lists by pages and presigns', async () => {
    const done = succeeded(await run(PYTHON, ['-c', BOTO, registry.url], { env: registry.env() }), 'boto3');
    const [version2, version4, put] = done.stdout.trim().split('\n') as [string, string, string];
    for (const url of [version2, version4]) expect(await (await fetch(url)).text()).toBe('x'.repeat(100_000));
    expect((await fetch(put, { method: 'PUT', body: Buffer.from('by anybody') })).status).toBe(200);
    expect((await registry.send('GET', '/registry/boto/put')).bytes.toString()).toBe('by anybody');
    const remove =
      'import sys, boto3\ns3 = boto3.client("s3", endpoint_url=sys.argv[1])\nprint(s3.delete_objects(Bucket="registry", Delete={"Objects": [{"Key": o["Key"]} for o in s3.list_objects(Bucket="registry", Prefix="boto/")["Contents"]]})["Deleted"])';
    const removed = succeeded(await run(PYTHON, ['-c', remove, registry.url], { env: registry.env() }), 'boto3');
    expect(removed.stdout.match(/'Key'/g)).toHaveLength(5);
  });
});
