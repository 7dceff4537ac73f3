/** Functions in a registry that workers share, when something ends in the middle, is too large, or is not what it should be. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { succeeded } from './admin.ts';
import { request, TestCluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { ForeignStore } from './foreign-store.ts';
import { TestRegistry } from './registry.ts';

const SLOW = { timeout: 240_000 };

let cluster: TestCluster;
let registry: TestRegistry;
beforeAll(async () => {
  cluster = await TestCluster.make();
  registry = await TestRegistry.start(cluster);
  await cluster.startWorkers(2);
}, 120_000);
afterAll(() => cluster?.dispose());

/** Zip files in base64, each made by a line of Python that has `archive`. */
function zips(...lines: string[]): string[] {
  const script = `import base64, io, json, os, sys, zipfile
made = []
for line in json.load(sys.stdin):
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        exec(line)
    made.append(base64.b64encode(memory.getvalue()).decode())
print(json.dumps(made))`;
  return JSON.parse(
    execFileSync('python3', ['-c', script], { input: JSON.stringify(lines), maxBuffer: 1 << 30 }).toString(),
  );
}

const says = (text: string) => `archive.writestr("f.py", "def handler(event):\\n    return '${text}'\\n")`;

function api(worker: number, method: string, path: string, body?: object, on = cluster) {
  return request(`${on.url(worker)}/2015-03-31/functions${path}`, {
    method,
    ...(body && { body: JSON.stringify(body) }),
  });
}

const make = (worker: number, FunctionName: string, ZipFile: string | undefined, on = cluster) =>
  api(worker, 'POST', '', { FunctionName, Handler: 'f.handler', Code: { ZipFile } }, on);

/** As AWS's clients see it. */
function sumOf(zip: string): string {
  return createHash('sha256').update(Buffer.from(zip, 'base64')).digest('base64');
}

async function objectsOf(lambda: string): Promise<string[]> {
  const { bytes } = await registry.send('GET', `/registry?list-type=2&prefix=~functions%2F${lambda}%2F`);
  return [...bytes.toString().matchAll(/<Key>(.*?)<\/Key>/g)].map(([, key = '']) => key.split('/')[2] as string);
}

test('a worker that is killed in the middle of a change has done it, or not begun', SLOW, async () => {
  const rounds = [0, 3, 6, 12, 25, 50];
  const texts = [...Array(3 * rounds.length + 1).keys()].map(String);
  const codes = zips(...texts.map(says));
  expect((await make(0, 'steady', codes[0])).status).toBe(201);
  expect((await api(0, 'POST', '/steady/versions', {})).status).toBe(201);
  let next = 0;
  const change = (worker: number) => {
    next += 1;
    return api(worker, 'PUT', '/steady/code', { ZipFile: codes[next] });
  };
  for (const killAfterMs of rounds) {
    expect((await change(1)).status).toBe(200);
    const cut = change(1).catch(() => undefined);
    await delay(killAfterMs);
    process.kill(cluster.workerPid(1), 'SIGKILL');
    // What it has sent may arrive when it is no more: until the next change, the function is the one or the other.
    const may = (await cut)?.status === 200 ? [next] : [next - 1, next];
    expect(may.map(String)).toContain((await cluster.call('steady')).json);
    const { CodeSha256 } = (await api(0, 'GET', '/steady/configuration')).json;
    expect(may.map((at) => sumOf(codes[at] as string))).toContain(CodeSha256);
    expect((await cluster.call('steady~1')).json).toBe('0');
    expect((await change(0)).status).toBe(200);
    await cluster.startWorkers(2);
    expect((await cluster.call('steady', {}, 1)).json).toBe(`${next}`);
    expect((await cluster.call('steady~1', {}, 1)).json).toBe('0');
    expect(readdirSync(join(cluster.dir, 'workers/worker-1/uploads'))).toEqual(['.isla-code']);
  }
  // Each that was killed may have left one.
  expect((await objectsOf('steady')).length).toBeLessThanOrEqual(3 + rounds.length);
});

test('without the registry what is there runs, and changes are refused as faults of the service', SLOW, async () => {
  const [one, two] = zips(says('one'), says('two'));
  expect((await make(0, 'lasting', one)).status).toBe(201);
  expect((await api(0, 'POST', '/lasting/aliases', { Name: 'prod', FunctionVersion: '$LATEST' })).status).toBe(201);
  const runs = async () => {
    const answers = [0, 1].map((worker) => api(worker, 'POST', '/lasting/invocations?Qualifier=prod', {}));
    return (await Promise.all(answers)).map(({ status, json }) => [status, json]);
  };
  expect(await runs()).toEqual(Array(2).fill([200, 'one']));
  process.kill(registry.pid(), 'SIGKILL');
  await eventually(async () => expect((await api(0, 'GET', '/')).status).toBe(500));
  expect(await runs()).toEqual(Array(2).fill([200, 'one']));
  for (const refused of [
    await api(0, 'GET', '/'),
    await api(1, 'GET', '/lasting'),
    await api(0, 'PUT', '/lasting/code', { ZipFile: two }),
    await api(1, 'DELETE', '/lasting'),
    await make(1, 'another', two),
  ]) {
    expect([refused.status, refused.headers.get('x-amzn-errortype')]).toEqual([500, 'ServiceException']);
    expect(refused.json.Message).toContain('does not answer');
  }
  expect(await runs()).toEqual(Array(2).fill([200, 'one']));
  registry = await TestRegistry.start(cluster, registry);
  await eventually(async () => expect((await api(0, 'PUT', '/lasting/code', { ZipFile: two })).status).toBe(200));
  await eventually(async () => expect(await runs()).toEqual(Array(2).fill([200, 'two'])));
});

