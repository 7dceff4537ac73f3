/** Functions that boto3 makes and changes in a registry that several workers share, whichever of them it asks. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { succeeded } from './admin.ts';
import { runBoto } from './aws-clients.ts';
import { request, TestCluster } from './cluster.ts';
import { PlainStore } from './plain-store.ts';
import { BOTO_PYTHONS } from './programs.ts';
import { TestRegistry } from './registry.ts';
import { callRuns, letGo, waitingCode } from './waiting-lambda.ts';

const SLOW = { timeout: 240_000 };

const PRELUDE = `
import base64, io, json, sys, threading, time, zipfile
from concurrent.futures import ThreadPoolExecutor
import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
config = Config(max_pool_connections=50, retries={"max_attempts": 1}, read_timeout=120)
a, b = [boto3.client("lambda", endpoint_url=url, config=config) for url in sys.argv[1:3]]
ROLE = "arn:aws:iam::000000000000:role/r"
def code(text, more=""):
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr("index.py", f'''
import os, time
def handler(event, context):
    {more or "pass"}
    return ["{text}", context.function_name, context.function_version, os.environ.get("MODE"), context.memory_limit_in_mb]
''')
    return memory.getvalue()
def make(client, name, text, **more):
    return client.create_function(FunctionName=name, Runtime="python3.11", Role=ROLE, Handler="index.handler",
                                  Code={"ZipFile": code(text)}, **more)
def call(client, name, **more):
    answer = client.invoke(FunctionName=name, **more)
    return [answer.get("ExecutedVersion"), json.load(answer["Payload"])] + ([answer["FunctionError"]] if "FunctionError" in answer else [])
def refused(operation, **asked):
    try:
        operation(**asked)
    except ClientError as error:
        return [error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"], error.response["Error"]["Message"]]
    return None
def at_once(works):
    start = threading.Barrier(len(works))
    def one(work):
        start.wait()
        return work()
    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(one, works))
said = {}
`;

/** What the script has put into `said`. */
function boto<T>(cluster: TestCluster, script: string): Promise<T> {
  return runBoto<T>(`${PRELUDE}${script}\nprint(json.dumps(said))`, [cluster.url(0), cluster.url(1)]);
}

/** What the registry keeps of a function, by the names below it. */
async function objectsOf(registry: TestRegistry, lambda: string): Promise<string[]> {
  const { bytes } = await registry.send('GET', `/registry?list-type=2&prefix=~functions%2F${lambda}%2F`);
  return [...bytes.toString().matchAll(/<Key>(.*?)<\/Key>/g)].map(([, key = '']) => key.split('/')[2] as string);
}

const KINDS = [
  ['Isla’s own registry', 'own'],
  ['any store that keeps to conditions', 'plain'],
] as const;

