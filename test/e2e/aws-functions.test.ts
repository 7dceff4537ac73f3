/** Functions made, changed and removed by the AWS command line and boto3, which nobody has told that this is not AWS. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { succeeded } from './admin.ts';
import { awsLambda } from './aws-clients.ts';
import { has } from './programs.ts';
import { useCluster, withCluster } from './use-cluster.ts';

const cluster = useCluster();
let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'isla-aws-fn-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

/** A zip file with one module, made by Python. */
function zipOf(name: string, module: string, source: string): string {
  const file = join(dir, name);
  const script =
    'import sys, zipfile\nwith zipfile.ZipFile(sys.argv[1], "w") as z:\n    z.writestr(sys.argv[2], sys.argv[3])';
  execFileSync('python3', ['-c', script, file, module, source]);
  return file;
}

const says = (text: string) =>
  `import os\ndef handler(event, context):\n    return ["${text}", os.environ.get("MODE"), context.memory_limit_in_mb]\n`;

// Debian: awscli.
describe.skipIf(!has('aws', '--version'))('the AWS command line', () => {
  const { aws, ok } = awsLambda(() => cluster().url());

  test('makes a function, changes it and removes it, and each change is run by the next call', {
    timeout: 180_000,
  }, async () => {
    const create = ['--runtime=python3.11', '--role=arn:aws:iam::000000000000:role/r', '--handler=index.handler'];
    const first = zipOf('first.zip', 'index.py', says('first'));
    const made = await ok(
      'create-function',
      '--function-name=shop',
      ...create,
      `--zip-file=fileb://${first}`,
      '--timeout=7',
      '--memory-size=200',
      '--environment=Variables={MODE=test}',
    );
    expect(made).toMatchObject({
      FunctionName: 'shop',
      FunctionArn: 'arn:aws:lambda:us-east-1:000000000000:function:shop',
      Runtime: 'python3.11',
      Handler: 'index.handler',
      Timeout: 7,
      MemorySize: 200,
      Version: '$LATEST',
      State: 'Active',
      CodeSha256: expect.stringMatching(/^[A-Za-z0-9+/]{43}=$/),
      Environment: { Variables: { MODE: 'test' } },
    });
    expect((await cluster().call('shop')).json).toEqual(['first', 'test', '200']);
    const again = await aws('create-function', '--function-name=shop', ...create, `--zip-file=fileb://${first}`);
    expect(again.stderr).toContain('(ResourceConflictException)');

    const second = zipOf('second.zip', 'index.py', says('second'));
    const changed = await ok('update-function-code', '--function-name=shop', `--zip-file=fileb://${second}`);
    expect(changed.CodeSha256).not.toBe(made.CodeSha256);
    expect((await cluster().call('shop')).json).toEqual(['second', 'test', '200']);
    await ok(
      'update-function-configuration',
      '--function-name=shop',
      '--memory-size=300',
      '--environment=Variables={MODE=b}',
    );
    expect((await cluster().call('shop')).json).toEqual(['second', 'b', '300']);
    await ok('wait', 'function-active-v2', '--function-name=shop');
    expect((await ok('get-function', '--function-name=shop')).Configuration).toMatchObject({
      MemorySize: 300,
      Timeout: 7,
    });
    expect(await ok('get-function-configuration', '--function-name=shop')).toMatchObject({ FunctionName: 'shop' });
    expect((await ok('list-functions')).Functions.map((one: { FunctionName: string }) => one.FunctionName)).toContain(
      'shop',
    );

    await ok('delete-function', '--function-name=shop');
    expect((await cluster().call('shop')).status).toBe(404);
    expect((await aws('get-function', '--function-name=shop')).stderr).toContain('(ResourceNotFoundException)');
    expect(readdirSync(join(cluster().dir, 'registry', '~functions'))).toEqual([]);
  });

  test('is told what is wrong, and what was before goes on', { timeout: 180_000 }, async () => {
    const good = zipOf('good.zip', 'lambda_function.py', says('good').replace('handler', 'lambda_handler'));
    const create = (name: string, ...more: string[]) =>
      aws(
        'create-function',
        `--function-name=${name}`,
        '--runtime=python3.11',
        '--role=arn:aws:iam::000000000000:role/r',
        ...more,
      );
    const missing = await create('wrong', '--handler=nothing.here', `--zip-file=fileb://${good}`);
    expect(missing.stderr).toMatch(/\(InvalidParameterValueException\).*"nothing\.here" is to be in nothing\.py/);
    const empty = zipOf('empty.zip', 'readme', 'no code');
    const none = await create('wrong', '--handler=lambda_function.lambda_handler', `--zip-file=fileb://${empty}`);
    expect(none.stderr).toContain('(InvalidParameterValueException)');
    expect((await cluster().call('wrong')).status).toBe(404);
    expect(readdirSync(join(cluster().dir, 'registry', '~functions'))).toEqual([]);
    succeeded(
      await create('right', '--handler=lambda_function.lambda_handler', `--zip-file=fileb://${good}`),
      'create',
    );
    const greedy = await aws('update-function-configuration', '--function-name=right', '--memory-size=10000');
    expect(greedy.stderr).toMatch(/\(InvalidParameterValueException\).*memory_mb/);
    expect((await cluster().call('right')).json[0]).toBe('good');
    await ok('delete-function', '--function-name=right');
  });

  test('leaves what people have put there by hand alone', async () => {
    cluster().install('mine', 'def handler(event):\n    return "mine"\n');
    const zip = zipOf('other.zip', 'lambda_func.py', says('other'));
    for (const refused of [
      await aws('update-function-code', '--function-name=mine', `--zip-file=fileb://${zip}`),
      await aws('delete-function', '--function-name=mine'),
    ]) {
      expect(refused.stderr).toMatch(/\(ResourceConflictException\).*by hand/);
    }
    expect((await cluster().call('mine')).json).toBe('mine');
    expect(await ok('get-function-configuration', '--function-name=mine')).toMatchObject({ FunctionName: 'mine' });
  });
});

test('pages of a browser manage nothing, and without keys nobody does from another machine', async () => {
  const list = (url: string, init: RequestInit = {}) => fetch(`${url}/2015-03-31/functions`, init);
  expect((await list(cluster().url())).status).toBe(200);
  const page = await list(cluster().url(), { headers: { Origin: 'http://evil.example' } });
  expect([page.status, page.headers.get('x-amzn-errortype')]).toEqual([403, 'AccessDeniedException']);
  // A page whose name leads to 127.0.0.1 by now reads as from its own host, and says no Origin.
  const asked = get(`${cluster().url()}/2015-03-31/functions`, { headers: { Host: 'evil.example' } });
  const [rebound] = (await once(asked, 'response')) as [IncomingMessage];
  rebound.resume();
  expect(rebound.statusCode).toBe(403);
  await withCluster({ settings: { worker_host: '0.0.0.0' } }, async (open) => {
    open.install('hello', 'def handler(event):\n    return "hello"\n');
    const url = open.url().replace('0.0.0.0', '127.0.0.1');
    expect((await list(url)).status).toBe(403);
    const invoked = await fetch(`${url}/2015-03-31/functions/hello/invocations`, { method: 'POST' });
    expect(await invoked.text()).toBe('"hello"');
  });
});
