import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Answer, Serving } from '../worker/serving.ts';

let serving: Serving;
beforeEach(async () => {
  serving = await new Serving({ queueMax: 0, concurrencyMax: 1 }).open();
  serving.lambda('hello');
});
afterEach(() => serving.close());

const ID = '0192e4a0-0000-7000-8000-000000000001';

function invoke(name: string, body: string, headers: Record<string, string> = {}): Promise<Answer> {
  return serving.send('POST', `/2015-03-31/functions/${name}/invocations`, {
    body,
    headers: { 'x-request-id': ID, ...headers },
  });
}

function expectRefused(answer: Answer, status: number, name: string): { Message: string; Reason?: string } {
  const body = JSON.parse(answer.text);
  expect({ status: answer.status, name: answer.headers['x-amzn-errortype'] }).toEqual({ status, name });
  expect(body).toMatchObject({ Type: status >= 500 ? 'Service' : 'User', Message: body.message });
  expect(answer.headers).toMatchObject({ 'x-amzn-requestid': ID, 'content-type': 'application/json' });
  return body;
}

test('an event goes in and the result comes out, byte by byte', async () => {
  const body = ' {"n": 12345678901234567890, "x": 1e999}\n';
  const answer = await invoke('hello', body);
  expect(answer).toMatchObject({
    status: 200,
    text: body,
    headers: {
      'content-type': 'application/json',
      'x-amzn-requestid': ID,
      'x-request-id': ID,
      'x-amz-executed-version': '$LATEST',
    },
  });
  expect(answer.headers).not.toHaveProperty('x-amz-function-error');
  expect(answer.headers).not.toHaveProperty('x-amz-log-result');
});

test.each([
  'hello:%24LATEST',
  'hello?Qualifier=$LATEST',
  'arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Ahello',
])('the function is named %s', async (name) => {
  const [path, query = ''] = name.split('?');
  const answer = await serving.send('POST', `/2015-03-31/functions/${path}/invocations?${query}`);
  expect(answer).toMatchObject({ status: 200, text: '{}' });
});

test('a function that failed is no failure of the service', async () => {
  for (const event of ['{"raise":1}', '{"exit":3}', '{"signal":"SIGKILL"}', '{"oom":1}']) {
    const answer = await invoke('hello', event);
    expect({ status: answer.status, error: answer.headers['x-amz-function-error'] }, event).toEqual({
      status: 200,
      error: 'Unhandled',
    });
  }
  expect(JSON.parse((await invoke('hello', '{"exit":3}')).text)).toEqual({
    errorType: 'Runtime.ExitError',
    errorMessage: `RequestId: ${ID} Error: Runtime exited with error: exit status 3`,
  });
});

test('one that takes too long is told so, in the same way', async () => {
  const late = await new Serving({ timeoutMs: 50 }).open();
  late.lambda('hello');
  const sent = { body: '{"hang":1}', headers: { 'x-request-id': ID, 'x-amz-log-type': 'Tail' } };
  const answer = await late.send('POST', '/2015-03-31/functions/hello/invocations', sent);
  await late.close();
  expect(answer).toMatchObject({ status: 200, headers: { 'x-amz-function-error': 'Unhandled' } });
  expect(JSON.parse(answer.text)).toEqual({
    errorType: 'Sandbox.Timedout',
    errorMessage: `RequestId: ${ID} Error: Task timed out after 0.05 seconds`,
  });
  const log = Buffer.from(answer.headers['x-amz-log-result'] as string, 'base64').toString();
  expect(log).toMatch(/^START RequestId: .*\nEND RequestId: .*\nREPORT .*\tMemory Size: 128 MB\t/);
});

test('code that can not be used is the function’s failure, too: no other try helps', async () => {
  writeFileSync(`${serving.lambda('wrong')}/lambda.json`, '{"memory":1}');
  const answer = await invoke('wrong', '{}');
  expect(answer).toMatchObject({ status: 200, headers: { 'x-amz-function-error': 'Unhandled' } });
  expect(JSON.parse(answer.text)).toMatchObject({ errorType: 'Lambda.Invalid', requestId: ID });
});

test('the log comes with the answer, if it is asked for', async () => {
  const answer = await invoke('hello', '{}', { 'x-amz-log-type': 'Tail' });
  const log = Buffer.from(answer.headers['x-amz-log-result'] as string, 'base64').toString();
  expect(log).toMatch(
    new RegExp(
      `^START RequestId: ${ID} Version: \\$LATEST\nEND RequestId: ${ID}\nREPORT RequestId: ${ID}\tDuration: 0.02 ms\tBilled`,
    ),
  );
});

