/** Both versions of the AWS command line, unmodified, through all that they can ask of a worker, signed and not. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Finished, run, succeeded } from './admin.ts';
import { awsCommand } from './aws-command.ts';
import { request, TestCluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { awsEnvironment, KEYS } from './registry.ts';

const ARN = 'arn:aws:lambda:us-east-1:000000000000:function:';
const ROLE = 'arn:aws:iam::000000000000:role/r';
/** Each command is a Python that reads its models first. */
const SLOW = { timeout: 480_000 };

const HANDLER = `
def lambda_handler(event, context):
    print("said", event)
    if event.get("fail"):
        raise ValueError("boom")
    return {"event": event, "arn": context.invoked_function_arn, "custom": context.client_context and context.client_context.custom}
`;

let dir: string;
/** One whose requests must be signed, and one that does not look. */
let signed: TestCluster;
let open: TestCluster;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'isla-aws-cli-'));
  signed = await TestCluster.make();
  const file = join(signed.dir, 'config', 'aws-keys.json');
  writeFileSync(file, JSON.stringify({ access_key: KEYS.accessKey, secret_key: KEYS.secretKey }), { mode: 0o600 });
  await signed.startWorkers();
  open = await TestCluster.start();
  for (const cluster of [signed, open]) cluster.install('orders', { 'lambda_function.py': HANDLER });
});
afterAll(async () => {
  rmSync(dir, { recursive: true });
  await signed?.dispose();
  await open?.dispose();
});

/** A zip file with `index.py`, whose handler says `text`. */
function zipOf(text: string): string {
  const file = join(dir, 'code.zip');
  const source = `import os\ndef handler(event, context):\n    return ["${text}", os.environ.get("MODE"), context.function_version, context.invoked_function_arn]\n`;
  const script =
    'import sys, zipfile\nwith zipfile.ZipFile(sys.argv[1], "w") as z:\n    z.writestr("index.py", sys.argv[2])';
  execFileSync('python3', ['-c', script, file, source]);
  return `--zip-file=fileb://${file}`;
}

