/** The clients that people have, unmodified, against a worker: boto3 and the AWS command line. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run, succeeded } from './admin.ts';
import { awsLambda, runBoto } from './aws-clients.ts';
import { request } from './cluster.ts';
import { eventually } from './eventually.ts';
import { BOTO_PYTHONS, has } from './programs.ts';
import { awsEnvironment, KEYS } from './registry.ts';
import { useCluster, withCluster } from './use-cluster.ts';

const cluster = useCluster();
let dir: string;

const AWS_HANDLER = `
import json, os

def lambda_handler(event, context):
    print("said", event)
    if event.get("fail"):
        raise ValueError("boom")
    return {
        "event": event,
        "name": context.function_name,
        "version": context.function_version,
        "arn": context.invoked_function_arn,
        "custom": context.client_context and context.client_context.custom,
        "id": context.aws_request_id,
        "left": context.get_remaining_time_in_millis() > 0,
        "environ": {name: os.environ.get(name) for name in ("AWS_LAMBDA_FUNCTION_NAME", "AWS_REGION", "_HANDLER")},
    }
`;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'isla-aws-'));
  cluster().install('orders', { 'lambda_function.py': AWS_HANDLER });
  cluster().install('dying', 'import os\ndef handler(event):\n    os._exit(3)\n');
});
afterAll(() => rmSync(dir, { recursive: true }));

/** AWS_ENDPOINT_URL is known since botocore 1.31, and answers that stream not much longer. */
const KNOWS_ENDPOINT = 'import botocore; assert tuple(map(int, botocore.__version__.split(".")[:2])) >= (1, 31)';
const NEW_PYTHON = BOTO_PYTHONS.find((python) => has(python, '-c', KNOWS_ENDPOINT)) ?? '';

/** What a script with a client prints, as JSON. */
function boto<T>(script: string, python?: string): Promise<T> {
  const head = 'import base64, json, sys, boto3\nclient = boto3.client("lambda", endpoint_url=sys.argv[1])\n';
  return runBoto<T>(`${head}${script}`, [cluster().url()], python);
}

