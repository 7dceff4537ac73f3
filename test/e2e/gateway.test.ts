/** The gateway's API to the byte, with the built program and real sessions. */
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { succeeded } from './admin.ts';
import { eventually } from './eventually.ts';
import { type Answer, formOf, GatewayClient } from './gateway-client.ts';
import { useCluster } from './use-cluster.ts';

const cluster = useCluster();
let client: GatewayClient;

beforeAll(async () => {
  succeeded(await cluster().admin('gateway', '--port=0'), 'admin gateway');
  client = new GatewayClient(cluster().dir);
  await eventually(async () => {
    const { json } = await client.call('GET', '/languages');
    if (json.languages.length === 0) throw new Error('no agent has joined');
  });
});

let count = 0;
async function session(more: object = {}): Promise<string> {
  count += 1;
  const token = `sess-${count}`;
  const made = await client.call('POST', '/kernel', { json: { clientSessionToken: token, image: 'python', ...more } });
  expect([made.status, made.json.status]).toEqual([201, 'RUNNING']);
  return token;
}

const run = (token: string, json: { mode: string; code: string; runId: string | null }) =>
  client.run(`/kernel/${token}`, json);

async function wholeRun(token: string, code: string): Promise<{ stdout: string }> {
  const result = await run(token, { mode: 'query', code, runId: null });
  return { stdout: result.console.flatMap(([type, text]: string[]) => (type === 'stdout' ? [text] : [])).join('') };
}

const slug = ({ json }: Answer) => json.type.split('/').at(-1);

describe('versions', () => {
  test('are told without a key, also where old clients look', async () => {
    for (const target of ['/', '/v2', '/v3']) {
      const { status, json, headers } = await client.call('GET', target, { unsigned: true });
      expect([status, json.version, json.manager]).toEqual([200, 'v4.20190615', '19.09.6']);
      expect(headers.server).toBe('BackendAI');
    }
    const legacy = await client.call('GET', '/v2/authorize', { unsigned: true });
    expect([legacy.status, legacy.headers.location]).toEqual([302, '/v3/auth/test']);
    const odd = await client.call('GET', '/', { unsigned: true, headers: { 'X-BackendAI-Version': 'v5.20191215' } });
    expect([odd.status, slug(odd), odd.json.title]).toEqual([
      400,
      'generic-bad-request',
      'Bad request. (Unsupported API major version.)',
    ]);
  });

  test('each have the calls that they had', async () => {
    for (const prefix of ['', '/v1', '/v2', '/v3', '/v4']) {
      expect((await client.call('GET', `${prefix}/auth/test`)).status).toBe(200);
    }
    expect((await client.call('GET', '/v2/stream/kernel/_/events')).status).toBe(404);
  });
});