describe.skipIf(BOTO_PYTHONS.length === 0).each(KINDS)('in %s', (_, kind) => {
  let cluster: TestCluster;
  let registry: TestRegistry;
  let plain: PlainStore | undefined;
  beforeAll(async () => {
    cluster = await TestCluster.make();
    registry = await TestRegistry.start(cluster);
    if (kind === 'plain') {
      plain = await PlainStore.before(registry.url);
      const settings = { registry_server: plain.url, registry_cache_ms: 0 };
      succeeded(await cluster.admin('setconf', JSON.stringify(settings)), 'setconf');
    }
    await cluster.startWorkers(2);
  }, 120_000);
  afterAll(async () => {
    await cluster?.dispose();
    await plain?.close();
  });

  test('what one worker has changed, the other one runs with the next call', SLOW, async () => {
    const said = await boto<Record<string, unknown>>(
      cluster,
      `
made = make(a, "shop", "one", MemorySize=200, Timeout=7, Environment={"Variables": {"MODE": "test"}})
said["made"] = {key: made[key] for key in ("FunctionName", "Version", "Handler", "Timeout", "MemorySize", "State", "Environment")}
said["first"] = [call(b, "shop"), call(a, "shop")]
said["twice"] = refused(make, client=b, name="shop", text="other")[:2]
changed = b.update_function_code(FunctionName="shop", ZipFile=code("two"))
said["second"] = [call(a, "shop")[1][0], call(b, "shop")[1][0], changed["CodeSha256"] != made["CodeSha256"]]
a.update_function_configuration(FunctionName="shop", MemorySize=300, Environment={"Variables": {"MODE": "prod"}})
said["configured"] = [call(b, "shop")[1][3:], call(a, "shop")[1][3:]]
for turn in range(10):
    client, other = (a, b) if turn % 2 else (b, a)
    client.update_function_code(FunctionName="shop", ZipFile=code(f"turn {turn}"))
    assert [call(other, "shop")[1][0], call(client, "shop")[1][0]] == [f"turn {turn}"] * 2, turn
said["same"] = a.get_function(FunctionName="shop")["Configuration"] == b.get_function(FunctionName="shop")["Configuration"]
said["listed"] = [one["FunctionName"] for one in b.list_functions()["Functions"]]
said["dry"] = b.update_function_code(FunctionName="shop", ZipFile=code("dry"), DryRun=True)["FunctionName"]
said["not dry"] = call(a, "shop")[1][0]
said["invalid"] = [refused(b.update_function_code, FunctionName="shop", ZipFile=b"no zip")[1],
                   refused(b.update_function_configuration, FunctionName="shop", Handler="nothing.handler")[1],
                   refused(b.update_function_configuration, FunctionName="shop", MemorySize=100000000)[1],
                   refused(make, client=a, name="~functions", text="x")[1], refused(make, client=a, name="../x", text="x")[1],
                   call(a, "shop")[1][0]]
b.delete_function(FunctionName="shop")
said["gone"] = [refused(client.invoke, FunctionName="shop")[1] for client in (a, b)]
make(b, "shop", "again")
said["again"] = [call(a, "shop")[1][0], call(b, "shop")[1][0]]
`,
    );
    expect(said).toEqual({
      made: {
        FunctionName: 'shop',
        Version: '$LATEST',
        Handler: 'index.handler',
        Timeout: 7,
        MemorySize: 200,
        State: 'Active',
        Environment: { Variables: { MODE: 'test' } },
      },
      first: Array(2).fill(['$LATEST', ['one', 'shop', '$LATEST', 'test', '200']]),
      twice: [409, 'ResourceConflictException'],
      second: ['two', 'two', true],
      configured: Array(2).fill(['prod', '300']),
      same: true,
      listed: ['shop'],
      dry: 'shop',
      'not dry': 'turn 9',
      invalid: [...Array(5).fill('InvalidParameterValueException'), 'turn 9'],
      gone: Array(2).fill('ResourceNotFoundException'),
      again: ['again', 'again'],
    });
    // One document, and the code that it names.
    expect(await objectsOf(registry, 'shop')).toHaveLength(2);
  });

  test('versions and aliases are there for every worker', SLOW, async () => {
    const said = await boto<Record<string, unknown>>(
      cluster,
      `
make(a, "web", "one", Publish=True)
said["same"] = b.publish_version(FunctionName="web")["Version"]
b.update_function_configuration(FunctionName="web", MemorySize=300)
said["configured"] = a.publish_version(FunctionName="web")["Version"]
said["third"] = b.update_function_code(FunctionName="web", ZipFile=code("three"), Publish=True)["Version"]
a.update_function_code(FunctionName="web", ZipFile=code("latest"))
said["calls"] = [[call(client, "web", **more)[1][::2] for client in (a, b)] for more in ({}, {"Qualifier": "1"}, {"Qualifier": "2"}, {"Qualifier": "3"})]
alias = a.create_alias(FunctionName="web", Name="prod", FunctionVersion="1")
said["alias"] = [call(client, "web:prod")[0] for client in (b, a)]
moved = b.update_alias(FunctionName="web", Name="prod", FunctionVersion="2", RevisionId=alias["RevisionId"])
said["moved"] = [call(client, "web:prod")[0] for client in (a, b)]
said["old"] = refused(a.update_alias, FunctionName="web", Name="prod", FunctionVersion="1", RevisionId=alias["RevisionId"])[:2]
a.update_alias(FunctionName="web", Name="prod", RoutingConfig={"AdditionalVersionWeights": {"3": 0.5}})
said["parts"] = sorted({call(b, "web:prod")[0] for _ in range(60)})
said["in use"] = refused(b.delete_function, FunctionName="web", Qualifier="3")[:2]
said["listed"] = [[one["Version"] for one in client.list_versions_by_function(FunctionName="web")["Versions"]] for client in (a, b)]
pages = b.get_paginator("list_versions_by_function").paginate(FunctionName="web", PaginationConfig={"PageSize": 1})
said["pages"] = [[one["Version"] for one in page["Versions"]] for page in pages]
b.delete_function(FunctionName="web", Qualifier="1")
said["one gone"] = [refused(client.invoke, FunctionName="web:1")[1] for client in (a, b)]
b.delete_alias(FunctionName="web", Name="prod")
said["no alias"] = [refused(client.invoke, FunctionName="web:prod")[1] for client in (a, b)]
said["names"] = [refused(client.get_alias, FunctionName="web", Name="constructor")[1] for client in (a, b)]
`,
    );
    const both = (...what: unknown[]) => [what, what];
    expect(said).toEqual({
      same: '1',
      configured: '2',
      third: '3',
      calls: [
        both('latest', '$LATEST', '300'),
        both('one', '1', expect.any(String)),
        both('one', '2', '300'),
        both('three', '3', '300'),
      ],
      alias: ['1', '1'],
      moved: ['2', '2'],
      old: [412, 'PreconditionFailedException'],
      parts: ['2', '3'],
      'in use': [409, 'ResourceConflictException'],
      listed: both('$LATEST', '1', '2', '3'),
      pages: [['$LATEST'], ['1'], ['2'], ['3']],
      'one gone': Array(2).fill('ResourceNotFoundException'),
      'no alias': Array(2).fill('ResourceNotFoundException'),
      names: Array(2).fill('ResourceNotFoundException'),
    });
    // The first version's code is that of the second, which is another configuration.
    expect((await objectsOf(registry, 'web')).filter((name) => name.endsWith('.zip'))).toHaveLength(3);
    expect((await cluster.call('web~2', {}, 1)).json.slice(0, 3)).toEqual(['one', 'web', '2']);
    expect((await cluster.call('web~1', {}, 1)).status).toBe(404);
  });

  test('of two that change it at the same time one comes second, and nothing is lost', SLOW, async () => {
    const said = await boto<Record<string, unknown>>(
      cluster,
      `
def outcome(work):
    def run():
        try:
            return work()
        except ClientError as error:
            return error.response["Error"]["Code"]
    return run
made = at_once([outcome(lambda client=client, turn=turn: make(client, "race", str(turn))["FunctionName"]) for turn in range(10) for client in (a, b)])
said["made"] = [made.count("race"), made.count("ResourceConflictException")]
revision = a.get_function_configuration(FunctionName="race")["RevisionId"]
changed = at_once([outcome(lambda client=client, turn=turn: client.update_function_configuration(FunctionName="race", Description=str(turn), RevisionId=revision)["FunctionName"]) for turn in range(10) for client in (a, b)])
said["changed"] = [changed.count("race"), changed.count("PreconditionFailedException")]
at_once([lambda client=client, turn=turn: client.create_alias(FunctionName="race", Name=f"{client is a}{turn}", FunctionVersion="$LATEST") for turn in range(10) for client in (a, b)])
said["aliases"] = len(b.list_aliases(FunctionName="race")["Aliases"])
texts = [f"{client is a} {turn}" for turn in range(5) for client in (a, b)]
numbers = at_once([lambda text=text: (a if text.startswith("True") else b).update_function_code(FunctionName="race", ZipFile=code(text))["FunctionName"] for text in texts])
now = call(a, "race")[1][0]
said["code"] = [now in texts, call(b, "race")[1][0] == now]
ends = at_once([outcome(lambda client=client: client.delete_function(FunctionName="race") and "gone") for turn in range(5) for client in (a, b)])
said["ends"] = sorted(set(ends) - {"ResourceNotFoundException"})
said["after"] = refused(b.invoke, FunctionName="race")[1]
`,
    );
    expect(said).toEqual({
      made: [1, 19],
      changed: [1, 19],
      aliases: 20,
      code: [true, true],
      ends: ['gone'],
      after: 'ResourceNotFoundException',
    });
    expect(await objectsOf(registry, 'race')).toEqual([]);
  });

  test('a call that runs goes on when its function is removed, or changed', SLOW, async () => {
    const waiting = (answer: string) => ({ Handler: 'f.handler', Code: { ZipFile: zipped(waitingCode(answer)) } });
    const lambdas = ['removed', 'changed'];
    for (const FunctionName of lambdas) {
      const made = await api(0, 'POST', '', { FunctionName, Timeout: 60, ...waiting('old') });
      expect(made.status).toBe(201);
    }
    const running = lambdas.map((lambda) => cluster.call(lambda, {}, 1));
    const scratches = await Promise.all(lambdas.map((lambda) => callRuns(cluster, lambda, 1)));
    expect((await api(0, 'DELETE', '/removed')).status).toBe(204);
    const changed = await api(0, 'PUT', '/changed/code', {
      ZipFile: zipped('def handler(event):\n    return "new"\n'),
    });
    expect(changed.status).toBe(200);
    expect((await cluster.call('removed', {}, 1)).status).toBe(404);
    expect((await cluster.call('changed', {}, 1)).json).toBe('new');
    for (const scratch of scratches) letGo(scratch);
    expect((await Promise.all(running)).map(({ json }) => json)).toEqual(['old', 'old']);
  });

  test('a bundle and a function can not have one name', SLOW, async () => {
    const dir = join(cluster.dir, '..', `code-${kind}`);
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, 'lambda_func.py'), 'def handler(event):\n    return "uploaded"\n');
    writeFileSync(join(dir, 'lambda.json'), '{"memory_mb": 250}');
    const upload = (name: string) => cluster.admin('upload', `--handler=${name}`, `--file=${dir}`);
    succeeded(await upload('byhand'), 'upload');
    const said = await boto<Record<string, unknown>>(
      cluster,
      `
said["made"] = refused(make, client=a, name="byhand", text="x")[:2]
said["changed"] = refused(a.update_function_code, FunctionName="byhand", ZipFile=code("x"))[:2]
said["removed"] = refused(a.delete_function, FunctionName="byhand")[:2]
said["got"] = [b.get_function_configuration(FunctionName="byhand")[key] for key in ("MemorySize", "Version")]
said["called"] = call(b, "byhand")
said["listed"] = [one["FunctionName"] for one in b.list_functions()["Functions"] if one["FunctionName"] == "byhand"]
make(b, "byapi", "api")
`,
    );
    const conflict = [409, 'ResourceConflictException'];
    expect(said).toEqual({
      made: conflict,
      changed: conflict,
      removed: conflict,
      got: [250, '$LATEST'],
      called: ['$LATEST', 'uploaded'],
      listed: ['byhand'],
    });
    const refusal = { status: expect.any(Number), stderr: expect.stringContaining("made through AWS's API") };
    for (const refused of [
      await upload('byapi'),
      await cluster.admin('lambdas', 'delete', 'byapi'),
      await cluster.admin('lambdas', 'versions', 'byapi'),
    ]) {
      expect(refused.status).not.toBe(0);
      if (kind === 'own' || !refused.stderr.includes("only Isla's own registry"))
        expect(refused).toMatchObject(refusal);
    }
    const { lambdas } = JSON.parse(succeeded(await cluster.admin('lambdas', 'list', '--json'), 'list').stdout);
    const names = (lambdas as { name: string }[]).map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['byapi', 'byhand']));
    expect((await cluster.call('byapi', {}, 1)).json[0]).toBe('api');
    if (kind === 'own') {
      // Nor by those who know nothing of Isla.
      const bundle = Buffer.from(zipped('def f(event):\n    return 1\n'), 'base64');
      const put = await registry.send('PUT', '/registry/byapi.zip', bundle);
      expect([put.status, put.bytes.toString()]).toEqual([409, expect.stringContaining('NameTaken')]);
    }
  });

  test('the console edits them, on whichever worker', SLOW, async () => {
    const made = await api(0, 'POST', '', {
      FunctionName: 'edited',
      Handler: 'f.handler',
      Code: { ZipFile: zipped('def handler(event):\n    return "one"\n') },
      Publish: true,
    });
    expect(made.status).toBe(201);
    const files = (path: string, init: RequestInit = {}) => {
      const headers = { 'X-Isla-Console': '1' };
      return request(`${cluster.url(1)}/console/api/files/${path}`, { headers, ...init });
    };
    const listed = (await files('edited/')).json;
    expect([listed.editable, listed.files.map(({ path }: { path: string }) => path)]).toEqual([
      true,
      ['f.py', 'lambda.json'],
    ]);
    const put = await files('edited/f.py', { method: 'PUT', body: 'def handler(event):\n    return "two"\n' });
    expect(put.status).toBe(204);
    expect((await cluster.call('edited', {}, 0)).json).toBe('two');
    expect((await cluster.call('edited~1', {}, 0)).json).toBe('one');
    const refused = await files('edited/lambda.json', { method: 'PUT', body: '{"memory_mb": 100000000}' });
    expect([refused.status, refused.text]).toEqual([500, expect.stringContaining('memory_mb')]);
    expect(
      (await files('edited/lambda.json', { method: 'PUT', body: '{"handler": "f.handler", "memory_mb": 200}' })).status,
    ).toBe(204);
    expect((await api(0, 'GET', '/edited/configuration')).json.MemorySize).toBe(200);
    // What was uploaded is not edited here, and there is nothing to be made.
    for (const lambda of ['byhand', 'nobody']) {
      expect((await files(`${lambda}/`)).json).toEqual({ editable: false, files: [] });
      expect((await files(`${lambda}/f.py`, { method: 'PUT', body: 'x' })).status).toBe(404);
    }
    // The code that versions have, and the current one.
    expect(await objectsOf(registry, 'edited')).toHaveLength(3);
  });

  test('a worker that starts later runs them', SLOW, async () => {
    await boto(
      cluster,
      'make(a, "stays", "one", Publish=True)\na.create_alias(FunctionName="stays", Name="prod", FunctionVersion="1")',
    );
    succeeded(await cluster.admin('kill'), 'kill');
    const restarted = await TestRegistry.start(cluster, registry);
    expect(restarted.url).toBe(registry.url);
    if (plain !== undefined) {
      const settings = { registry_server: plain.url, registry_cache_ms: 0 };
      succeeded(await cluster.admin('setconf', JSON.stringify(settings)), 'setconf');
    }
    await cluster.startWorkers(2);
    const said = await boto<Record<string, unknown>>(
      cluster,
      'said["calls"] = [call(client, name)[:1] + [call(client, name)[1][0]] for client in (a, b) for name in ("stays", "stays:1", "stays:prod")]',
    );
    const each = [
      ['$LATEST', 'one'],
      ['1', 'one'],
      ['1', 'one'],
    ];
    expect(said).toEqual({ calls: [...each, ...each] });
    for (const worker of [0, 1]) expect(uploadsLeft(worker)).toEqual([]);
  });

  const api = (worker: number, method: string, path: string, body?: object) =>
    request(`${cluster.url(worker)}/2015-03-31/functions${path}`, {
      method,
      ...(body && { body: JSON.stringify(body) }),
    });

  /** What a worker has unpacked to look at it. */
  const uploadsLeft = (worker: number) => {
    const dir = join(cluster.dir, 'workers', `worker-${worker}`, 'uploads');
    return existsSync(dir) ? readdirSync(dir).filter((name) => name !== '.isla-code') : [];
  };
});

/** A zip file with `f.py`, in base64. */
function zipped(source: string): string {
  const script = `import base64, io, sys, zipfile
memory = io.BytesIO()
with zipfile.ZipFile(memory, "w") as archive:
    archive.writestr("f.py", sys.argv[1])
print(base64.b64encode(memory.getvalue()).decode())`;
  return execFileSync('python3', ['-c', script, source], { encoding: 'utf8' }).trim();
}
