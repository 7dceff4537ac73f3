/** Versions and aliases of functions, with boto3 and the AWS command line, which nobody has told that this is not AWS. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { succeeded } from './admin.ts';
import { awsLambda, runBoto } from './aws-clients.ts';
import { eventually } from './eventually.ts';
import { BOTO_PYTHONS, has } from './programs.ts';
import { useCluster } from './use-cluster.ts';

const cluster = useCluster();
let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'isla-aws-versions-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

const PRELUDE = `
import base64, io, json, sys, zipfile
import boto3
from botocore.exceptions import ClientError
client = boto3.client("lambda", endpoint_url=sys.argv[1])
ARN = "arn:aws:lambda:us-east-1:000000000000:function:"
def code(text):
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr("index.py", f'''
import os
print("loaded")
def handler(event, context):
    return ["{text}", context.function_name, context.function_version, context.invoked_function_arn,
            os.environ["AWS_LAMBDA_FUNCTION_VERSION"], context.memory_limit_in_mb]
''')
    return memory.getvalue()
def make(name, text, **more):
    return client.create_function(FunctionName=name, Runtime="python3.11", Role="arn:aws:iam::000000000000:role/r",
                                  Handler="index.handler", Code={"ZipFile": code(text)}, **more)
def call(name, **more):
    answer = client.invoke(FunctionName=name, **more)
    return [answer.get("ExecutedVersion"), json.load(answer["Payload"]), answer.get("FunctionError")]
def refused(operation, **asked):
    try:
        operation(**asked)
    except ClientError as error:
        return [error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"], error.response["Error"]["Message"]]
    return None
said = {}
`;

/** What the script has put into `said`. */
function boto<T>(script: string): Promise<T> {
  return runBoto<T>(`${PRELUDE}${script}\nprint(json.dumps(said))`, [cluster().url()]);
}

const ARN = 'arn:aws:lambda:us-east-1:000000000000:function:';
const SLOW = { timeout: 180_000 };

