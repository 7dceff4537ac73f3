import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import S3rver from 's3rver';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DEFAULT_TERMS } from '../../../src/config/lambda-spec.ts';
import { deferred } from '../../../src/lib/deferred.ts';
import { RegistryClient } from '../../../src/registry/client.ts';
import { FunctionBundles } from '../../../src/registry/function-bundles.ts';
import { RemoteSource } from '../../../src/registry/remote.ts';
import { StoreConditions } from '../../../src/registry/remote-conditions.ts';
import { RemoteDocuments } from '../../../src/registry/remote-documents.ts';
import { RemoteFunctions } from '../../../src/registry/remote-functions.ts';
import { StoreObjects } from '../../../src/registry/remote-objects.ts';
import { StoreRequests } from '../../../src/registry/remote-request.ts';
import type { RemoteStore } from '../../../src/registry/remote-store.ts';
import { type LambdaName, versionName } from '../../../src/registry/source.ts';
import { scratchDir } from '../scratch-dir.ts';
import { zip } from './archives.ts';
import { KEYS, Served } from './server/served.ts';

const SHOP = 'shop' as LambdaName;
const DAY_MS = 24 * 3_600_000;

let home: string;
let served: Served;
let way: Way;
let workers: TestWorker[];
let logged: string[];

const log = (_level: string, message: string, facts?: object) => {
  logged.push(`${message} ${JSON.stringify(facts ?? {})}`);
};

/** What is done with a request on its way: passed on, answered with a status, or passed on and its answer lost. */
type Fate = 'pass' | 'lose' | number;

/** The way to the registry, on which its own API may be missing. */
class Way {
  /** Whether the store is to look like any other. */
  plain = false;
  fate: (incoming: IncomingMessage) => Fate = () => 'pass';
  /** What an answer waits for on its way back. */
  hold: (incoming: IncomingMessage) => Promise<void> | undefined = () => undefined;
  readonly #server: Server;

  constructor() {
    this.#server = createServer((incoming, outgoing) => {
      const fate = this.plain && incoming.url?.startsWith('/-/') ? 404 : this.fate(incoming);
      if (typeof fate === 'number') {
        incoming.resume().once('end', () => outgoing.writeHead(fate).end());
        return;
      }
      const { method, headers, url = '/' } = incoming;
      const held = this.hold(incoming);
      const asked = request(served.url(url), { method, headers }, async (answer) => {
        await held;
        if (fate === 'lose') answer.resume().once('end', () => outgoing.destroy());
        else answer.pipe(outgoing.writeHead(answer.statusCode ?? 502, answer.headers));
      });
      asked.once('error', () => outgoing.destroy());
      incoming.pipe(asked);
    });
  }

  async open(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  store(): RemoteStore {
    const server = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return { server, region: 'anywhere', bucket: 'registry', addressing: 'path', credentials: KEYS };
  }
}

/** As much of a worker as has to do with functions. */
class TestWorker {
  readonly source: RemoteSource;
  readonly functions: RemoteFunctions;
  readonly bundles: FunctionBundles;
  readonly dir = join(home, `uploads-${Math.random()}`);
  readonly #uploads: RegistryClient;

  constructor(store: RemoteStore, cacheMs = 0) {
    const requests = new StoreRequests(store);
    const terms = DEFAULT_TERMS;
    const objects = new StoreObjects(store, requests);
    const documents = new RemoteDocuments({ store, requests, cacheMs, log });
    this.bundles = new FunctionBundles({
      objects,
      requests,
      dir: this.dir,
      terms,
      log,
    });
    const codeDir = join(home, `code-${Math.random()}`);
    this.source = new RemoteSource({ store, requests, documents, codeDir, cacheMs, log, onChange: () => {} });
    this.#uploads = new RegistryClient(store);
    this.functions = new RemoteFunctions({
      conditions: new StoreConditions(store, objects),
      documents,
      bundles: this.bundles,
      uploads: this.#uploads,
      terms,
      look: (lambda) => this.source.function(lambda),
      specOf: async () => undefined,
    });
    workers.push(this);
  }

  /** What the code says, or why it can not be had. */
  async code(lambda: LambdaName = SHOP): Promise<string> {
    const version = await this.source.current(lambda);
    if (version === undefined) return 'none';
    this.source.release(version);
    return readFileSync(join(version.dir, 'lambda_func.py'), 'utf8');
  }

  async make(text: string, lambda = SHOP): Promise<void> {
    await this.functions.create(lambda, code(text), { facts: {}, wishes: {} });
  }

  async close(): Promise<void> {
    await this.bundles.close();
    this.#uploads.close();
    await this.source.close();
    // What was unpacked to look at it is gone.
    expect(readdirSync(this.dir)).toEqual(['.isla-code']);
  }
}