describe('who calls', () => {
  test('is known by the signature, of any algorithm, and in old versions with the body', async () => {
    const asked = { json: { echo: 'hi' } };
    expect((await client.call('POST', '/auth/test', asked)).json).toEqual({ authorized: 'yes', echo: 'hi' });
    expect((await client.call('POST', '/auth/test', { ...asked, algorithm: 'sha512' })).status).toBe(200);
    expect((await client.call('POST', '/v3/auth/test', { ...asked, version: 'v3.20170615' })).json.echo).toBe('hi');
    const query = await client.call('GET', '/auth/test?echo=a%20b');
    expect(query.json.echo).toBe('a b');
  });

  test('is refused in the words that clients know', async () => {
    const none = await client.call('GET', '/auth/test', { unsigned: true });
    expect([none.status, none.json.title]).toEqual([401, 'Credential/signature mismatch. (Unauthorized access)']);
    expect(none.headers['content-type']).toBe('application/problem+json');
    const stranger = { access_key: 'AKIAUNKNOWN', secret_key: 'x' };
    const unknown = await client.call('GET', '/auth/test', { keys: stranger });
    expect(unknown.json.title).toBe('Credential/signature mismatch. (Access key not found)');
    const wrong = await client.call('GET', '/auth/test', { keys: { ...client.keys, secret_key: 'x' } });
    expect([wrong.status, slug(wrong)]).toEqual([401, 'auth-failed']);
    // The date comes first: it tells nothing of keys.
    const old = { date: '2016-09-30T01:23:45Z', keys: stranger };
    const late = await client.call('GET', '/auth/test', old);
    expect([late.status, late.json.title]).toEqual([
      400,
      'Missing or invalid authorization parameters. (Date/time sync error)',
    ]);
    const basic = await client.call('GET', '/auth/test', { unsigned: true, headers: { Authorization: 'Basic x' } });
    expect([basic.status, slug(basic)]).toEqual([400, 'invalid-auth-params']);
  });

  test('may bring a token instead, as long as it is good', async () => {
    const { status, json } = await client.call('POST', '/auth/token', { json: { ttl: 60 } });
    expect(status).toBe(201);
    const bearer = { unsigned: true, headers: { Authorization: `Bearer ${json.token}` } };
    expect((await client.call('GET', '/auth/test', bearer)).status).toBe(200);
    expect((await client.call('DELETE', '/auth/token', { json: { token: json.token } })).status).toBe(204);
    expect((await client.call('GET', '/auth/test', bearer)).status).toBe(401);
  });

  test('is told the rate with every answer, failures too', async () => {
    const good = await client.call('GET', '/auth/test');
    expect(good.headers).toMatchObject({ 'x-ratelimit-limit': '30000', 'x-ratelimit-window': '900' });
    const bad = await client.call('GET', '/kernel/nobody-has-it');
    expect([bad.status, slug(bad)]).toEqual([404, 'kernel-not-found']);
    expect(Number(bad.headers['x-ratelimit-remaining'])).toBe(Number(good.headers['x-ratelimit-remaining']) - 1);
    const anonymous = await client.call('GET', '/', { unsigned: true });
    expect(anonymous.headers).toMatchObject({ 'x-ratelimit-limit': '1000', 'x-ratelimit-remaining': '1000' });
  });
});

describe('what is asked for', () => {
  test('may be nowhere, or not that way', async () => {
    const nowhere = await client.call('GET', '/nowhere?x=1');
    expect([nowhere.status, nowhere.json.title]).toEqual([404, 'Unknown URL path.']);
    expect(nowhere.json).toMatchObject({ instance: '/nowhere', requestId: nowhere.headers['x-request-id'] });
    const put = await client.call('PUT', '/kernel');
    expect([put.status, slug(put), put.headers.allow]).toEqual([405, 'method-not-allowed', 'POST, GET, HEAD, OPTIONS']);
  });

  test('may be asked for by a page of somebody else', async () => {
    const headers = { Origin: 'https://x.example', 'Access-Control-Request-Headers': 'authorization' };
    for (const target of ['/kernel', '/nowhere']) {
      const preflight = await client.call('OPTIONS', target, { unsigned: true, headers });
      expect(preflight.status).toBe(204);
      expect(preflight.headers).toMatchObject({
        'access-control-allow-origin': 'https://x.example',
        'access-control-allow-credentials': 'true',
        'access-control-allow-headers': 'authorization',
      });
    }
  });
});