describe.skipIf(BOTO_PYTHONS.length === 0)('boto3', () => {
  test('invokes an AWS handler unchanged, with its log', async () => {
    const said = await boto<Record<string, unknown>>(`
context = base64.b64encode(json.dumps({"custom": {"a": "ü"}}).encode()).decode()
answer = client.invoke(FunctionName="orders", Payload=b'{"n": 1}', LogType="Tail", ClientContext=context)
print(json.dumps({
    "status": answer["StatusCode"], "version": answer["ExecutedVersion"], "error": answer.get("FunctionError"),
    "id": answer["ResponseMetadata"]["RequestId"], "log": base64.b64decode(answer["LogResult"]).decode(),
    "payload": json.load(answer["Payload"])}))`);
    const id = said.id as string;
    expect(said).toEqual({
      status: 200,
      version: '$LATEST',
      error: null,
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      log: expect.stringMatching(
        new RegExp(
          `^START RequestId: ${id} Version: \\$LATEST\nsaid {'n': 1}\nEND RequestId: ${id}\n` +
            `REPORT RequestId: ${id}\tDuration: [\\d.]+ ms\tBilled Duration: \\d+ ms\tMemory Size: 256 MB\t` +
            'Max Memory Used: [1-9]\\d* MB\tInit Duration: [\\d.]+ ms\t\n$',
        ),
      ),
      payload: {
        event: { n: 1 },
        name: 'orders',
        version: '$LATEST',
        arn: 'arn:aws:lambda:us-east-1:000000000000:function:orders',
        custom: { a: 'ü' },
        id,
        left: true,
        environ: {
          AWS_LAMBDA_FUNCTION_NAME: 'orders',
          AWS_REGION: 'us-east-1',
          _HANDLER: 'lambda_function.lambda_handler',
        },
      },
    });
  });

  test('is given functions that fail as functions that fail, and does not try again', async () => {
    const said = await boto<unknown[]>(`
said = []
for name, payload in (("orders", b'{"fail": 1}'), ("dying", b"{}")):
    answer = client.invoke(FunctionName=name, Payload=payload)
    body = json.load(answer["Payload"])
    said.append([answer["StatusCode"], answer["FunctionError"], answer["ResponseMetadata"]["RetryAttempts"], body["errorType"], body["errorMessage"]])
print(json.dumps(said))`);
    expect(said).toEqual([
      [200, 'Unhandled', 0, 'ValueError', 'boom'],
      [
        200,
        'Unhandled',
        0,
        'Runtime.ExitError',
        expect.stringMatching(/^RequestId: [0-9a-f-]{36} Error: Runtime exited with error: exit status 3$/),
      ],
    ]);
  });

  test.skipIf(NEW_PYTHON === '')('reads an answer bit by bit', async () => {
    const script = `
def read(name, payload=b"{}", **more):
    answer = client.invoke_with_response_stream(FunctionName=name, Payload=payload, **more)
    events = list(answer["EventStream"])
    chunks = [event["PayloadChunk"]["Payload"].decode() for event in events if "PayloadChunk" in event]
    end = events[-1]["InvokeComplete"]
    log = base64.b64decode(end.pop("LogResult", "")).decode()
    return [answer["StatusCode"], chunks, end, log]
print(json.dumps([read("stream"), read("stream", b'{"head": 1}'), read("stream", b'{"fail": 1}'), read("orders", b'{"n": 3}', LogType="Tail"), read("orders", b'{"fail": 1}')]))`;
    cluster().install(
      'stream',
      `
def handler(event):
    if event.get("head"):
        yield {"statusCode": 201, "headers": {"x-a": "b"}}
    yield "one"
    if event.get("fail"):
        raise ValueError("on the way")
    yield "two"
`,
    );
    const [plain, head, broken, whole, failed] = await boto<[number, string[], Record<string, string>, string][]>(
      script,
      NEW_PYTHON,
    );
    expect(plain).toEqual([200, ['one', 'two'], {}, '']);
    expect(head).toEqual([
      200,
      [`{"statusCode": 201, "headers": {"x-a": "b"}}${'\0'.repeat(8)}`, 'one', 'two'],
      {},
      '',
    ]);
    expect(broken).toEqual([
      200,
      ['one'],
      { ErrorCode: 'Unhandled', ErrorDetails: expect.stringContaining('"on the way"') },
      '',
    ]);
    expect([whole?.[0], JSON.parse(whole?.[1][0] as string).event, whole?.[2]]).toEqual([200, { n: 3 }, {}]);
    expect(whole?.[3]).toMatch(/^START .*\nsaid \{'n': 3\}\nEND /);
    expect(failed).toEqual([200, [], { ErrorCode: 'Unhandled', ErrorDetails: expect.stringContaining('"boom"') }, '']);
  });

  test('raises its own exceptions', async () => {
    const said = await boto<unknown[]>(`
said = []
def refused(kind, **asked):
    try:
        client.invoke(**asked)
    except kind as error:
        said.append([error.response["Error"]["Code"], error.response["Error"]["Message"], error.response["ResponseMetadata"]["HTTPStatusCode"]])
refused(client.exceptions.ResourceNotFoundException, FunctionName="nobody")
refused(client.exceptions.ResourceNotFoundException, FunctionName="orders", Qualifier="prod")
refused(client.exceptions.InvalidRequestContentException, FunctionName="orders", Payload=b"{bad")
refused(client.exceptions.RequestTooLargeException, FunctionName="orders", Payload=b'"' + b"x" * 6291456 + b'"')
print(json.dumps(said))`);
    expect(said).toEqual([
      ['ResourceNotFoundException', 'Function not found: arn:aws:lambda:us-east-1:000000000000:function:nobody', 404],
      ['ResourceNotFoundException', expect.stringMatching(/:orders:prod$/), 404],
      ['InvalidRequestContentException', expect.stringMatching(/^Could not parse request body into json: Expect/), 400],
      ['RequestTooLargeException', expect.stringContaining('6291456'), 413],
    ]);
  });

  test('finds functions by all their names', async () => {
    const script = `
names = ("orders", "orders:$LATEST", "123456789012:function:orders", "arn:aws:lambda:eu-west-1:123456789012:function:orders:$LATEST")
said = [json.load(client.invoke(FunctionName=name)["Payload"])["event"] for name in names]
said.append(client.invoke(FunctionName="orders", InvocationType="DryRun")["StatusCode"])
print(json.dumps(said))`;
    expect(await boto(script)).toEqual([{}, {}, {}, {}, 204]);
  });

  test('leaves events to be run later', async () => {
    const { status, id } = await boto<{ status: number; id: string }>(`
answer = client.invoke(FunctionName="orders", InvocationType="Event", Payload=b'{"n": 2}')
print(json.dumps({"status": answer["StatusCode"], "id": answer["ResponseMetadata"]["RequestId"]}))`);
    expect(status).toBe(202);
    await eventually(async () => {
      expect((await request(`${cluster().url()}/async/orders/${id}`)).json).toMatchObject({ state: 'done' });
    });
  });

  test.skipIf(NEW_PYTHON === '')('finds the worker by AWS_ENDPOINT_URL, without a word of it in the code', async () => {
    const script = 'import boto3\nprint(boto3.client("lambda").invoke(FunctionName="orders")["StatusCode"])';
    const env = { ...awsEnvironment(), AWS_ENDPOINT_URL: cluster().url() };
    expect(succeeded(await run(NEW_PYTHON, ['-c', script], { env }), 'boto3').stdout).toBe('200\n');
  });
});

