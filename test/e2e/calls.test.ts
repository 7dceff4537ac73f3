/** `admin calls`: what workers keep of calls, looked at, run again and priced. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Finished } from './admin.ts';
import type { TestCluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { useCluster, withCluster } from './use-cluster.ts';

const cluster = useCluster({ workers: 2 });
const calls = (...args: string[]) => cluster().admin('calls', ...args);

interface Listed {
  requestId: string;
  lambda: string;
  worker: string;
  outcome: string;
  errorType: string | null;
  cold: boolean | null;
}

async function listed(of: TestCluster, lambda: string, count: number): Promise<Listed[]> {
  let found: Listed[] = [];
  await eventually(async () => {
    const { stdout } = await of.admin('calls', 'list', lambda, '--json');
    found = (JSON.parse(stdout) as { calls: Listed[] }).calls;
    expect(found).toHaveLength(count);
  });
  return found;
}

const factsOf = ({ stdout }: Finished) => JSON.parse(stdout);

describe('calls that are kept', () => {
  test('are listed over all workers, the newest first', async () => {
    cluster().install('listed', 'def handler(event):\n    print("got", event)\n    return 1 / event\n');
    for (const [worker, event] of [1, 0, 2].entries()) {
      await cluster().call('listed', event, worker % 2);
    }
    const found = await listed(cluster(), 'listed', 3);
    expect(found.map(({ worker, outcome, errorType }) => [worker, outcome, errorType])).toEqual([
      ['worker-0', 'result', null],
      ['worker-1', 'raised', 'ZeroDivisionError'],
      ['worker-0', 'result', null],
    ]);
    const mistyped = await calls('list', 'lited');
    expect([mistyped.status, mistyped.stderr]).toEqual([
      3,
      'admin: there is no lambda "lited"; did you mean listed?\n',
    ]);
    const failed = await calls('list', '--failed');
    expect(failed.stdout).toMatch(/^STARTED +WORKER +LAMBDA/);
    expect(failed.stdout).toContain(found[1]!.requestId);
    expect(failed.stdout).not.toContain(found[0]!.requestId);
    expect((await calls('list', 'listed', '--limit=1', '--json')).stdout).toContain(found[0]!.requestId);
    expect((await calls('list', 'listed', '--since=2099-01-01', '--json')).stdout).toBe('{"calls":[]}\n');
  });

  test('are shown with event and result as they came, and with what was printed', async () => {
    cluster().install('shown', 'def handler(event):\n    print("seen \\x1b[31m")\n    return {"n": event["n"] + 1}\n');
    const event = '{"n": 12345678901234567890}';
    const { headers } = await cluster().post('/runLambda/shown', event);
    const [call] = await listed(cluster(), 'shown', 1);
    expect(call!.requestId).toBe(headers.get('x-request-id'));
    const shown = await calls('show', call!.requestId.slice(0, -3), '--json');
    expect(shown.stdout).toContain(`"event":${event}`);
    expect(shown.stdout).toContain('"result":{"n": 12345678901234567891}');
    expect(factsOf(shown)).toMatchObject({ lambda: 'shown', outcome: 'result', cold: true, output: 'seen \x1b[31m\n' });
    const text = (await calls('show', call!.requestId)).stdout;
    expect(text).toMatch(/^request +[0-9a-f-]{36}\nlambda +shown\n/);
    expect(text).toContain(`event:\n${event}\nresult:\n{"n": 12345678901234567891}\noutput:\nseen \\x1b[31m`);
  });

  test('are run again on the code that they ran on, as long as it is there', async () => {
    cluster().install('older', 'def handler(event):\n    return ["first", event]\n');
    await cluster().call('older', 7, 1);
    const [call] = await listed(cluster(), 'older', 1);
    const id = call!.requestId;
    const { version } = factsOf(await calls('show', id, '--json'));
    cluster().install('older', 'def handler(event):\n    return ["second", event]\n');
    expect((await cluster().call('older', 7, 1)).json).toEqual(['second', 7]);
    expect(await calls('replay', id)).toMatchObject({ status: 1, stdout: '["second", 7]\n' });
    for (const wish of ['same', version.slice(0, 8)]) {
      const again = await calls('replay', id, `--version=${wish}`, '--json');
      expect(again.status, again.stderr).toBe(0);
      expect(factsOf(again)).toMatchObject({ same: true, worker: 'worker-1', now: '["first", 7]' });
    }
    const never = await calls('replay', id, '--version=9');
    expect([never.status, never.stderr]).toEqual([3, expect.stringContaining('no code of version 9 of older')]);
    expect((await calls('replay', id, '--version=zzzz')).status).toBe(2);
    expect((await calls('replay', id, '--version=00000000')).status).toBe(3);
  });

  test('are run again on the code that is current: the same, another result, another failure', async () => {
    cluster().install('again', 'def handler(event):\n    return event["n"] * 2\n');
    await cluster().call('again', { n: 4 });
    const [call] = await listed(cluster(), 'again', 1);
    const id = call!.requestId;
    expect(await calls('replay', id)).toMatchObject({ status: 0, stdout: '8\n', stderr: `the same as ${id}\n` });
    cluster().install('again', 'def handler(event):\n    return event["n"] * 3\n');
    expect(await calls('replay', id)).toMatchObject({
      status: 1,
      stdout: '12\n',
      stderr: `not the same as ${id}, which was:\n8\n`,
    });
    cluster().install('again', 'def handler(event):\n    raise KeyError("m")\n');
    const failed = await calls('replay', id, '--json');
    expect(failed.status).toBe(4);
    expect(factsOf(failed)).toMatchObject({
      of: id,
      same: false,
      now: expect.stringMatching(/^KeyError/),
      before: '8',
    });
  });

  test('are those that nobody ran, too; and not those of lambdas that do not want it, or are none', async () => {
    const code = 'def handler(event):\n    return "secret"\n';
    cluster().install('private', { 'lambda_func.py': code, 'lambda.json': '{"keep_calls": false}' });
    cluster().install('broken', 'def handler(event:\n');
    await cluster().call('private');
    await cluster().call('nobody-here');
    await cluster().call('broken');
    const [call] = await listed(cluster(), 'broken', 1);
    expect(call).toMatchObject({ outcome: 'init-failed', errorType: 'Runtime.UserCodeSyntaxError' });
    expect(await calls('list', 'private')).toMatchObject({ status: 0, stdout: '', stderr: 'no such calls are kept\n' });
    expect(await calls('list', 'nobody-here')).toMatchObject({
      status: 3,
      stdout: '',
      stderr: expect.stringMatching(/there is no lambda "nobody-here"/),
    });
  });

  test('are for the owner of the cluster only', () => {
    for (const worker of ['worker-0', 'worker-1']) {
      expect(statSync(join(cluster().dir, 'logs', `${worker}.calls`)).mode & 0o777).toBe(0o600);
    }
  });
});

test('what is not there, or not one, is said', async () => {
  cluster().install('twice', 'def handler(event):\n    return event\n');
  await cluster().post('/runLambda/twice', '1', { headers: { 'x-request-id': 'pair-1' } });
  await cluster().post('/runLambda/twice', '2', { headers: { 'x-request-id': 'pair-2' } });
  await listed(cluster(), 'twice', 2);
  expect(await calls('show', 'pair-')).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/more than one request id begins with pair-\n {2}pair-2 twice\n {2}pair-1 twice\n$/),
  });
  expect(await calls('show', 'none')).toMatchObject({
    status: 3,
    stderr: expect.stringContaining('no call that is kept'),
  });
  expect(await calls('show')).toMatchObject({ status: 2, stderr: expect.stringContaining('needs the begin') });
  expect(await calls('lsit')).toMatchObject({ status: 2, stderr: expect.stringContaining('list, show, replay, cost') });
});

test('what they would have cost elsewhere is told by lambda, with the pages of the prices', async () => {
  cluster().install('priced', {
    'lambda_func.py': 'def handler(event):\n    return 1\n',
    'lambda.json': '{"memory_mb": 512}',
  });
  for (let count = 0; count < 3; count += 1) await cluster().call('priced', {}, count % 2);
  await listed(cluster(), 'priced', 3);
  const report = factsOf(await calls('cost', 'priced', '--json'));
  expect(report.lambdas).toMatchObject([{ lambda: 'priced', memoryMb: 512, calls: 3, errors: 0 }]);
  const [{ dollars, ms }] = report.lambdas;
  expect(dollars[0]).toBeCloseTo((3 * 0.2) / 1e6 + (ms / 1000) * 0.5 * 0.0000166667, 12);
  expect(report.offers[0]).toMatchObject({ name: 'AWS Lambda (x86)', dollars: dollars[0] });
  const text = (await calls('cost')).stdout;
  expect(text).toMatch(/^priced +512 MiB +3 /m);
  expect(text).toContain('[1] AWS Lambda (x86), https://aws.amazon.com/lambda/pricing/');
});

/** Waits until that event of `hello` is written: those before it are then, too, and no more than two are kept. */
async function newestIs(of: TestCluster, event: number): Promise<void> {
  await eventually(async () => {
    const [newest] = await listed(of, 'hello', 2);
    expect((await of.admin('calls', 'show', newest!.requestId)).stdout).toContain(`event:\n${event}\n`);
  });
}