describe('a session', () => {
  test('is one for all that ask for its token at once', async () => {
    const json = { clientSessionToken: 'at-once', lang: 'lablup/python:3.6-ubuntu18.04' };
    const all = await Promise.all(Array.from({ length: 8 }, () => client.call('POST', '/kernel/create', { json })));
    expect(all.map(({ status }) => status).sort()).toEqual([200, 200, 200, 200, 200, 200, 200, 201]);
    expect(new Set(all.map((answer) => answer.json.sessionId)).size).toBe(1);
    expect(all.map((answer) => answer.json.created).filter(Boolean)).toHaveLength(1);
    const [first] = all;
    expect(first!.json).toMatchObject({ kernelId: 'at-once', status: 'RUNNING', servicePorts: [], service_ports: [] });
    const other = await client.call('POST', '/kernel', { json: { clientSessionToken: 'at-once', image: 'bash' } });
    expect([other.status, slug(other)]).toEqual([400, 'kernel-already-exists']);
    const again = await client.call('POST', '/kernel', { json: { ...json, reuseIfExists: false } });
    expect([again.status, slug(again)]).toEqual([400, 'kernel-already-exists']);
  });

  test('keeps its state, says how it is, starts afresh with its files, and ends', async () => {
    const token = await session({ config: { environ: { WHO: 'me' }, resources: { mem: '128m' } } });
    await wholeRun(token, 'import os; x = 41; open("kept", "w").write("here")');
    expect((await wholeRun(token, 'print(x + 1, os.environ["WHO"])')).stdout).toBe('42 me\n');
    const { json } = await client.call('GET', `/kernel/${token}`);
    expect(json).toMatchObject({ status: 'RUNNING', lang: 'python', memoryLimit: 131_072, numQueriesExecuted: 2 });
    const restarted = await client.call('PATCH', `/kernel/${token}`);
    // Old clients fail without these two.
    expect(restarted.headers).toMatchObject({ 'content-type': 'application/json', 'content-length': '0' });
    expect(restarted.status).toBe(204);
    const { stdout } = await wholeRun(token, 'print("x" in globals(), open("kept").read())');
    expect(stdout).toBe('False here\n');
    const ended = await client.call('DELETE', `/kernel/${token}`);
    expect([ended.status, ended.json.stats.version, ended.json.stats.status]).toEqual([200, 2, 'terminated']);
    const gone = await client.call('GET', `/kernel/${token}`);
    expect([gone.status, slug(gone)]).toEqual([404, 'kernel-not-found']);
    expect(gone.json.detail).toContain('user-requested');
  });

  test('of no language, or with what there is not, is refused', async () => {
    const image = await client.call('POST', '/kernel', { json: { clientSessionToken: 'cobol', image: 'cobol' } });
    expect([image.status, slug(image)]).toEqual([404, 'image-not-found']);
    expect(image.json.detail).toContain('python');
    const config = { mounts: ['data'], resources: { mem: 'much' } };
    const bad = await client.call('POST', '/kernel', { json: { clientSessionToken: 'abc', image: 'python', config } });
    expect([bad.status, slug(bad)]).toEqual([400, 'invalid-api-params']);
    for (const what of ['clientSessionToken', 'config.mounts', 'config.resources.mem']) {
      expect(bad.json.title).toContain(what);
    }
    const broken = await client.call('POST', '/kernel', { body: Buffer.from('{'), type: 'application/json' });
    expect([broken.status, slug(broken)]).toEqual([400, 'invalid-api-params']);
  });

  test('reads what is typed, tells what was raised, is interrupted and completes', async () => {
    const token = await session();
    const asked = await run(token, { mode: 'query', code: 'name = input("who? "); print("hi", name)', runId: 'r1' });
    expect(asked).toMatchObject({ status: 'waiting-input', runId: 'r1', options: { is_password: false } });
    const typed = await run(token, { mode: 'input', code: 'Ann', runId: 'r1' });
    expect(typed.console.at(-1)).toEqual(['stdout', 'hi Ann\n']);
    const raised = await run(token, { mode: 'query', code: '1/0', runId: null });
    expect(raised).toMatchObject({ exitCode: 0, error: { name: 'ZeroDivisionError' } });
    const slow = run(token, { mode: 'query', code: 'import time\nwhile True: time.sleep(0.01)', runId: 'r2' });
    await eventually(async () => {
      const { json } = await client.call('GET', `/kernel/${token}`);
      if (json.runId !== 'r2') throw new Error('it does not run yet');
    });
    expect((await client.call('POST', `/kernel/${token}/interrupt`)).status).toBe(204);
    expect(await slow).toMatchObject({ status: 'finished', error: { name: 'KeyboardInterrupt' } });
    const code = 'impor';
    const options = { row: 0, col: 5, line: 'impor', post: '' };
    const completed = await client.call('POST', `/kernel/${token}/complete`, { json: { code, options } });
    expect(completed.json.result).toMatchObject({ status: 'finished' });
    expect(completed.json.completions).toContain('import');
    expect((await client.call('GET', `/kernel/${token}/logs`)).json.result.logs).toContain('hi Ann');
  });

  test('is taken back to before its last cell, once, if it was made for that', async () => {
    const token = await session({ config: { rewindable: true } });
    await wholeRun(token, 'x = [1]; open("kept", "w").write("before")');
    await wholeRun(token, 'x.append(2); open("kept", "w").write("after")');
    const back = await client.call('POST', `/session/${token}/rewind`);
    expect([back.status, back.headers['content-length']]).toEqual([204, '0']);
    expect((await wholeRun(token, 'print(x, open("kept").read())')).stdout).toBe('[1] after\n');
    // By its other name, too: the cell that has printed is gone now.
    expect((await client.call('POST', `/v4/kernel/${token}/rewind`)).status).toBe(204);
    const never = await client.call('POST', `/session/${await session()}/rewind`);
    expect([never.status, slug(never)]).toEqual([409, 'kernel-fork-failed']);
    const nobody = await client.call('POST', '/session/nobody-has-it/rewind');
    expect([nobody.status, slug(nobody)]).toEqual([404, 'kernel-not-found']);
  });

  test('is forked with its state', async () => {
    const token = await session();
    await wholeRun(token, 'x = [1]');
    const forked = await client.call('POST', `/session/${token}/fork`, { json: { token: 'the-fork' } });
    expect([forked.status, forked.json.kernelId, forked.json.forkOf]).toEqual([201, 'the-fork', token]);
    await wholeRun('the-fork', 'x.append(2)');
    expect((await wholeRun(token, 'print(x)')).stdout).toBe('[1]\n');
    expect((await wholeRun('the-fork', 'print(x)')).stdout).toBe('[1, 2]\n');
    const again = await client.call('POST', `/session/${token}/fork`, { json: { token: 'the-fork' } });
    expect([again.status, slug(again)]).toEqual([400, 'kernel-already-exists']);
    await client.call('DELETE', `/kernel/${token}`);
    expect((await wholeRun('the-fork', 'print(len(x))')).stdout).toBe('2\n');
  });

  test('takes files and gives them back, and nothing outside of its own', async () => {
    const token = await session();
    const form = formOf({ 'a.txt': 'one', 'sub%2Fdata.txt': 'two' });
    const sent = await client.call('POST', `/kernel/${token}/upload`, form);
    expect(sent.status).toBe(204);
    expect((await wholeRun(token, 'print(open("a.txt").read(), open("sub/data.txt").read())')).stdout).toBe(
      'one two\n',
    );
    // A body in a GET.
    const list = await client.call('GET', `/kernel/${token}/files`, { json: { path: '/home/work/sub' } });
    expect([list.json.abspath, typeof list.json.files]).toEqual(['/home/work/sub', 'string']);
    expect(JSON.parse(list.json.files)).toMatchObject([{ filename: 'data.txt', size: 3, mode: '-rw-r--r--' }]);
    const both = await client.call('GET', `/kernel/${token}/download`, { json: { files: ['a.txt', 'sub'] } });
    expect(both.headers['content-type']).toMatch(/^multipart\/mixed; boundary=/);
    expect(both.body.toString('latin1').match(/Content-Encoding: identity/g)).toHaveLength(2);
    const one = await client.call('GET', `/kernel/${token}/download_single?file=a.txt`);
    expect([one.status, one.body.subarray(0, 5).toString(), one.body.subarray(257, 262).toString()]).toEqual([
      200,
      'a.txt',
      'ustar',
    ]);
    const six = await client.call('GET', `/kernel/${token}/download`, { json: { files: [...'abcdef'] } });
    expect([six.status, slug(six)]).toEqual([400, 'invalid-api-params']);
    const missing = await client.call('GET', `/kernel/${token}/download`, { json: { files: ['nowhere'] } });
    expect(missing.status).toBe(404);
    const out = await client.call('GET', `/kernel/${token}/files`, { json: { path: '../../etc' } });
    expect([out.status, slug(out)]).toEqual([400, 'invalid-api-params']);
    const removed = await client.call('DELETE', `/kernel/${token}/files`, { json: { files: ['sub'] } });
    expect(removed.status).toBe(204);
    const left = await client.call('GET', `/kernel/${token}/files?path=.`);
    expect(JSON.parse(left.json.files).map(({ filename }: { filename: string }) => filename)).toEqual(['a.txt']);
  });

  test('of a batch runs its command, and tells how it ended', async () => {
    const { response, text } = await client.events('/stream/kernel/_/events?sessionId=the-batch');
    const json = { clientSessionToken: 'the-batch', image: 'bash', type: 'batch', startupCommand: 'exit 3' };
    expect((await client.call('POST', '/kernel', { json })).status).toBe(201);
    await eventually(() => expect(text()).toContain('event: kernel_terminated'));
    response.destroy();
    const names = [...text().matchAll(/^event: (\S+)$/gm)].map((found) => found[1]);
    expect(names).toEqual([
      'kernel_enqueued',
      'kernel_preparing',
      'kernel_creating',
      'kernel_started',
      'kernel_failure',
      'kernel_terminated',
    ]);
    const ids = [...text().matchAll(/^id: (\S+)$/gm)].map((found) => found[1]!);
    const later = await client.events('/stream/kernel/_/events?sessionId=the-batch', { 'Last-Event-ID': ids[4]! });
    await eventually(() => expect(later.text()).toContain('kernel_terminated'));
    later.response.destroy();
    expect(later.text()).not.toContain('kernel_failure');
    expect(later.text()).toContain('"reason":"task-finished"');
  });
});