describe.each([1, 2] as const)('the AWS command line, version %d,', (major) => {
  const command = awsCommand(major);
  const there = test.skipIf(command === undefined);
  const FAILED = major === 1 ? 255 : 254;
  // What is no file is base64 to the second version unless it is told.
  const raw = major === 2 ? ['--cli-binary-format=raw-in-base64-out'] : [];

  const aws = (cluster: TestCluster, ...args: string[]): Promise<Finished> =>
    run(command ?? '', ['--endpoint-url', cluster.url(), 'lambda', ...args], { env: awsEnvironment() });
  const ok = async (cluster: TestCluster, ...args: string[]) => {
    const { stdout } = succeeded(await aws(cluster, ...args), `aws lambda ${args[0]}`);
    return stdout === '' ? undefined : JSON.parse(stdout);
  };
  const answer = join(tmpdir(), `isla-aws-answer-${process.pid}-${major}`);
  afterAll(() => rmSync(answer, { force: true }));

  /** What the command prints, and what is in the file that it writes the answer to. */
  async function invoke(cluster: TestCluster, name: string, payload: string, ...flags: string[]) {
    const head = await ok(
      cluster,
      'invoke',
      `--function-name=${name}`,
      ...raw,
      `--payload=${payload}`,
      ...flags,
      answer,
    );
    const body = readFileSync(answer, 'utf8');
    return { head, body: body === '' ? undefined : JSON.parse(body) };
  }

  there(
    'makes a function, waits for it, changes it, numbers and names it, and removes it, all of it signed',
    SLOW,
    async () => {
      const name = `shop${major}`;
      const of = `--function-name=${name}`;
      const made = await ok(
        signed,
        'create-function',
        of,
        '--runtime=python3.11',
        `--role=${ROLE}`,
        '--handler=index.handler',
        zipOf('first'),
        '--timeout=7',
        '--memory-size=200',
        '--environment=Variables={MODE=a}',
        '--description=sells things & more: ü',
      );
      expect(made).toMatchObject({ FunctionArn: `${ARN}${name}`, Timeout: 7, MemorySize: 200, State: 'Active' });
      expect(made.Description).toBe('sells things & more: ü');
      for (const state of ['function-exists', 'function-active', 'function-active-v2'])
        await ok(signed, 'wait', state, of);
      expect((await invoke(signed, name, '{}')).body).toEqual(['first', 'a', '$LATEST', `${ARN}${name}`]);

      expect((await ok(signed, 'publish-version', of, '--description=one')).Version).toBe('1');
      await ok(signed, 'wait', 'published-version-active', of, '--qualifier=1');
      const changed = await ok(signed, 'update-function-code', of, zipOf('second'));
      expect(changed.CodeSha256).not.toBe(made.CodeSha256);
      await ok(signed, 'wait', 'function-updated', of);
      const set = await ok(
        signed,
        'update-function-configuration',
        of,
        '--environment=Variables={MODE=b}',
        '--timeout=9',
      );
      expect(set).toMatchObject({ Timeout: 9, MemorySize: 200, Environment: { Variables: { MODE: 'b' } } });
      await ok(signed, 'wait', 'function-updated-v2', of);
      expect((await invoke(signed, name, '{}')).body).toEqual(['second', 'b', '$LATEST', `${ARN}${name}`]);

      const alias = await ok(signed, 'create-alias', of, '--name=prod', '--function-version=1', '--description=all');
      expect(alias).toMatchObject({ AliasArn: `${ARN}${name}:prod`, FunctionVersion: '1', Description: 'all' });
      for (const [asked, qualifier, ...flags] of [
        [name, 'prod', '--qualifier=prod'],
        [`${name}:prod`, 'prod'],
        [`${ARN}${name}:prod`, 'prod'],
        [name, '1', '--qualifier=1'],
      ] as const) {
        const { head, body } = await invoke(signed, asked, '{}', ...flags);
        expect([head.ExecutedVersion, body]).toEqual(['1', ['first', 'a', '1', `${ARN}${name}:${qualifier}`]]);
      }
      const second = await ok(signed, 'update-function-code', of, zipOf('third'), '--publish');
      expect(second).toMatchObject({ Version: '2', FunctionArn: `${ARN}${name}:2` });
      await ok(signed, 'update-alias', of, '--name=prod', '--function-version=2', `--revision-id=${alias.RevisionId}`);
      expect((await invoke(signed, `${name}:prod`, '{}')).body[0]).toBe('third');
      expect((await ok(signed, 'get-alias', of, '--name=prod')).FunctionVersion).toBe('2');
      expect((await ok(signed, 'list-aliases', of)).Aliases.map((one: { Name: string }) => one.Name)).toEqual(['prod']);
      const versions = (await ok(signed, 'list-versions-by-function', of)).Versions;
      expect(versions.map((one: { Version: string }) => one.Version)).toEqual(['$LATEST', '1', '2']);
      expect((await ok(signed, 'get-function', of, '--qualifier=prod')).Configuration.Version).toBe('2');
      expect((await ok(signed, 'get-function-configuration', of, '--qualifier=1')).Environment.Variables.MODE).toBe(
        'a',
      );

      const stale = await aws(
        signed,
        'update-alias',
        of,
        '--name=prod',
        '--function-version=1',
        `--revision-id=${alias.RevisionId}`,
      );
      expect(stale.stderr).toContain('(PreconditionFailedException)');
      const inUse = await aws(signed, 'delete-function', of, '--qualifier=2');
      expect(inUse.stderr).toContain('(ResourceConflictException)');
      await ok(signed, 'delete-alias', of, '--name=prod');
      await ok(signed, 'delete-function', of, '--qualifier=2');
      await ok(signed, 'delete-function', of);
      const gone = await aws(signed, 'get-function', of);
      expect([gone.status, gone.stderr]).toEqual([FAILED, expect.stringContaining('(ResourceNotFoundException)')]);
    },
  );

  there('is refused by name where its keys are wrong or none are used', SLOW, async () => {
    const as = (env: NodeJS.ProcessEnv, ...flags: string[]) =>
      run(command ?? '', ['--endpoint-url', signed.url(), ...flags, 'lambda', 'list-functions'], { env });
    const wrong = await as(awsEnvironment({ ...KEYS, secretKey: 'wrong' }));
    expect(wrong.stderr).toContain('(InvalidSignatureException)');
    const unknown = await as(awsEnvironment({ ...KEYS, accessKey: 'WRONG' }));
    expect(unknown.stderr).toContain('(UnrecognizedClientException)');
    expect((await as(awsEnvironment(), '--no-sign-request')).stderr).toContain('(MissingAuthenticationTokenException)');
    expect((await as({ ...awsEnvironment(), AWS_DEFAULT_REGION: 'eu-central-1' })).status).toBe(0);
    expect(signed.log()).not.toContain(KEYS.secretKey);
  });

  there('invokes in all ways that there are', SLOW, async () => {
    const plain = await invoke(open, 'orders', '{"n": 1}', '--invocation-type=RequestResponse');
    expect(plain.head).toEqual({ StatusCode: 200, ExecutedVersion: '$LATEST' });
    expect(plain.body).toEqual({ event: { n: 1 }, arn: `${ARN}orders`, custom: null });

    const context = Buffer.from('{"custom": {"a": "ü"}}').toString('base64');
    const told = await invoke(
      open,
      `${ARN}orders`,
      '{}',
      '--log-type=Tail',
      '--qualifier=$LATEST',
      `--client-context=${context}`,
    );
    expect(Buffer.from(told.head.LogResult, 'base64').toString()).toMatch(/^START .*\nsaid \{\}\nEND .*\nREPORT /);
    expect(told.body).toEqual({ event: {}, arn: `${ARN}orders:$LATEST`, custom: { a: 'ü' } });

    const failed = await invoke(open, 'orders', '{"fail": 1}');
    expect(failed.head).toMatchObject({ StatusCode: 200, FunctionError: 'Unhandled' });
    expect(failed.body).toMatchObject({ errorType: 'ValueError', errorMessage: 'boom' });

    expect((await invoke(open, 'orders', '{}', '--invocation-type=DryRun')).head).toEqual({ StatusCode: 204 });
    const later = await invoke(open, 'orders', `{"later": ${major}}`, '--invocation-type=Event');
    expect(later).toEqual({ head: { StatusCode: 202 }, body: undefined });
    const args = join(dir, 'args');
    writeFileSync(args, `{"legacy": ${major}}`);
    expect(await ok(open, 'invoke-async', '--function-name=orders', `--invoke-args=${args}`)).toEqual({ Status: 202 });
    await eventually(async () => {
      const { stdout } = await open.admin('logs', 'orders');
      expect(stdout).toContain(`said {'later': ${major}}`);
      expect(stdout).toContain(`said {'legacy': ${major}}`);
    });
    const unsigned = await run(
      command ?? '',
      ['--endpoint-url', open.url(), '--no-sign-request', 'lambda', 'invoke', '--function-name=orders', answer],
      { env: awsEnvironment() },
    );
    expect(JSON.parse(succeeded(unsigned, 'aws lambda invoke').stdout).StatusCode).toBe(200);
  });

  there('is told what it can not have', SLOW, async () => {
    const refused = async (...args: string[]) => {
      const { status, stderr } = await aws(open, 'invoke', ...raw, ...args, answer);
      return [status, /\((\w+)\)/.exec(stderr)?.[1]];
    };
    expect(await refused('--function-name=nobody')).toEqual([FAILED, 'ResourceNotFoundException']);
    expect(await refused('--function-name=orders', '--qualifier=prod')).toEqual([FAILED, 'ResourceNotFoundException']);
    expect(await refused('--function-name=orders', '--payload={bad')).toEqual([
      FAILED,
      'InvalidRequestContentException',
    ]);
    expect(await refused('--function-name=orders', '--payload={bad', '--invocation-type=Event')).toEqual([
      FAILED,
      'InvalidRequestContentException',
    ]);
    expect(await refused('--function-name=orders:1', '--qualifier=2')).toEqual([
      FAILED,
      'InvalidParameterValueException',
    ]);
    expect(await refused('--function-name=orders', '--client-context=!')).toEqual([
      FAILED,
      'InvalidRequestContentException',
    ]);
  });

  there('lists functions in pages', SLOW, async () => {
    for (const name of ['one', 'two', 'three', 'four']) open.install(name, 'def handler(event):\n    return 1\n');
    const names = ({ Functions }: { Functions: { FunctionName: string }[] }) =>
      Functions.map(({ FunctionName }) => FunctionName);
    const all = ['four', 'one', 'orders', 'three', 'two'];
    await eventually(async () => expect(names(await ok(open, 'list-functions', '--page-size=2')).sort()).toEqual(all));
    const first = await ok(open, 'list-functions', '--max-items=3');
    const rest = await ok(open, 'list-functions', '--max-items=3', `--starting-token=${first.NextToken}`);
    expect([names(first).length, names(rest).length, rest.NextToken]).toEqual([3, 2, undefined]);
    expect([...names(first), ...names(rest)].sort()).toEqual(all);
    expect(await ok(open, 'list-functions', '--query=length(Functions)')).toBe(5);
    const { json } = await request(`${open.url()}/2015-03-31/functions/?MaxItems=0`);
    expect(json.message).toContain('MaxItems');
  });
});