function code(text: string): Buffer {
  return zip([{ name: 'lambda_func.py', body: text }]);
}

beforeEach(async () => {
  home = mkdtempSync(join(scratchDir(), 'isla-functions-'));
  workers = [];
  logged = [];
  served = await Served.start();
  way = new Way();
  await way.open();
});
afterEach(async () => {
  for (const worker of workers) await worker.close();
  await way.close();
  await served.dispose();
  rmSync(home, { recursive: true });
});

async function objects(lambda = SHOP): Promise<string[]> {
  const { text } = await served.get(`/registry?list-type=2&prefix=~functions/${lambda}/`);
  return [...text.matchAll(/<Key>(.*?)<\/Key>/g)].map(([, key = '']) => key.split('/')[2] as string);
}

const isDocument = ({ method, url = '' }: IncomingMessage) => method === 'PUT' && url.endsWith('function.json');

describe.each([
  ['Isla’s own registry', false],
  ['any other store', true],
])('in %s', (_, plain) => {
  beforeEach(() => {
    way.plain = plain;
  });

  test('what one worker has changed, every other runs at once', async () => {
    const [one, two] = [new TestWorker(way.store()), new TestWorker(way.store())];
    await one.make('0');
    for (let round = 1; round <= 20; round += 1) {
      expect(await Promise.all([one.code(), two.code()])).toEqual([`${round - 1}`, `${round - 1}`]);
      await (round % 2 ? one : two).functions.replaceCode(SHOP, code(`${round}`), {});
    }
    expect(await one.functions.publish(SHOP, {})).toBe('1');
    await two.functions.replaceCode(SHOP, code('last'), {});
    expect(await Promise.all([one.code(versionName(SHOP, '1')), two.code(versionName(SHOP, '1'))])).toEqual([
      '20',
      '20',
    ]);
    expect(await objects()).toHaveLength(3);
    await one.functions.remove(SHOP, '1');
    expect(await Promise.all([one.code(versionName(SHOP, '1')), two.code(versionName(SHOP, '1'))])).toEqual([
      'none',
      'none',
    ]);
    expect(await objects()).toHaveLength(2);
    await two.functions.remove(SHOP);
    expect(await Promise.all([one.code(), two.code()])).toEqual(['none', 'none']);
    expect(await objects()).toEqual([]);
  });

  test('what is said apart from the code is laid over it, and the code stays as it is', async () => {
    const worker = new TestWorker(way.store());
    await worker.make('x');
    const before = await objects();
    await worker.functions.configure(SHOP, { facts: {}, wishes: { memory_mb: 200 } }, {});
    const version = await worker.source.current(SHOP);
    expect(version?.config.limits.memory_mb).toBe(200);
    if (version !== undefined) worker.source.release(version);
    expect(await objects()).toEqual(before);
    expect(await worker.functions.publish(SHOP, {})).toBe('1');
    await worker.functions.configure(SHOP, { facts: {}, wishes: { memory_mb: 300 } }, {});
    expect(await worker.functions.publish(SHOP, {})).toBe('2');
    const both = await worker.functions.versions(SHOP);
    expect(both.map(({ spec }) => spec?.limits.memory_mb)).toEqual([200, 300]);
    expect(await objects()).toEqual(before);
    const wrong = worker.functions.configure(SHOP, { facts: {}, wishes: { handler: 'nowhere.handler' } }, {});
    await expect(wrong).rejects.toMatchObject({ code: 'lambda-invalid' });
  });

  test('changes at the same time are all there in the end', async () => {
    const all = [1, 2, 3, 4].map(() => new TestWorker(way.store()));
    await all[0]?.make('x');
    const turns = [...Array(40).keys()];
    const said = { version: '$LATEST', description: '' };
    await Promise.all(turns.map((turn) => all[turn % 4]?.functions.createAlias(SHOP, `alias-${turn}`, said)));
    expect((await all[0]?.functions.aliases(SHOP))?.size).toBe(40);
    const revision = (await all[0]?.functions.find(SHOP))?.revision;
    const changes = turns.map((turn) => all[turn % 4]?.functions.replaceCode(SHOP, code(`${turn}`), { revision }));
    const ends = await Promise.allSettled(changes);
    expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const end of ends) if (end.status === 'rejected') expect(end.reason).toMatchObject({ code: 'revision-old' });
    // Nobody's code is left of those that were refused.
    expect(await objects()).toHaveLength(2);
    const made = await Promise.allSettled(turns.map((turn) => all[turn % 4]?.make(`${turn}`, 'new' as LambdaName)));
    expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await objects('new' as LambdaName)).toHaveLength(2);
  });

  test('an answer that is lost on the way is looked for', async () => {
    const worker = new TestWorker(way.store());
    way.fate = (incoming) => (isDocument(incoming) ? 'lose' : 'pass');
    await worker.make('x');
    await worker.functions.createAlias(SHOP, 'prod', { version: '$LATEST', description: '' });
    await worker.functions.replaceCode(SHOP, code('y'), {});
    way.fate = () => 'pass';
    expect([await worker.code(), (await worker.functions.aliases(SHOP)).size]).toEqual(['y', 1]);
    expect(await objects()).toHaveLength(2);
  });

  test('what was cut off before the document was written is not to be seen, and goes after a day', async () => {
    const worker = new TestWorker(way.store());
    const kept = 'kept' as LambdaName;
    await worker.make('kept', kept);
    way.fate = (incoming) => (isDocument(incoming) ? 503 : 'pass');
    const unreachable = { code: 'registry-unreachable' };
    await expect(worker.make('x')).rejects.toMatchObject(unreachable);
    await expect(worker.functions.replaceCode(kept, code('y'), {})).rejects.toMatchObject(unreachable);
    way.fate = () => 'pass';
    expect([await worker.code(), await worker.code(kept)]).toEqual(['none', 'kept']);
    expect((await worker.functions.list()).map(({ lambda }) => lambda)).toEqual(['kept']);
    const sizes = async () => [await objects(), await objects(kept)].map((all) => all.length);
    expect(await sizes()).toEqual([1, 3]);
    const at = new Date(Date.now() - 2 * DAY_MS);
    served.nowMs = () => at.getTime();
    for (const name of ['shop', 'kept']) {
      await served.ask({ method: 'PUT', path: `/registry/~functions/${name}/old.zip`, body: 'x', at });
    }
    served.nowMs = Date.now;
    expect(await sizes()).toEqual([2, 4]);
    // Nobody knows whether somebody is about to name what came lately.
    await worker.functions.configure(kept, { facts: { description: 'x' }, wishes: {} }, {});
    await worker.bundles.tidyNameless();
    expect(await sizes()).toEqual([1, 3]);
    await worker.make('after all');
    expect(await worker.code()).toBe('after all');
  });

  test('a document that is none is told, and the others go on', async () => {
    const worker = new TestWorker(way.store());
    await worker.make('x');
    const real = (await served.get('/registry/~functions/shop/function.json')).json;
    const lie = { version: '1', description: '', revision: 'r' };
    const wrong = [
      '',
      '{',
      '[]',
      '{}',
      { ...real, bundle: '../../other.zip' },
      { ...real, versions: { 1: { ...real, bundle: 'x' } } },
      { ...real, aliases: 1 },
      { ...real, aliases: { x: { ...lie, version: '../../x' } } },
      { ...real, aliases: { x: { ...lie, also: { version: '../../x', weight: 1 } } } },
      { ...real, versions: { '../../x': real } },
      { ...real, facts: { codeSha256: 1 } },
      { ...real, facts: { codeSha256: { length: 4_000_000_000 } } },
      { ...real, facts: { description: {} } },
      { ...real, modifiedMs: 1e300 },
      JSON.stringify({ ...real, own: 'deep' }).replace('"deep"', `{"env":${'['.repeat(50_000)}${']'.repeat(50_000)}}`),
    ];
    for (const text of wrong) {
      await served.put(
        '/registry/~functions/broken/function.json',
        typeof text === 'string' ? text : JSON.stringify(text),
      );
      const refused = { code: 'registry-refused', message: expect.stringContaining('~functions/broken/function.json') };
      await expect(worker.functions.find('broken' as LambdaName)).rejects.toMatchObject(refused);
      await expect(worker.code('broken' as LambdaName)).rejects.toMatchObject(refused);
      expect((await worker.functions.list()).map(({ lambda }) => lambda)).toEqual(['shop']);
    }
    await served.ask({ method: 'DELETE', path: '/registry/~functions/broken/function.json' });
    expect(await worker.code('broken' as LambdaName)).toBe('none');
    expect(await worker.code()).toBe('x');
    await served.ask({ method: 'DELETE', path: '/registry/~functions/shop/function.json' });
    expect(await worker.code()).toBe('none');
  });

  test('while the store is down what is known goes on, and changes are refused', async () => {
    const worker = new TestWorker(way.store());
    await worker.make('x');
    await worker.functions.createAlias(SHOP, 'prod', { version: '$LATEST', description: '' });
    expect([await worker.code(), (await worker.functions.alias(SHOP, 'prod'))?.version]).toEqual(['x', '$LATEST']);
    way.fate = () => 503;
    expect([await worker.code(), (await worker.functions.alias(SHOP, 'prod'))?.version]).toEqual(['x', '$LATEST']);
    for (const asked of [
      worker.functions.find(SHOP),
      worker.functions.list(),
      worker.functions.replaceCode(SHOP, code('y'), {}),
    ]) {
      await expect(asked).rejects.toMatchObject({ code: 'registry-unreachable' });
    }
    way.fate = () => 'pass';
    await worker.functions.replaceCode(SHOP, code('y'), {});
    expect(await worker.code()).toBe('y');
  });

  test('there may be more of them than one listing tells', { timeout: 120_000 }, async () => {
    const worker = new TestWorker(way.store());
    await worker.make('x');
    const { text } = await served.get('/registry/~functions/shop/function.json');
    const names = [...Array(1_005).keys()].map((at) => `f${at}`);
    await Promise.all(names.map((name) => served.put(`/registry/~functions/${name}/function.json`, text)));
    expect((await worker.functions.list()).map(({ lambda }) => lambda)).toEqual(['shop', ...names].sort());
  });
});