test('a worker that is killed leaves what it kept, and goes on from there', async () => {
  await withCluster({ settings: { calls_kept: 2 } }, async (own) => {
    own.install('hello', 'def handler(event):\n    return event\n');
    for (const event of [1, 2, 3]) await own.call('hello', event);
    await newestIs(own, 3);
    process.kill(own.workerPid(), 'SIGKILL');
    expect(await listed(own, 'hello', 2)).toMatchObject([{ outcome: 'result' }, { outcome: 'result' }]);
    await own.startWorkers();
    await own.call('hello', 4);
    await newestIs(own, 4);
    expect(factsOf(await own.admin('calls', 'cost', '--json')).lambdas).toMatchObject([{ lambda: 'hello', calls: 4 }]);
  });
});

test('with "calls_kept": 0 nothing is kept', async () => {
  await withCluster({ settings: { calls_kept: 0 } }, async (own) => {
    own.install('hello', 'def handler(event):\n    return event\n');
    await own.call('hello', 1);
    expect((await own.admin('calls', 'list')).stderr).toContain('no such calls are kept');
  });
});

test('with "code_kept": 0 nothing runs on code that has been replaced, and the replay says so', async () => {
  await withCluster({ settings: { code_kept: 0 } }, async (forgetful) => {
    forgetful.install('older', 'def handler(event):\n    return "first"\n');
    await forgetful.call('older', 7);
    const [call] = await listed(forgetful, 'older', 1);
    forgetful.install('older', 'def handler(event):\n    return "second"\n');
    expect((await forgetful.call('older', 7)).json).toBe('second');
    // The instance of the code before may still be ending, and until then that code is there.
    await eventually(async () => {
      const replay = await forgetful.admin('calls', 'replay', call!.requestId, '--version=same');
      expect([replay.status, replay.stderr]).toEqual([
        3,
        expect.stringMatching(/no code of version [0-9a-f]{32} of older[\s\S]*"code_kept"/),
      ]);
    });
  });
});