describe('a stream', () => {
  test('runs, takes lines, and goes on for the next execution if it is to', async () => {
    const token = await session();
    const stream = await client.stream(`/stream/kernel/${token}/execute`);
    stream.send({ code: 'print(input())', mode: 'query', options: {}, keepOpen: true });
    await stream.until(({ status }) => status === 'waiting-input');
    stream.send('a line');
    await stream.until(({ status }) => status === 'finished');
    expect(stream.said.flatMap((frame) => frame.console)).toContainEqual(['stdout', 'a line\n']);
    const before = stream.said.length;
    stream.send({ code: '6 * 7', mode: 'query' });
    const last = await stream.until(({ status }) => status === 'finished', before);
    expect([last.exitCode, stream.said.slice(before).flatMap((frame) => frame.console)]).toEqual([
      0,
      [['stdout', '42\n']],
    ]);
    // Without the wish it closes itself.
    expect(await stream.closed).toBe(1000);
  });

  test('takes the execution that follows at once', async () => {
    const token = await session();
    const stream = await client.stream(`/stream/kernel/${token}/execute`);
    for (let n = 0; n < 50; n += 1) {
      const from = stream.said.length;
      stream.send({ code: `${n} + 1`, mode: 'query', keepOpen: true });
      await stream.until(({ status }) => status === 'finished', from);
      expect(stream.said.slice(from).flatMap((frame) => frame.console)).toEqual([['stdout', `${n + 1}\n`]]);
    }
    stream.socket.close();
    await stream.closed;
  });

  test('is a terminal, too', async () => {
    const token = await session();
    const stream = await client.stream(`/stream/kernel/${token}/pty`);
    const shown = () => stream.said.map(({ data = '' }) => Buffer.from(data, 'base64').toString()).join('');
    stream.send({ type: 'resize', rows: 40, cols: 100 });
    stream.send({ type: 'stdin', chars: Buffer.from('pwd; stty size; exit\n').toString('base64') });
    expect(await stream.closed).toBe(1000);
    expect(shown()).toContain('/home/work');
    expect(shown()).toContain('40 100');
  });

  test('that breaks leaves a named execution running, which can be watched again', async () => {
    const token = await session();
    const first = await client.stream(`/stream/kernel/${token}/execute`);
    const code =
      'import os, time\nprint("begun", flush=True)\nwhile not os.path.exists("go"): time.sleep(0.01)\nprint("done")';
    first.send({ code, mode: 'query', runId: 'named' });
    const { next } = await first.until((frame) => frame.console.length > 0);
    first.socket.terminate();
    await first.closed;
    await client.call('POST', `/kernel/${token}/upload`, formOf({ go: '' }));
    const second = await client.stream(`/stream/kernel/${token}/execute`);
    second.send({ mode: 'continue', code: '', runId: 'named', options: { after: next } });
    await second.until(({ status }) => status === 'finished');
    expect(second.said.flatMap((frame) => frame.console)).toEqual([['stdout', 'done\n']]);
  });

  test('that ends interrupts an execution that nobody can come back to', async () => {
    const token = await session();
    const stream = await client.stream(`/stream/kernel/${token}/execute`);
    stream.send({ code: 'import time\nprint("begun", flush=True)\nwhile True: time.sleep(0.01)', mode: 'query' });
    await stream.until((frame) => frame.console.length > 0);
    stream.socket.close();
    expect((await wholeRun(token, 'print("free again")')).stdout).toBe('free again\n');
  });

  test('is for those who may, of sessions that there are', async () => {
    const token = await session();
    await expect(client.stream(`/stream/kernel/${token}/execute`, { unsigned: true })).rejects.toThrow('401');
    await expect(client.stream('/stream/kernel/nobody-has-it/execute')).rejects.toThrow('404');
    await expect(client.stream(`/stream/kernel/${token}/httpproxy?app=jupyter`)).rejects.toThrow('404');
    const stream = await client.stream(`/stream/kernel/${token}/execute`);
    stream.send('not JSON');
    expect(await stream.until(({ status }) => status === 'error')).toMatchObject({ status: 'error' });
  });
});