test('code that went while little was known of the store is found anew', async () => {
  way.plain = true;
  const [one, late] = [new TestWorker(way.store()), new TestWorker(way.store(), 3_600_000)];
  await one.make('old');
  await late.source.function(SHOP);
  await one.functions.replaceCode(SHOP, code('new'), {});
  expect(await late.code()).toBe('new');
  await one.functions.replaceCode(SHOP, code('newer'), {});
  expect(await late.code()).toBe('new');
  // Who changes something himself is never told of what was before.
  await late.functions.configure(SHOP, { facts: {}, wishes: { memory_mb: 200 } }, {});
  expect(await late.code()).toBe('newer');
});

test('who may not list is told of what is not there as of what he may not see, and asked for no more', async () => {
  way.plain = true;
  let asked = 0;
  way.fate = ({ url = '' }) => {
    if (!url.startsWith('/registry/~functions/')) return 'pass';
    asked += 1;
    return 403;
  };
  await served.put('/registry/hello.zip', code('uploaded'));
  const worker = new TestWorker(way.store(), 3_600_000);
  for (let call = 0; call < 5; call += 1) expect(await worker.code('hello' as LambdaName)).toBe('uploaded');
  expect(asked).toBe(1);
  const refused = { code: 'registry-refused' };
  await expect(worker.functions.find('hello' as LambdaName)).rejects.toMatchObject(refused);
});