describe.skipIf(BOTO_PYTHONS.length === 0)('where there are keys', () => {
  test('boto3 must have them', async () => {
    await withCluster({ running: false }, async (closed) => {
      const file = join(closed.dir, 'config', 'aws-keys.json');
      writeFileSync(file, JSON.stringify({ access_key: KEYS.accessKey, secret_key: KEYS.secretKey }), { mode: 0o600 });
      await closed.startWorkers();
      closed.install('orders', { 'lambda_function.py': AWS_HANDLER });
      const script = `
import json, sys, boto3
from botocore.exceptions import ClientError
said = []
for key, secret in ((${JSON.stringify(KEYS.accessKey)}, ${JSON.stringify(KEYS.secretKey)}), (${JSON.stringify(KEYS.accessKey)}, "wrong"), ("WRONG", "wrong")):
    client = boto3.client("lambda", endpoint_url=sys.argv[1], region_name="eu-central-1", aws_access_key_id=key, aws_secret_access_key=secret)
    try:
        said.append(client.invoke(FunctionName="orders:$LATEST", Payload=b'{"a": "b c"}', LogType="Tail")["StatusCode"])
    except ClientError as error:
        said.append(error.response["Error"]["Code"])
print(json.dumps(said))`;
      expect(await runBoto(script, [closed.url()])).toEqual([
        200,
        'InvalidSignatureException',
        'UnrecognizedClientException',
      ]);
    });
  });
});

// Debian: awscli.
describe.skipIf(!has('aws', '--version'))('the AWS command line', () => {
  const { aws } = awsLambda(() => cluster().url());
  // From a file: in arguments, the second version takes base64 and the first does not.

  async function invoke(name: string, json: string, ...flags: string[]) {
    writeFileSync(join(dir, 'event'), json);
    const done = await aws(
      'invoke',
      '--function-name',
      name,
      '--payload',
      `fileb://${join(dir, 'event')}`,
      ...flags,
      join(dir, 'answer'),
    );
    return { ...done, answer: () => JSON.parse(readFileSync(join(dir, 'answer'), 'utf8')) };
  }

  test('invokes, and shows the log', async () => {
    const done = await invoke('orders', '{"n": 2}', '--log-type', 'Tail');
    const said = JSON.parse(succeeded(done, 'aws lambda invoke').stdout);
    expect(said).toMatchObject({ StatusCode: 200, ExecutedVersion: '$LATEST' });
    expect(Buffer.from(said.LogResult, 'base64').toString()).toContain("\nsaid {'n': 2}\n");
    expect(done.answer()).toMatchObject({ event: { n: 2 }, name: 'orders' });
  });

  test('tells a function that failed from one that is not there', async () => {
    const failed = await invoke('orders', '{"fail": 1}');
    expect(JSON.parse(succeeded(failed, 'aws lambda invoke').stdout)).toMatchObject({ FunctionError: 'Unhandled' });
    expect(failed.answer()).toMatchObject({ errorType: 'ValueError', errorMessage: 'boom' });
    const missing = await invoke('nobody', '{}');
    expect(missing.status).toBeGreaterThan(250);
    expect(missing.stderr).toContain(
      '(ResourceNotFoundException) when calling the Invoke operation: Function not found',
    );
  });
});