describe('one call', () => {
  const once = (json: object) => client.call('POST', '/execute', { json });

  test('runs a program with input and arguments', async () => {
    const code = 'import sys\nprint(sys.argv[1:], sys.stdin.read())\nprint("oh", file=sys.stderr)\nsys.exit(3)';
    const { status, json } = await once({ language: 'python', code, stdin: 'in', args: ['a b', "c'd"] });
    expect(status).toBe(200);
    expect(json).toMatchObject({
      stdout: `['a b', "c'd"] in\n`,
      stderr: 'oh\n',
      exitCode: 3,
      status: 'finished',
      build: null,
      language: 'python',
    });
    expect(json.durationMs).toBeGreaterThan(0);
  });

  test('refuses what no program can be given', async () => {
    const odd = [{ args: ['\0'] }, { args: ['\ud800'] }, { env: { 'A=B': '1' } }, { env: { A: '\0' } }];
    for (const one of [...odd, { files: [{ name: '\ud800', content: '' }] }]) {
      const { status, json } = await once({ language: 'python', code: '1', ...one });
      expect([status, json.type]).toEqual([400, 'https://api.backend.ai/probs/invalid-api-params']);
    }
  });

  test('ends a program that takes too long, and leaves nothing', async () => {
    const { json } = await once({ language: 'python', code: 'while True: pass', limits: { timeoutMs: 300 } });
    expect(json).toMatchObject({ status: 'timed-out', ended: 'exec-timeout' });
    const { json: status } = await client.call('GET', '/manager/status');
    const { json: listed } = await client.call('GET', '/kernel');
    expect(status.agents[0].sessions).toBe(listed.sessions.length);
  });

  test('says that a program wanted more memory than it may have, and how much it had', async () => {
    const code = 'x = bytearray(1 << 30)';
    const { json } = await once({ language: 'python', code, limits: { memory: '64m' } });
    expect(json).toMatchObject({ status: 'out-of-memory', exitCode: 137 });
    expect(json.memoryBytes).toBeGreaterThan(32 << 20);
    expect(json.memoryBytes).toBeLessThanOrEqual(64 << 20);
    const small = await once({ language: 'python', code: 'x = bytearray(1 << 24); del x', limits: { memory: '64m' } });
    expect(small.json).toMatchObject({ status: 'finished', exitCode: 0 });
    expect(small.json.memoryBytes).toBeGreaterThan(1 << 24);
  });

  test('says what is wrong with it', async () => {
    const bad = await once({ language: 'python', limits: { memory: 'much' }, colour: 'red' });
    expect([bad.status, slug(bad)]).toEqual([400, 'invalid-api-params']);
    for (const what of ['code: is required', 'limits.memory', 'colour: is not known']) {
      expect(bad.json.title).toContain(what);
    }
  });
});