test('names are those of lambdas, whatever they look like', SLOW, async () => {
  const [code] = zips(says('here'));
  const names = [
    'function.json',
    'probe',
    'x.zip',
    'a..b',
    'constructor',
    '__proto__',
    'n'.repeat(64),
    'UPPER',
    'upper',
  ];
  for (const name of names) {
    expect((await make(0, name, code)).status, name).toBe(201);
    expect((await cluster.call(name, {}, 1)).json, name).toBe('here');
    expect(await objectsOf(name), name).toHaveLength(2);
  }
  const { Functions } = (await api(1, 'GET', '/?MaxItems=1000')).json;
  expect(Functions.map(({ FunctionName }: { FunctionName: string }) => FunctionName)).toEqual(
    expect.arrayContaining(names),
  );
  for (const name of names) expect((await api(1, 'DELETE', `/${name}`)).status, name).toBe(204);
  for (const name of names) expect([name, await objectsOf(name)]).toEqual([name, []]);
  for (const name of ['..', '.', '~functions', 'a~1', 'a/b', 'a b', 'n'.repeat(65), '']) {
    const refused = await make(0, name, code);
    expect([name, refused.status, refused.headers.get('x-amzn-errortype')]).toEqual([
      name,
      400,
      'InvalidParameterValueException',
    ]);
  }
  expect((await api(0, 'GET', '/..%2F..%2Fregistry')).status).toBe(400);
});

test('what is made to harm is refused; twenty large ones at once are taken', SLOW, async () => {
  const bad = zips(
    `archive.writestr("f.py", bytes(300_000_000))`,
    `[archive.writestr(f"{at}.py", "") for at in range(10_001)]`,
    `archive.writestr("../f.py", "")`,
    `archive.writestr("/etc/f.py", "")`,
    `archive.writestr("other.py", "")`,
    'None',
  );
  for (const ZipFile of [...bad, 'AAAA', '', undefined]) {
    const refused = await make(1, 'harmful', ZipFile);
    expect([refused.status, refused.headers.get('x-amzn-errortype')]).toEqual([400, 'InvalidParameterValueException']);
  }
  expect((await cluster.call('harmful')).status).toBe(404);
  expect(await objectsOf('harmful')).toEqual([]);

  const [heavy] = zips(`${says('heavy')}; archive.writestr("data", os.urandom(3_000_000))`);
  const turns = [...Array(20).keys()];
  const made = await Promise.all(turns.map((turn) => make(turn % 2, `heavy-${turn}`, heavy)));
  expect(made.map(({ status }) => status)).toEqual(turns.map(() => 201));
  const answers = await Promise.all(turns.map((turn) => cluster.call(`heavy-${turn}`, {}, (turn + 1) % 2)));
  expect(answers.map(({ json }) => json)).toEqual(turns.map(() => 'heavy'));
  const removed = await Promise.all(turns.map((turn) => api(turn % 2, 'DELETE', `/heavy-${turn}`)));
  expect(removed.map(({ status }) => status)).toEqual(turns.map(() => 204));
  for (const worker of [0, 1]) {
    await eventually(() =>
      expect(readdirSync(join(cluster.dir, `workers/worker-${worker}/uploads`))).toEqual(['.isla-code']),
    );
  }
});

test('a store that takes no notice of conditions runs what was uploaded, and is told of', SLOW, async () => {
  const store = new ForeignStore();
  await store.start();
  const other = await TestCluster.make({ settings: store.settings() });
  try {
    store.writeKeys(other.dir);
    other.install('hello', 'def handler(event):\n    return "uploaded"\n');
    const bundle = join(other.dir, 'registry/hello');
    succeeded(await other.admin('upload', '--handler=hello', `--file=${bundle}`), 'upload');
    await other.startWorkers(1);
    const refused = await make(0, 'made', zips(says('x'))[0], other);
    expect([refused.status, refused.headers.get('x-amzn-errortype')]).toEqual([400, 'InvalidParameterValueException']);
    expect(refused.json.Message).toContain('takes no notice of conditions');
    const { Functions } = (await api(0, 'GET', '/', undefined, other)).json;
    expect(Functions.map(({ FunctionName }: { FunctionName: string }) => FunctionName)).toEqual(['hello']);
    expect((await api(0, 'POST', '/hello/invocations', {}, other)).json).toBe('uploaded');
    expect((await other.call('made')).status).toBe(404);
  } finally {
    await other.dispose();
    await store.dispose();
  }
});