test('a look that was overtaken by a change of one’s own does not bring back what was before', async () => {
  way.plain = true;
  const [worker, other] = [new TestWorker(way.store(), 3_600_000), new TestWorker(way.store())];
  await other.make('x');
  const said = { version: '$LATEST', description: '' };
  const [asked, held] = [deferred<void>(), deferred<void>()];
  // The answer without the alias is on its way for as long as the alias is made.
  way.hold = ({ method, url = '' }) => {
    if (method !== 'GET' || !url.endsWith('function.json')) return undefined;
    way.hold = () => undefined;
    asked.resolve();
    return held.promise;
  };
  const looked = worker.functions.alias(SHOP, 'prod');
  await asked.promise;
  await worker.functions.createAlias(SHOP, 'prod', said);
  held.resolve();
  expect(await looked).toBeUndefined();
  expect(await worker.functions.alias(SHOP, 'prod')).toMatchObject(said);
});

test('a store that takes no notice of conditions is told from others, and has nothing of it left', async () => {
  const directory = join(home, 's3rver');
  const server = new S3rver({
    address: '127.0.0.1',
    port: 0,
    silent: true,
    directory,
    configureBuckets: [{ name: 'registry' }],
  });
  const { port } = await server.run();
  const credentials = { accessKey: 'S3RVER', secretKey: 'S3RVER' };
  const worker = new TestWorker({ ...way.store(), server: `http://127.0.0.1:${port}`, credentials });
  try {
    const refused = { code: 'config-invalid', message: expect.stringContaining('takes no notice of conditions') };
    await expect(worker.make('x')).rejects.toMatchObject(refused);
    expect([await worker.functions.list(), await worker.functions.find(SHOP), await worker.code()]).toEqual([
      [],
      undefined,
      'none',
    ]);
    const { bundles } = worker;
    const before = logged.length;
    await bundles.tidyNameless();
    expect(logged.slice(before)).toEqual([]);
    expect(
      readdirSync(join(directory, 'registry'), { recursive: true }).filter((name) => /probe.*_object/.test(`${name}`)),
    ).toEqual([]);
  } finally {
    await worker.close();
    workers = [];
    await server.close();
  }
});