describe.skipIf(BOTO_PYTHONS.length === 0)('boto3', () => {
  test('publishes versions, which go on as they are, beside the current code', SLOW, async () => {
    const said = await boto<Record<string, never>>(`
made = make("shop", "one", MemorySize=200)
one = client.publish_version(FunctionName="shop", Description="the first")
again = client.publish_version(FunctionName="shop")
client.update_function_code(FunctionName="shop", ZipFile=code("two"))
client.update_function_configuration(FunctionName="shop", MemorySize=300)
two = client.publish_version(FunctionName="shop", CodeSha256=client.get_function_configuration(FunctionName="shop")["CodeSha256"])
client.update_function_code(FunctionName="shop", ZipFile=code("three"))
said["one"] = {key: one.get(key) for key in ("FunctionArn", "Version", "Description", "MemorySize", "CodeSha256")}
said["same"] = [again["Version"], one["CodeSha256"] == made["CodeSha256"], one["RevisionId"] != made["RevisionId"]]
said["two"] = two["Version"]
said["calls"] = [call("shop"), call("shop", Qualifier="1"), call("shop:2"), call(ARN + "shop:1"), call("shop", Qualifier="$LATEST")]
said["listed"] = [[one["Version"], one["FunctionArn"], one["MemorySize"]] for one in client.list_versions_by_function(FunctionName="shop")["Versions"]]
pages = client.get_paginator("list_versions_by_function").paginate(FunctionName="shop", PaginationConfig={"PageSize": 1})
said["pages"] = [[one["Version"] for one in page["Versions"]] for page in pages]
said["got"] = [client.get_function(FunctionName="shop", Qualifier="1")["Configuration"]["FunctionArn"],
               client.get_function_configuration(FunctionName="shop:2")["Version"]]
said["all"] = [one["FunctionArn"] for one in client.list_functions(FunctionVersion="ALL")["Functions"] if one["FunctionName"] == "shop"]
`);
    const answers = (text: string, version: string, memory: string) => [
      version,
      [text, 'shop', version, `${ARN}shop${version === '$LATEST' ? '' : `:${version}`}`, version, memory],
      null,
    ];
    expect(said).toEqual({
      one: {
        FunctionArn: `${ARN}shop:1`,
        Version: '1',
        Description: 'the first',
        MemorySize: 200,
        CodeSha256: expect.stringMatching(/=$/),
      },
      same: ['1', true, true],
      two: '2',
      calls: [
        answers('three', '$LATEST', '300'),
        answers('one', '1', '200'),
        answers('two', '2', '300'),
        answers('one', '1', '200'),
        ['$LATEST', ['three', 'shop', '$LATEST', `${ARN}shop:$LATEST`, '$LATEST', '300'], null],
      ],
      listed: [
        ['$LATEST', `${ARN}shop:$LATEST`, 300],
        ['1', `${ARN}shop:1`, 200],
        ['2', `${ARN}shop:2`, 300],
      ],
      pages: [['$LATEST'], ['1'], ['2']],
      got: [`${ARN}shop:1`, '2'],
      all: [`${ARN}shop:$LATEST`, `${ARN}shop:1`, `${ARN}shop:2`],
    });
    // A version is a lambda of its own to whoever looks, and can be called as one.
    expect((await cluster().call('shop~1')).json[0]).toBe('one');
    expect((await cluster().call('shop~9')).status).toBe(404);
  });

  test('leads to versions by aliases, in parts if that is wished', SLOW, async () => {
    const said = await boto<Record<string, never>>(`
made = make("web", "one", Publish=True)
second = client.update_function_code(FunctionName="web", ZipFile=code("two"), Publish=True)
said["published"] = [made["Version"], made["FunctionArn"], second["Version"]]
alias = client.create_alias(FunctionName="web", Name="prod", FunctionVersion="1", Description="for all")
said["alias"] = {key: value for key, value in alias.items() if key not in ("ResponseMetadata", "RevisionId")}
said["first"] = [call("web", Qualifier="prod")[:1], call("web:prod")[1][:3], call(ARN + "web:prod")[0]]
moved = client.update_alias(FunctionName="web", Name="prod", FunctionVersion="2", RevisionId=alias["RevisionId"])
said["moved"] = [call("web:prod")[0], moved["Description"], moved["RevisionId"] != alias["RevisionId"]]
client.update_alias(FunctionName="web", Name="prod", RoutingConfig={"AdditionalVersionWeights": {"1": 0.5}})
said["parts"] = sorted({call("web:prod")[0] for _ in range(60)})
said["weights"] = client.get_alias(FunctionName="web", Name="prod")["RoutingConfig"]
client.update_alias(FunctionName="web", Name="prod", RoutingConfig={})
said["whole"] = [sorted({call("web:prod")[0] for _ in range(20)}), client.get_alias(FunctionName="web", Name="prod").get("RoutingConfig")]
client.create_alias(FunctionName="web", Name="next", FunctionVersion="$LATEST")
said["next"] = call("web:next")[0]
said["named"] = [[one["Name"], one["FunctionVersion"]] for one in client.list_aliases(FunctionName="web")["Aliases"]]
said["leading"] = [one["Name"] for one in client.list_aliases(FunctionName="web", FunctionVersion="2")["Aliases"]]
said["configuration"] = [client.get_function_configuration(FunctionName="web", Qualifier="prod")[key] for key in ("Version", "FunctionArn")]
client.delete_alias(FunctionName="web", Name="next")
client.delete_alias(FunctionName="web", Name="next")
said["left"] = [one["Name"] for one in client.list_aliases(FunctionName="web")["Aliases"]]
`);
    expect(said).toEqual({
      published: ['1', `${ARN}web:1`, '2'],
      alias: { AliasArn: `${ARN}web:prod`, Name: 'prod', FunctionVersion: '1', Description: 'for all' },
      first: [['1'], ['one', 'web', '1'], '1'],
      moved: ['2', 'for all', true],
      parts: ['1', '2'],
      weights: { AdditionalVersionWeights: { 1: 0.5 } },
      whole: [['2'], null],
      next: '$LATEST',
      named: [
        ['next', '$LATEST'],
        ['prod', '2'],
      ],
      leading: ['prod'],
      configuration: ['2', `${ARN}web:prod`],
      left: ['prod'],
    });
  });

  test('is refused by the names that AWS has for it', SLOW, async () => {
    const said = await boto<Record<string, [number, string, string]>>(`
make("strict", "one", Publish=True)
client.create_alias(FunctionName="strict", Name="prod", FunctionVersion="1")
revision = client.get_function_configuration(FunctionName="strict")["RevisionId"]
client.update_function_configuration(FunctionName="strict", Description="another")
said["no version"] = refused(client.invoke, FunctionName="strict", Qualifier="7")
said["no alias"] = refused(client.invoke, FunctionName="strict", Qualifier="none")
said["born with it"] = refused(client.get_alias, FunctionName="strict", Name="constructor")
said["no function"] = refused(client.publish_version, FunctionName="nobody")
said["get no version"] = refused(client.get_function, FunctionName="strict", Qualifier="7")
said["alias to nothing"] = refused(client.create_alias, FunctionName="strict", Name="x", FunctionVersion="7")
said["alias twice"] = refused(client.create_alias, FunctionName="strict", Name="prod", FunctionVersion="1")
said["alias of digits"] = refused(client.create_alias, FunctionName="strict", Name="12", FunctionVersion="1")
said["old revision"] = refused(client.update_function_code, FunctionName="strict", ZipFile=code("x"), RevisionId=revision)
said["old alias"] = refused(client.update_alias, FunctionName="strict", Name="prod", RevisionId=revision)
said["other code"] = refused(client.publish_version, FunctionName="strict", CodeSha256="x" * 43 + "=")
said["in use"] = refused(client.delete_function, FunctionName="strict", Qualifier="1")
said["latest"] = refused(client.delete_function, FunctionName="strict", Qualifier="$LATEST")
said["weights of latest"] = refused(client.update_alias, FunctionName="strict", Name="prod", FunctionVersion="$LATEST", RoutingConfig={"AdditionalVersionWeights": {"1": 0.5}})
said["two qualifiers"] = refused(client.invoke, FunctionName="strict:1", Qualifier="2")
said["still there"] = [call("strict:prod")[0], call("strict")[1][0], "one"]
`);
    const outcome = Object.fromEntries(Object.entries(said).map(([what, [status, name]]) => [what, [status, name]]));
    const missing = [404, 'ResourceNotFoundException'];
    const invalid = [400, 'InvalidParameterValueException'];
    expect(outcome).toEqual({
      'no version': missing,
      'no alias': missing,
      'born with it': missing,
      'no function': missing,
      'get no version': missing,
      'alias to nothing': missing,
      'alias twice': [409, 'ResourceConflictException'],
      'alias of digits': invalid,
      'old revision': [412, 'PreconditionFailedException'],
      'old alias': [412, 'PreconditionFailedException'],
      'other code': invalid,
      'in use': [409, 'ResourceConflictException'],
      latest: invalid,
      'weights of latest': invalid,
      'two qualifiers': invalid,
      'still there': ['1', 'one'],
    });
    expect(said['no version']?.[2]).toContain(`Function not found: ${ARN}strict:7`);
    expect(said['no alias']?.[2]).toContain(`Cannot find alias arn: ${ARN}strict:none`);
  });

  test('removes a version, and all with the function; what ran of it ends', SLOW, async () => {
    const said = await boto<Record<string, unknown>>(`
make("brief", "one", Publish=True)
client.update_function_code(FunctionName="brief", ZipFile=code("two"), Publish=True)
said["before"] = [call("brief:1")[0], call("brief:2")[0]]
client.delete_function(FunctionName="brief", Qualifier="1")
said["gone"] = refused(client.invoke, FunctionName="brief:1")[1]
said["left"] = [one["Version"] for one in client.list_versions_by_function(FunctionName="brief")["Versions"]]
client.update_function_code(FunctionName="brief", ZipFile=code("three"))
said["next"] = client.publish_version(FunctionName="brief")["Version"]
client.delete_function(FunctionName="brief")
said["all gone"] = [refused(client.invoke, FunctionName=name)[1] for name in ("brief", "brief:2", "brief:3")]
make("brief", "new")
said["not back"] = [call("brief")[1][0], refused(client.invoke, FunctionName="brief:2")[1]]
client.delete_function(FunctionName="brief")
`);
    expect(said).toEqual({
      before: ['1', '2'],
      gone: 'ResourceNotFoundException',
      left: ['$LATEST', '2'],
      next: '3',
      'all gone': Array(3).fill('ResourceNotFoundException'),
      'not back': ['new', 'ResourceNotFoundException'],
    });
    expect(readdirSync(join(cluster().dir, 'registry', '~functions'))).not.toContain('brief');
    const ran = () =>
      fetch(`${cluster().url()}/status`, { headers: { Accept: 'application/json' } }).then((answer) => answer.json());
    await eventually(async () => {
      const { sandboxes } = (await ran()) as { sandboxes: { lambda: string }[] };
      expect(sandboxes.filter(({ lambda }) => lambda.startsWith('brief'))).toEqual([]);
    });
  });

  test('knows itself in Node, too, and reads the secrets of its function as long as that may', SLOW, async () => {
    const said = await boto<Record<string, unknown>>(`
def zipped(name, text):
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr(name, text)
    return {"ZipFile": memory.getvalue()}
role = "arn:aws:iam::000000000000:role/r"
client.create_function(FunctionName="js", Runtime="nodejs20.x", Role=role, Handler="index.handler", Publish=True, Code=zipped("index.mjs",
    "export const handler = async (e, c) => [c.functionName, c.functionVersion, c.invokedFunctionArn, process.env.AWS_LAMBDA_FUNCTION_VERSION];"))
said["js"] = [call("js:1")[1], call("js")[1]]
client.create_function(FunctionName="keyed", Runtime="python3.11", Role=role, Handler="i.h", Publish=True, Code=zipped("i.py",
    "import os\\ndef h(event, context):\\n    return os.path.exists('/run/secrets/key')\\n"))
said["before"] = call("keyed:1")[1]
`);
    expect(said).toEqual({
      js: [
        ['js', '1', `${ARN}js:1`, '1'],
        ['js', '$LATEST', `${ARN}js`, '$LATEST'],
      ],
      before: false,
    });
    const file = join(dir, 'key');
    writeFileSync(file, 'value');
    succeeded(await cluster().admin('secrets', 'set', 'key', `--file=${file}`), 'set');
    succeeded(await cluster().admin('secrets', 'grant', 'key', '--lambda=keyed'), 'grant');
    expect((await cluster().call('keyed~1')).json).toBe(true);
    succeeded(await cluster().admin('secrets', 'revoke', 'key', '--lambda=keyed'), 'revoke');
    expect((await cluster().call('keyed~1')).json).toBe(false);
  });

  test('runs versions later, as well, and by alias', SLOW, async () => {
    const said = await boto<{ id: string }>(`
make("later", "one", Publish=True)
client.update_function_code(FunctionName="later", ZipFile=code("two"))
client.create_alias(FunctionName="later", Name="old", FunctionVersion="1")
answer = client.invoke(FunctionName="later", Qualifier="old", InvocationType="Event", Payload=b"{}")
said["id"] = answer["ResponseMetadata"]["RequestId"]
`);
    await eventually(async () => {
      const shown = await cluster().admin('calls', 'show', said.id, '--json');
      expect(JSON.parse(succeeded(shown, 'calls show').stdout)).toMatchObject({
        lambda: 'later~1',
        result: expect.arrayContaining(['one', 'later', '1']),
      });
    });
  });
});

