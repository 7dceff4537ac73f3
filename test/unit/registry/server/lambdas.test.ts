import { readdirSync, truncateSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkStore } from '../../../../src/registry/server/fsck.ts';
import { collectGarbage } from '../../../../src/registry/server/gc.ts';
import { CHANGES_KEPT } from '../../../../src/registry/server/limits.ts';
import { bundle, gzipOnly, Served, sha256 } from './served.ts';

let served: Served;
beforeEach(async () => {
  served = await Served.start();
  served.checkBundle = gzipOnly;
});
afterEach(() => served.dispose());

const ONE = bundle('one');
const TWO = bundle('two');
const THREE = bundle('three');
const [V1, V2, V3] = [ONE, TWO, THREE].map(sha256) as [string, string, string];

async function names(): Promise<string[]> {
  const { lambdas } = (await served.get('/-/lambdas')).json;
  return lambdas.map(({ name, version }: { name: string; version: string }) => `${name} ${version.slice(0, 6)}`);
}

async function versions(name: string): Promise<string[]> {
  const { json } = await served.get(`/-/lambdas/${name}/versions`);
  return json.versions.map((one: { version: string; current: boolean }) => `${one.version}${one.current ? ' *' : ''}`);
}

const post = (path: string, body = '') => served.ask({ method: 'POST', path, body });
const remove = (path: string) => served.ask({ method: 'DELETE', path });