describe('what does not run is refused by name:', () => {
  test('no such function', async () => {
    const { Message } = expectRefused(await invoke('nobody', '{}'), 404, 'ResourceNotFoundException');
    expect(Message).toBe('Function not found: arn:aws:lambda:us-east-1:000000000000:function:nobody');
  });

  test('no such version', async () => {
    const { Message } = expectRefused(await invoke('hello:prod', '{}'), 404, 'ResourceNotFoundException');
    expect(Message).toMatch(/:hello:prod$/);
  });

  test('an event that is not JSON', async () => {
    const { Message } = expectRefused(await invoke('hello', '{bad'), 400, 'InvalidRequestContentException');
    expect(Message).toBe('Could not parse request body into json: it is not JSON');
  });

  test('an event that is too large', async () => {
    const answer = await invoke('hello', `"${'x'.repeat(1_000)}"`);
    expectRefused(answer, 413, 'RequestTooLargeException');
  });

  test.each([
    ['x-amz-invocation-type', 'Sometimes', 'InvalidParameterValueException'],
    ['x-amz-invocation-type', 'Event', 'InvalidParameterValueException'],
    ['x-amz-log-type', 'tail', 'InvalidParameterValueException'],
    ['x-amz-client-context', 'bm8ganNvbg==', 'InvalidRequestContentException'],
    ['x-amz-client-context', 'W10=', 'InvalidRequestContentException'],
  ])('%s: %s', async (header, value, name) => {
    expectRefused(await invoke('hello', '{}', { [header]: value }), 400, name);
    expect(serving.engine.made).toEqual([]);
  });

  test('a name that is none', async () => {
    expectRefused(await invoke('a%20b', '{}'), 400, 'InvalidParameterValueException');
    expectRefused(await invoke('%zz', '{}'), 400, 'InvalidParameterValueException');
  });

  test('too many at a time', async () => {
    const first = invoke('hello', '{"gate":1}');
    await expect.poll(() => serving.engine.made[0]?.events.length).toBe(1);
    const answer = await invoke('hello', '{}');
    const { Reason } = expectRefused(answer, 429, 'TooManyRequestsException');
    expect(Reason).toBe('ReservedFunctionConcurrentInvocationLimitExceeded');
    expect(answer.headers['retry-after']).toBe('1');
    serving.engine.made[0]?.openGate();
    expect((await first).status).toBe(200);
  });

  test('a sandbox that is not to be had', async () => {
    serving.engine.failures = 10;
    expectRefused(await invoke('hello', '{}'), 500, 'ServiceException');
    expect(serving.logged).toContain('error an invocation failed');
  });

  test('an operation that is none', async () => {
    for (const [method, path] of [
      ['GET', 'hello/invocations'],
      ['POST', 'hello/invocations/more'],
      ['POST', 'hello/code-signing-config'],
    ] as const) {
      const answer = await serving.send(method, `/2015-03-31/functions/${path}`, { headers: { 'x-request-id': ID } });
      expectRefused(answer, 404, 'UnknownOperationException');
    }
    for (const path of [
      '/2015-03-31/event-source-mappings/',
      '/2018-10-31/layers',
      '/2021-10-31/functions/hello/url',
    ]) {
      const answer = await serving.send('GET', path, { headers: { 'x-request-id': ID } });
      expect(expectRefused(answer, 404, 'UnknownOperationException').Message).toBe(
        `There is no operation GET ${path} here.`,
      );
    }
  });
});

test('a dry run looks at everything and runs nothing', async () => {
  const dry = { 'x-amz-invocation-type': 'DryRun' };
  expect(await invoke('hello', '{}', dry)).toMatchObject({ status: 204, text: '' });
  expectRefused(await invoke('nobody', '{}', dry), 404, 'ResourceNotFoundException');
  expectRefused(await invoke('hello', '{bad', dry), 400, 'InvalidRequestContentException');
  expect(serving.engine.made).toEqual([]);
});

test('a worker that stops says so, and that nothing has run', async () => {
  const drained = serving.worker.drain(1000);
  const answer = await invoke('hello', '{}');
  expectRefused(answer, 500, 'ServiceException');
  expect(answer.headers.connection).toBe('close');
  await drained;
});