// Debian: awscli.
describe.skipIf(!has('aws', '--version'))('the AWS command line', () => {
  const { aws, ok } = awsLambda(() => cluster().url());

  test('publishes, names and runs versions', SLOW, async () => {
    const zip = join(dir, 'cli.zip');
    const script =
      'import sys, zipfile\nwith zipfile.ZipFile(sys.argv[1], "w") as z:\n    z.writestr("f.py", sys.argv[2])';
    const write = (text: string) =>
      execFileSync('python3', ['-c', script, zip, `def f(event):\n    return "${text}"\n`]);
    write('one');
    const create = ['--runtime=python3.11', '--role=arn:aws:iam::000000000000:role/r', '--handler=f.f'];
    await ok('create-function', '--function-name=cli', ...create, `--zip-file=fileb://${zip}`);
    expect(await ok('publish-version', '--function-name=cli')).toMatchObject({ Version: '1' });
    write('two');
    await ok('update-function-code', '--function-name=cli', `--zip-file=fileb://${zip}`);
    await ok('create-alias', '--function-name=cli', '--name=prod', '--function-version=1');
    const out = join(dir, 'answer');
    const invoked = await ok('invoke', '--function-name=cli:prod', '--payload={}', out);
    expect(invoked).toMatchObject({ StatusCode: 200, ExecutedVersion: '1' });
    // Sent, looked at, and nothing changes.
    write('three');
    await ok('update-function-code', '--function-name=cli', `--zip-file=fileb://${zip}`, '--dry-run');
    expect((await cluster().call('cli')).json).toBe('two');
    const weights = '--routing-config=AdditionalVersionWeights={2=0.25}';
    await ok('publish-version', '--function-name=cli');
    const updated = await ok('update-alias', '--function-name=cli', '--name=prod', weights);
    expect(updated.RoutingConfig).toEqual({ AdditionalVersionWeights: { 2: 0.25 } });
    expect((await ok('list-aliases', '--function-name=cli')).Aliases).toHaveLength(1);
    expect((await ok('list-versions-by-function', '--function-name=cli')).Versions).toHaveLength(3);
    await ok('delete-alias', '--function-name=cli', '--name=prod');
    await ok('delete-function', '--function-name=cli', '--qualifier=1');
    expect((await aws('get-function', '--function-name=cli', '--qualifier=1')).stderr).toContain(
      '(ResourceNotFoundException)',
    );
  });
});