describe('the gateway', () => {
  test('is for its owner only on the disk, and told of by status', async () => {
    for (const file of ['gateway.db', 'admin-key.json']) {
      expect(statSync(join(cluster().dir, 'gateway', file)).mode & 0o777).toBe(0o600);
    }
    const { stdout } = await cluster().admin('status');
    expect(stdout).toMatch(
      /Gateway:\n {2}http:\/\/localhost:\d+ => running, \d+ sessions \[200 OK\]\nAgents:\n {2}\S+ +alive/,
    );
    const metrics = await client.call('GET', '/metrics', { unsigned: true });
    expect(metrics.body.toString()).toContain('isla_gateway_agents{state="alive"} 1\n');
    expect(metrics.body.toString()).toContain('http_route="/kernel/:token"');
  });

  test('takes nothing new while it is frozen, in whichever case that is said', async () => {
    const set = (status: string) => client.call('PUT', '/manager/status', { json: { status } });
    const token = await session();
    for (const word of ['frozen', 'FROZEN']) {
      expect((await set(word)).status).toBe(204);
      const refused = await client.call('POST', '/kernel', { json: { clientSessionToken: 'late', image: 'python' } });
      expect([refused.status, slug(refused)]).toEqual([503, 'server-frozen']);
      expect((await wholeRun(token, 'print(1)')).stdout).toBe('1\n');
      expect((await set('running')).status).toBe(204);
    }
    expect((await set('sleepy')).status).toBe(400);
  });

  test('is killed and started again: sessions go on, and are found', async () => {
    const token = await session();
    await wholeRun(token, 'x = 42');
    const before = (await client.call('GET', `/kernel/${token}`)).json;
    const { stdout } = await cluster().admin('status', '--json');
    process.kill(JSON.parse(stdout).gateway.pid, 'SIGKILL');
    await eventually(async () => {
      const { status } = await cluster().admin('status');
      if (status !== 6) throw new Error('it is not known to have died yet');
    });
    // With a file in one of the places; what means nothing is named.
    const file = join(cluster().dir, 'manager.toml');
    writeFileSync(file, '[etcd]\nnamespace = "local"\n[manager]\nnum-proc = 4\n[logging]\nlevel = "WARNING"\n');
    const started = succeeded(await cluster().admin('gateway', '--port=0', `--config=${file}`), 'admin gateway');
    expect(started.stderr).toContain('these mean nothing to Isla: etcd, manager.num-proc');
    client = new GatewayClient(cluster().dir);
    await eventually(async () => {
      const { status } = await client.call('GET', `/kernel/${token}`);
      if (status !== 200) throw new Error('its agent is not back yet');
    });
    expect((await wholeRun(token, 'print(x)')).stdout).toBe('42\n');
    expect((await client.call('GET', `/kernel/${token}`)).json.sessionId).toBe(before.sessionId);
    const again = await client.call('POST', '/kernel', { json: { clientSessionToken: token, image: 'python' } });
    expect([again.status, again.json.created]).toEqual([200, false]);
  });
});
