/** What a handler is told about itself and its call, with the names of AWS's Python runtime. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Bench, LIMITS, resultOf, startBench } from './engine-fixture.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await startBench();
});
afterAll(() => bench.close());

const CONTEXT = `
def handler(event, context):
    names = [name for name in dir(context) if not name.startswith("_")]
    told = {name: getattr(context, name) for name in names if not callable(getattr(context, name))}
    told["identity"] = [context.identity.cognito_identity_id, context.identity.cognito_identity_pool_id]
    context.log("said")
    return told
`;

it('the context has the attributes of AWS’s', async () => {
  const sandbox = await bench.sandbox(CONTEXT, 'hello', { limits: { memory_mb: 77 } });
  expect(await resultOf(sandbox)).toEqual({
    aws_request_id: 'test-request',
    client_context: null,
    function_name: 'hello',
    function_version: '$LATEST',
    identity: [null, null],
    invoked_function_arn: 'arn:aws:lambda:us-east-1:000000000000:function:hello',
    log_group_name: '/aws/lambda/hello',
    log_stream_name: expect.stringMatching(/^\d+$/),
    memory_limit_in_mb: '77',
    tenant_id: null,
  });
  await sandbox.destroy();
});

it('the time that remains shrinks to nothing, not below', async () => {
  const source = `
import time
def handler(event, context):
    first = context.get_remaining_time_in_millis()
    time.sleep(0.05)
    second = context.get_remaining_time_in_millis()
    context._deadline_ms = 0
    return [first, second, context.get_remaining_time_in_millis()]
`;
  const sandbox = await bench.sandbox(source);
  const [first, second, none] = (await resultOf(sandbox)) as [number, number, number];
  expect(first).toBeLessThanOrEqual(LIMITS.timeout_ms);
  expect(first).toBeGreaterThan(0);
  expect(first - second).toBeGreaterThanOrEqual(50);
  expect(none).toBe(0);
  await sandbox.destroy();
});

it('the environment says the same, also while the code is loaded; a lambda may say its region, not its name', async () => {
  const source = 'import os\nloaded = dict(os.environ)\ndef handler(event):\n    return loaded\n';
  const sandbox = await bench.sandbox(source, 'hello', {
    limits: { memory_mb: 77 },
    env: { AWS_REGION: 'eu-west-1', AWS_LAMBDA_FUNCTION_NAME: 'other' },
  });
  const version = bench.engine.facts().python.split('.').slice(0, 2).join('.');
  expect(await resultOf(sandbox)).toMatchObject({
    AWS_DEFAULT_REGION: 'us-east-1',
    AWS_EXECUTION_ENV: `AWS_Lambda_python${version}`,
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '77',
    AWS_LAMBDA_FUNCTION_NAME: 'hello',
    AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
    AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
    AWS_LAMBDA_LOG_GROUP_NAME: '/aws/lambda/hello',
    AWS_LAMBDA_LOG_STREAM_NAME: expect.stringMatching(/^\d+$/),
    AWS_REGION: 'eu-west-1',
    LAMBDA_RUNTIME_DIR: '/runtime',
    LAMBDA_TASK_ROOT: '/handler',
    TZ: ':UTC',
    _HANDLER: 'lambda_func.handler',
  });
  await sandbox.destroy();
});

const TRACED = `
import os
def handler(event):
    return [os.environ.get(name) for name in ("TRACEPARENT", "TRACESTATE", "_X_AMZN_TRACE_ID")]
`;

it('the environment names the trace of the call that runs, and of no other', async () => {
  const sandbox = await bench.sandbox(TRACED);
  const call = { requestId: 'traced', event: Buffer.from('{}'), deadlineMs: Date.now() + LIMITS.timeout_ms };
  const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const amazon = 'Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1';
  const toldWith = async (trace?: { parent: string; state: string | undefined }) => {
    const reply = await sandbox.call({ ...call, trace });
    return reply.kind === 'result' ? JSON.parse(reply.body.toString()) : reply;
  };
  expect(await toldWith()).toEqual([null, null, null]);
  expect(await toldWith({ parent, state: 'a=1,b="\\' })).toEqual([parent, 'a=1,b="\\', amazon]);
  expect(await toldWith({ parent, state: undefined })).toEqual([parent, null, amazon]);
  expect(await toldWith()).toEqual([null, null, null]);
  await sandbox.destroy();
});

const CLIENT = `
def handler(event, context):
    said = context.client_context
    if said is None:
        return None
    client = said.client and {name: value for name, value in vars(said.client).items() if value is not None}
    return [said.custom, said.env, client]
`;

it('the context says what the caller says of itself, for that call', async () => {
  const sandbox = await bench.sandbox(CLIENT);
  const call = { requestId: 'said', event: Buffer.from('{}'), deadlineMs: Date.now() + LIMITS.timeout_ms };
  const toldWith = async (clientContext?: string) => {
    const reply = await sandbox.call({ ...call, clientContext });
    return reply.kind === 'result' ? JSON.parse(reply.body.toString()) : reply;
  };
  expect(await toldWith()).toBeNull();
  const said = { custom: { greeting: 'grüß "dich" 🦜\u007f' }, env: { locale: 'de' }, client: { app_title: 'probe' } };
  expect(await toldWith(JSON.stringify(said))).toEqual([said.custom, said.env, said.client]);
  expect(await toldWith('{"client": 7, "custom": [1]}')).toEqual([[1], null, null]);
  expect(await toldWith()).toBeNull();
  // More deeply nested than Python reads: the sandbox lives on.
  const deep = `{"custom":${'['.repeat(1_300)}${']'.repeat(1_300)}}`;
  expect(await toldWith(deep)).toBeNull();
  expect(await toldWith('{}')).toEqual([null, null, null]);
  await sandbox.destroy();
});