describe('a bundle at the top of the bucket', () => {
  test('is a lambda, and each upload a version of it', async () => {
    expect((await served.put('/registry/hello.tar.gz', ONE)).headers['x-isla-version']).toBe(V1);
    await served.put('/registry/hello.tar.gz', TWO);
    expect(await names()).toEqual([`hello ${V2.slice(0, 6)}`]);
    expect(await versions('hello')).toEqual([`${V2} *`, V1]);
    const facts = (await served.get('/-/lambdas/hello')).json;
    expect(facts).toEqual({
      name: 'hello',
      version: V2,
      size: TWO.length,
      key: 'hello.tar.gz',
      uploaded: expect.stringMatching(/^\d{4}-.*Z$/),
    });
    const old = await served.get(`/-/lambdas/hello/versions/${V1}/bundle`);
    expect(old.bytes).toEqual(ONE);
    expect((await served.get('/registry/hello.tar.gz')).headers['x-isla-version']).toBe(V2);
  });

  test('that can not be a lambda is refused with the reason, and nothing has changed', async () => {
    await served.put('/registry/hello.tar.gz', ONE);
    const bad = await served.put('/registry/hello.tar.gz', 'no bundle');
    expect([bad.status, bad.text]).toEqual([400, expect.stringContaining('<Code>InvalidBundle</Code>')]);
    expect(bad.text).toContain('hello.tar.gz can not be a lambda: it is no archive; it is something else');
    expect((await served.put('/registry/a%20b.zip', ONE)).text).toContain(
      '&quot;a b&quot; is not the name of a lambda',
    );
    await served.put('/registry/loose/notes', 'no bundle');
    const copied = await served.put('/registry/copy.zip', '', { 'x-amz-copy-source': '/registry/loose/notes' });
    expect(copied.text).toContain('InvalidBundle');
    expect(await versions('hello')).toEqual([`${V1} *`]);
    expect((await served.get('/registry/hello.tar.gz')).bytes).toEqual(ONE);
    expect(readdirSync(join(served.dir, 'tmp'))).toEqual([]);
  });

  test('takes the place of one in another format', async () => {
    await served.put('/registry/hello.tar.gz', ONE);
    await served.put('/registry/hello.zip', TWO);
    expect((await served.get('/registry')).text.match(/<Key>.*?<\/Key>/g)).toEqual(['<Key>hello.zip</Key>']);
    expect(await versions('hello')).toEqual([`${V2} *`, V1]);
  });

  test('deploys nothing in a folder, nor in another bucket', async () => {
    await served.put('/registry/a/hello.tar.gz', 'anything');
    await served.ask({ method: 'PUT', path: '/other' });
    await served.put('/other/hello.tar.gz', 'anything');
    expect(await names()).toEqual([]);
  });

  test('that is deleted takes the lambda away, and a rollback brings it back', async () => {
    await served.put('/registry/hello.tar.gz', ONE);
    await remove('/registry/hello.tar.gz');
    expect((await served.get('/-/lambdas/hello')).status).toBe(404);
    expect(await versions('hello')).toEqual([V1]);
    expect((await post('/-/lambdas/hello/rollback')).json).toMatchObject({ version: V1, key: 'hello.tar.gz' });
    expect((await served.get('/registry/hello.tar.gz')).bytes).toEqual(ONE);
  });

  test('is copied to another lambda', async () => {
    await served.put('/registry/hello.tar.gz', ONE);
    const copied = await served.put('/registry/hallo.tgz', '', { 'x-amz-copy-source': 'registry/hello.tar.gz' });
    expect(copied.headers['x-isla-version']).toBe(V1);
    expect(await names()).toEqual([`hallo ${V1.slice(0, 6)}`, `hello ${V1.slice(0, 6)}`]);
  });

  test('comes in parts, too', async () => {
    const begun = await post('/registry/big.tar.gz?uploads');
    const id = /<UploadId>(.*)<\/UploadId>/.exec(begun.text)?.[1];
    const parts = [Buffer.concat([ONE, Buffer.alloc(5 * 1024 * 1024)]), Buffer.from('the rest')];
    const etags: (string | undefined)[] = [];
    for (const [at, part] of parts.entries()) {
      const put = await served.put(`/registry/big.tar.gz?uploadId=${id}&partNumber=${at + 1}`, part);
      etags.push(put.headers.etag);
    }
    const list = (order: number[]) =>
      `<CompleteMultipartUpload>${order.map((at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${etags[at]}</ETag></Part>`).join('')}</CompleteMultipartUpload>`;
    const complete = (body: string) => post(`/registry/big.tar.gz?uploadId=${id}`, body);
    expect((await complete(list([1, 0]))).text).toContain('InvalidPartOrder');
    expect((await complete(list([0]).replace(/"[0-9a-f]+"/, '"00"'))).text).toContain('InvalidPart');
    expect((await complete('<Complete')).text).toContain('MalformedXML');
    const done = await complete(list([0, 1]));
    expect(done.headers['x-isla-version']).toBe(sha256(Buffer.concat(parts)));
    expect(done.text).toMatch(/<ETag>&quot;[0-9a-f]{32}-2&quot;<\/ETag>/);
    expect((await complete(list([0, 1]))).text).toContain('NoSuchUpload');
    expect(readdirSync(join(served.dir, 'parts'))).toEqual([]);
  });
});

describe('a rollback', () => {
  beforeEach(async () => {
    for (const one of [ONE, TWO, THREE]) await served.put('/registry/hello.tar.gz', one);
  });

  test('goes one version back, and one more', async () => {
    expect((await post('/-/lambdas/hello/rollback')).json.version).toBe(V2);
    expect((await served.get('/registry/hello.tar.gz')).bytes).toEqual(TWO);
    expect((await post('/-/lambdas/hello/rollback', '{}')).json.version).toBe(V1);
    expect((await post('/-/lambdas/hello/rollback')).json).toMatchObject({ errorType: 'NoSuchVersion' });
    expect(await versions('hello')).toEqual([V3, V2, `${V1} *`]);
  });

  test('goes to the version that is named, or begins so', async () => {
    expect((await post('/-/lambdas/hello/rollback', JSON.stringify({ version: V1.slice(0, 8) }))).json.version).toBe(
      V1,
    );
    expect((await post('/-/lambdas/hello/rollback', JSON.stringify({ version: V3 }))).json.version).toBe(V3);
    expect((await post('/-/lambdas/hello/rollback', JSON.stringify({ version: V1.slice(0, 5) }))).status).toBe(404);
    expect((await post('/-/lambdas/hello/rollback', '{"version": 1}')).status).toBe(400);
    expect((await post('/-/lambdas/nothing/rollback')).json).toMatchObject({ errorType: 'NoSuchLambda' });
  });
});

describe('changes', () => {
  const since = (seq: number, more = '&wait_ms=0') => served.get(`/-/changes?since=${seq}${more}`);

  test('are told in order, each once', async () => {
    const { seq, epoch } = (await served.get('/-/lambdas')).json;
    await served.put('/registry/a.tar.gz', ONE);
    await served.put('/registry/a.tar.gz', ONE);
    await served.put('/registry/b.tar.gz', TWO);
    await remove('/-/lambdas/a');
    const told = (await since(seq)).json;
    expect(told.changes).toEqual([
      { seq: seq + 1, name: 'a', version: V1 },
      { seq: seq + 2, name: 'b', version: V2 },
      { seq: seq + 3, name: 'a', version: null },
    ]);
    expect((await since(told.seq)).json).toEqual({ epoch, seq: told.seq, changes: [] });
  });

  test('wake those who wait', async () => {
    const waiting = Promise.all([since(0, ''), since(0, '')]);
    await expect.poll(() => served.logged.length).toBe(0);
    await served.put('/registry/a.tar.gz', ONE);
    for (const { json } of await waiting) expect(json.changes).toEqual([{ seq: 1, name: 'a', version: V1 }]);
  });

  test('of another store, or too long ago, are to be listed anew', async () => {
    expect((await since(7)).json).toMatchObject({ reset: true, changes: [] });
    expect((await since(0, '&epoch=other')).json).toMatchObject({ reset: true });
    await served.put('/registry/a.tar.gz', ONE);
    await served.put('/registry/a.tar.gz', TWO);
    await served.store.change(() => {
      for (let at = 0; at < CHANGES_KEPT; at += 1) served.store.lambdas.point('a', at % 2 === 0 ? V1 : V2);
    });
    expect((await since(1)).json).toMatchObject({ reset: true });
    expect((await since(CHANGES_KEPT)).json.changes).toHaveLength(2);
  });

  test('are asked for with numbers', async () => {
    expect((await served.get('/-/changes')).status).toBe(400);
    expect((await since(0, '&wait_ms=60001')).status).toBe(400);
    expect((await served.get('/-/nothing')).status).toBe(400);
    expect((await served.ask({ method: 'PUT', path: '/-/lambdas' })).status).toBe(405);
  });
});

describe('what is stored', () => {
  beforeEach(async () => {
    for (const one of [ONE, TWO, THREE]) await served.put('/registry/hello.tar.gz', one);
    await served.put('/registry/loose/notes', 'notes');
  });
  const fsck = () => checkStore(served.dir, Date.now());
  const blob = (sha: string) => join(served.dir, 'blobs', sha);

  test('is found whole beside a server that runs', async () => {
    expect(await fsck()).toMatchObject({ blobs: 4, objects: 2, versions: 3, damage: [], orphans: [] });
  });

  test('is found damaged where it is, and mended by the same upload', async () => {
    truncateSync(blob(V1), 3);
    unlinkSync(blob(V2));
    writeFileSync(blob(V3), Buffer.alloc(THREE.length));
    const damage = (await fsck()).damage.sort();
    const said = (sha: string) => damage.find((line) => line.includes(sha));
    expect(said(V1)).toMatch(/\(a version of lambda hello\): its file has 3 bytes, not \d+/);
    expect(said(V2)).toMatch(/its file is gone; upload the same bytes again/);
    expect(said(V3)).toMatch(
      /object registry\/hello\.tar\.gz, a version of lambda hello.*not those that were uploaded/,
    );
    for (const one of [ONE, TWO, THREE]) await served.put('/registry/hello.tar.gz', one);
    expect((await fsck()).damage).toEqual([]);
  });

  test('is rid of what nothing refers to, and of old versions when that is asked', async () => {
    const stray = 'ab'.repeat(32);
    for (const path of [`blobs/${stray}`, 'parts/stray', 'tmp/old', 'tmp/new'])
      writeFileSync(join(served.dir, path), 'x');
    utimesSync(join(served.dir, 'tmp/old'), 1, 1);
    expect((await fsck()).orphans.sort()).toEqual([`blobs/${stray}`, 'parts/stray', 'tmp/old']);
    const order = { dir: served.dir, nowMs: Date.now() };
    expect(await collectGarbage({ ...order, keep: undefined })).toMatchObject({ versions: 0, files: 3, bytes: 3 });
    await post('/-/lambdas/hello/rollback', JSON.stringify({ version: V1 }));
    expect(await collectGarbage({ ...order, keep: 1 })).toMatchObject({ versions: 1, files: 1, bytes: TWO.length });
    expect(await versions('hello')).toEqual([V3, `${V1} *`]);
    expect(await collectGarbage({ ...order, keep: 0 })).toMatchObject({ versions: 1 });
    expect((await served.get('/registry/hello.tar.gz')).bytes).toEqual(ONE);
    expect(await fsck()).toMatchObject({ versions: 1, damage: [], orphans: [] });
  });

  test('is rid of uploads that were given up', async () => {
    const begun = await post('/registry/big?uploads');
    const id = /<UploadId>(.*)<\/UploadId>/.exec(begun.text)?.[1];
    await served.put(`/registry/big?uploadId=${id}&partNumber=1`, 'part');
    expect(await collectGarbage({ dir: served.dir, keep: undefined, nowMs: Date.now() })).toMatchObject({ uploads: 0 });
    const nextMonth = Date.now() + 30 * 24 * 3_600_000;
    expect(await collectGarbage({ dir: served.dir, keep: undefined, nowMs: nextMonth })).toMatchObject({
      uploads: 1,
      files: 1,
    });
  });

  test('is there when the server has ended and begun again, but for what was not finished', async () => {
    writeFileSync(join(served.dir, 'tmp/unfinished'), 'half');
    const { epoch } = (await served.get('/-/lambdas')).json;
    await served.close();
    await served.open();
    expect((await served.get('/-/lambdas')).json).toMatchObject({ epoch, seq: 3, lambdas: [{ version: V3 }] });
    expect((await served.get('/registry/loose/notes')).text).toBe('notes');
    expect(readdirSync(join(served.dir, 'tmp'))).toEqual([]);
  });
});

describe('the document of a function that an API made', () => {
  const PLACE = '/registry/~functions/made/function.json';
  const functions = async () => (await served.get('/-/lambdas?functions=yes')).json.functions;
  const changes = async (query: string) => {
    const { json } = await served.get(`/-/changes?since=0&wait_ms=0${query}`);
    return json.changes.map(({ seq: _, ...change }: { seq: number }) => change);
  };

  test('is told to those who know what it is, and passed over for others', async () => {
    await served.put(PLACE, 'one');
    await served.put('/registry/~functions/made/code.zip', 'anything');
    await served.put('/registry/~functions/made/more/function.json', 'anything');
    await served.put('/registry/hello.tar.gz', ONE);
    await served.put(PLACE, 'two');
    expect(await functions()).toEqual([{ name: 'made', document: sha256('two') }]);
    expect((await served.get('/-/lambdas')).json).not.toHaveProperty('functions');
    await served.ask({ method: 'DELETE', path: PLACE });
    expect(await functions()).toEqual([]);
    expect(await changes('&functions=yes')).toEqual([
      { function: 'made', document: sha256('one') },
      { name: 'hello', version: V1 },
      { function: 'made', document: sha256('two') },
      { function: 'made', document: null },
    ]);
    expect(await changes('')).toEqual([{ name: 'hello', version: V1 }]);
    // Also who is told nothing gets on.
    expect((await served.get('/-/changes?since=2&wait_ms=0')).json).toMatchObject({ seq: 4, changes: [] });
  });

  test('and a bundle can not have one name, in whatever way it comes', async () => {
    await served.put('/registry/hello.tar.gz', ONE);
    await served.put('/registry/hello.tar.gz', TWO);
    const taken = { status: 409, text: expect.stringContaining('<Code>NameTaken</Code>') };
    expect(await served.put('/registry/~functions/hello/function.json', '{}')).toMatchObject(taken);
    await remove('/-/lambdas/hello');
    expect((await served.put('/registry/~functions/hello/function.json', '{}')).status).toBe(200);
    expect(await served.put('/registry/hello.zip', ONE)).toMatchObject(taken);
    await served.put('/registry/folder/bundle', ONE);
    const copied = await served.put('/registry/hello.tgz', '', { 'x-amz-copy-source': '/registry/folder/bundle' });
    expect(copied).toMatchObject(taken);
    const back = await post('/-/lambdas/hello/rollback', JSON.stringify({ version: V1 }));
    expect([back.status, back.json.errorType]).toEqual([409, 'NameTaken']);
    expect(await names()).toEqual([]);
    await remove('/registry/~functions/hello/function.json');
    expect((await post('/-/lambdas/hello/rollback', JSON.stringify({ version: V1 }))).status).toBe(200);
  });
});
