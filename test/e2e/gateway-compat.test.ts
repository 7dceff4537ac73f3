/** What clients of Backend.AI have tripped over, and what its API names beside sessions: with the built program. */
import { beforeAll, describe, expect, test } from 'vitest';
import { succeeded } from './admin.ts';
import { eventually } from './eventually.ts';
import { type Answer, formOf, GatewayClient } from './gateway-client.ts';
import { useCluster } from './use-cluster.ts';

const cluster = useCluster();
let client: GatewayClient;

beforeAll(async () => {
  succeeded(await cluster().admin('gateway', '--port=0', '--heartbeat-timeout=7.5'), 'admin gateway');
  client = new GatewayClient(cluster().dir);
  await eventually(async () => {
    const { json } = await client.call('GET', '/languages');
    if (json.languages.length === 0) throw new Error('no agent has joined');
  });
});

const slug = ({ json }: Answer) => json.type.split('/').at(-1);
let count = 0;
async function session(more: object = {}): Promise<{ token: string; id: string }> {
  count += 1;
  const token = `compat-${count}`;
  const { json } = await client.call('POST', '/kernel', {
    json: { clientSessionToken: token, image: 'python', ...more },
  });
  expect(json.status).toBe('RUNNING');
  return { token, id: json.sessionId };
}
const run = (token: string, json: object, asking: object = {}) =>
  client.call('POST', `/kernel/${token}`, { json, ...asking });

describe('a request', () => {
  test('may mean another method than it has, and is signed as that', async () => {
    const { token } = await session();
    const asked = await client.call('POST', `/kernel/${token}`, { meant: 'GET' });
    expect([asked.status, asked.json.status]).toEqual([200, 'RUNNING']);
    expect((await client.call('POST', `/v4/kernel/${token}`, { meant: 'patch' })).status).toBe(401);
    expect((await client.call('POST', `/v4/kernel/${token}`, { meant: 'PATCH' })).status).toBe(204);
    const listed = await client.call('POST', `/kernel/${token}/files`, { meant: 'GET', json: { path: '.' } });
    expect(JSON.parse(listed.json.files)).toEqual([]);
    expect((await client.call('GET', `/kernel/${token}`, { meant: 'DELETE' })).json.stats.status).toBe('terminated');
    for (const meant of ['PUT', 'TRACE', 'sing a song']) {
      const { status } = await client.call('POST', '/kernel', { meant });
      // What is no method counts as none, and the signature is another one then.
      expect(status).toBe(meant === 'PUT' ? 405 : 401);
    }
  });

  test('may have an empty body in pieces, which is none', async () => {
    const { token } = await session();
    const headers = { 'Transfer-Encoding': 'chunked' };
    const { status, json } = await client.call('GET', `/kernel/${token}/files?path=.`, { headers });
    expect([status, json.abspath]).toEqual([200, '/home/work']);
  });

  test('may sign its body, which nobody changes on the way then', async () => {
    const json = { echo: 'mine' };
    const signed = await client.call('POST', '/auth/test', { json, signsBody: true });
    expect([signed.status, signed.json.echo]).toEqual([200, 'mine']);
    const headers = client.headersOf('POST', '/auth/test', { json, signsBody: true });
    const changed = { body: Buffer.from('{"echo":"yours"}'), type: 'application/json', unsigned: true, headers };
    expect((await client.call('POST', '/auth/test', changed)).status).toBe(401);
  });

  test('names its date and version as Sorna did, too', async () => {
    for (const version of ['v1.20160915', 'v3.20170615', 'v4.20190615']) {
      expect((await client.call('GET', '/auth/test', { version, words: 'Sorna' })).status).toBe(200);
    }
  });
});

describe('a session', () => {
  test('is waited for as long as is wanted, or not at all', async () => {
    const made = (more: object) => client.call('POST', '/kernel', { json: { image: 'python', ...more } });
    const queued = await made({ clientSessionToken: 'queued', enqueueOnly: true });
    expect([queued.status, queued.json.created]).toEqual([201, true]);
    expect(['PENDING', 'RUNNING']).toContain(queued.json.status);
    // The same one, which is waited for now.
    const waited = await made({ clientSessionToken: 'queued', maxWaitSeconds: 60 });
    expect([waited.status, waited.json.status, waited.json.created]).toEqual([200, 'RUNNING', false]);
    const old = await client.call('POST', '/v2/kernel/create', {
      json: { clientSessionToken: 'queued', lang: 'python', config: { instanceMemory: 0.25 } },
      version: 'v2.20170315',
    });
    // Servers of that time knew no 200.
    expect([old.status, old.json.created]).toEqual([201, false]);
  });

  test('ends with statistics in the words of dashboards, also by force', async () => {
    for (const query of ['', '?forced=true']) {
      const { token } = await session();
      await client.run(`/kernel/${token}`, { mode: 'query', code: 'sum(range(1000))', runId: null });
      const info = (await client.call('GET', `/kernel/${token}`)).json;
      const known = ['domainName', 'groupId', 'userId', 'registry', 'tag', 'containerId', 'occupiedSlots', 'environ'];
      for (const name of [...known, 'statusInfo', 'age', 'creationTime', 'numQueriesExecuted', 'idleTimeout', 'lang']) {
        expect(info).toHaveProperty(name);
      }
      expect(JSON.parse(info.occupiedSlots)).toEqual({ cpu: expect.any(String), mem: expect.any(String) });
      const { json } = await client.call('DELETE', `/kernel/${token}${query}`);
      expect(json.stats).toMatchObject({
        status: 'terminated',
        reason: query === '' ? 'user-requested' : 'force-terminated',
        mem: { current: expect.stringMatching(/^\d+$/), unit_hint: 'bytes', 'stats.max': expect.any(String) },
      });
    }
  });

  test('answers clients of the first version in streams of their own', async () => {
    const { token } = await session();
    const code = 'import sys; print("out"); print("err", file=sys.stderr)';
    const { json } = await run(token, { code }, { version: 'v1.20160915' });
    expect(json.result).toMatchObject({ stdout: 'out\n', stderr: 'err\n', media: [], html: [] });
    expect(json.result).not.toHaveProperty('console');
  });

  test('whose interpreter goes away in the midst of a cell has finished it with 130', async () => {
    const { token } = await session();
    const lost = await client.run(`/kernel/${token}`, { mode: 'query', code: 'import os; os._exit(1)', runId: 'last' });
    expect(lost).toMatchObject({ status: 'finished', exitCode: 130, console: [] });
  });

  test('completes, both ways', async () => {
    const { token } = await session();
    await client.run(`/kernel/${token}`, { mode: 'query', code: 'wonderful = 1', runId: null });
    const options = { row: 0, col: 5, line: 'wonde', post: '' };
    const executed = await run(token, { mode: 'complete', code: 'wonde', runId: null, options });
    expect(executed.json.result.completions).toEqual(['wonderful']);
    expect(executed.json.completions).toEqual(['wonderful']);
  });

  test('gives several files for a query that names each, and removes none outside', async () => {
    const { token } = await session();
    await client.call('POST', `/kernel/${token}/upload`, formOf({ 'a.txt': 'one', 'b.txt': 'two' }));
    const both = await client.call('GET', `/kernel/${token}/download?files=a.txt&files=b.txt`);
    expect(both.status).toBe(200);
    const names = [...both.body.toString('latin1').matchAll(/filename="([^"]+)"/g)].map(([, name]) => name);
    expect(names).toEqual(['a.txt.tar', 'b.txt.tar']);
    const outside = { json: { files: ['../../etc/passwd'] } };
    const refused = await client.call('DELETE', `/kernel/${token}/files`, outside);
    expect([refused.status, slug(refused)]).toEqual([400, 'invalid-api-params']);
    const many = formOf(Object.fromEntries(Array.from({ length: 21 }, (_, at) => [`${at}`, ''])));
    expect((await client.call('POST', `/kernel/${token}/upload`, many)).status).toBe(400);
    const large = await client.call('POST', `/kernel/${token}/upload`, formOf({ large: 'x'.repeat(1_048_577) }));
    expect([large.status, slug(large)]).toEqual([400, 'invalid-api-params']);
  });

  test('of a task leaves a log, of which one may have a part', async () => {
    const batch = { type: 'batch', startupCommand: 'echo begun; echo done' };
    const { json } = await client.call('POST', '/kernel', {
      json: { clientSessionToken: 'the-task', image: 'bash', ...batch },
    });
    const target = `/kernel/_/logs?taskId=${json.sessionId.replaceAll('-', '')}`;
    await eventually(async () => {
      const { body } = await client.call('GET', target);
      expect(body.toString()).toBe('begun\ndone\n');
    });
    const whole = await client.call('GET', `/kernel/_/logs?kernel_id=${json.sessionId}`);
    expect(whole.headers).toMatchObject({ 'content-type': 'text/plain; charset=utf-8', 'accept-ranges': 'bytes' });
    const head = await client.call('HEAD', target);
    expect([head.status, head.headers['content-length'], head.body.length]).toEqual([200, '11', 0]);
    const ranged = (range: string) => client.call('GET', target, { headers: { Range: range } });
    const part = await ranged('bytes=6-');
    expect([part.status, part.body.toString(), part.headers['content-range']]).toEqual([
      206,
      'done\n',
      'bytes 6-10/11',
    ]);
    expect((await ranged('bytes=100-')).status).toBe(416);
    const nobody = await client.call('GET', `/kernel/_/logs?taskId=${json.sessionId.replace(/.$/, 'x')}`);
    expect([nobody.status, slug(nobody)]).toEqual([400, 'invalid-api-params']);
    const none = await client.call('GET', '/kernel/_/logs?taskId=00000000-0000-7000-8000-000000000000');
    expect([none.status, slug(none)]).toEqual([404, 'kernel-not-found']);
  });
});

describe('a stream', () => {
  test('is there for clients of old versions, which sign the body that it has not', async () => {
    const { token } = await session();
    const stream = await client.stream(`/v3/stream/kernel/${token}/execute`, { version: 'v3.20170615' });
    stream.send({ code: '6 * 7', mode: 'query', options: {} });
    await stream.until(({ status }) => status === 'finished');
    expect(await stream.closed).toBe(1000);
  });

  test('of a terminal answers pings, starts anew, and says what it does not understand', async () => {
    const { token } = await session();
    const stream = await client.stream(`/stream/kernel/${token}/pty`);
    const shown = (from = 0) =>
      stream.said
        .slice(from)
        .map(({ data = '' }) => Buffer.from(data, 'base64').toString())
        .join('');
    stream.send({ type: 'ping' });
    await stream.until(({ type }) => type === 'pong');
    stream.send({ type: 'dance' });
    expect(await stream.until(({ type }) => type === 'error')).toMatchObject({ reason: 'invalid-api-params' });
    const type = (text: string) => stream.send({ type: 'stdin', chars: Buffer.from(text).toString('base64') });
    type('kept=1; echo $kept$kept\n');
    await eventually(() => expect(shown()).toMatch(/^11\r/m));
    const before = stream.said.length;
    stream.send({ type: 'restart' });
    type('echo "<$kept>"\n');
    await eventually(() => expect(shown(before)).toMatch(/^<>\r/m));
    stream.socket.close();
    await stream.closed;
  });

  test('without an upgrade is a request that was not meant so', async () => {
    const { token } = await session();
    const plain = await client.call('GET', `/stream/kernel/${token}/execute`);
    expect([plain.status, slug(plain)]).toEqual([400, 'generic-bad-request']);
  });
});

describe('of what there is beside sessions', () => {
  test('resources are told as texts', async () => {
    const { token } = await session({ config: { resources: { cpu: 1, mem: '128m' } } });
    const { status, json } = await client.call('POST', '/resource/check-presets', { json: { group: 'default' } });
    expect(status).toBe(200);
    expect(json).toMatchObject({
      keypair_limits: { cpu: 'Infinity', mem: 'Infinity' },
      keypair_remaining: { cpu: 'Infinity', mem: 'Infinity' },
      group_limits: { cpu: '0', mem: '0' },
      presets: [],
    });
    expect(Number(json.keypair_using.mem)).toBeGreaterThanOrEqual(128 * 1_048_576);
    const { using, remaining } = json.scaling_groups.default;
    expect(using).toEqual(json.keypair_using);
    expect(json.scaling_group_remaining).toEqual(remaining);
    const other = await client.call('POST', '/resource/check-presets', { json: { scaling_group: 'gpus' } });
    expect([other.status, slug(other)]).toEqual([404, 'scaling-group-not-found']);
    expect((await client.call('POST', '/resource/recalculate-usage')).json).toEqual({});
    await client.call('DELETE', `/kernel/${token}`);
  });

  test('the gateway tells where it was reached, and when an agent is lost', async () => {
    const { json } = await client.call('GET', '/manager/status', { unsigned: true });
    expect(json.nodes).toMatchObject([
      { num_proc: 1, service_addr: `127.0.0.1:${client.port}`, heartbeat_timeout: 7.5, ssl_enabled: false },
    ]);
  });

  test.each([
    ['/folders', []],
    ['/folders/_/hosts', { default: null, allowed: [] }],
    ['/folders/_/allowed_types', []],
    ['/folders/_/shared', { shared: [] }],
    ['/folders/invitations/list', { invitations: [] }],
    ['/config/resource-slots', { cpu: 'count', mem: 'bytes' }],
    ['/config/vfolder-types', []],
    ['/config/docker-registries', {}],
    ['/scaling-groups?group=default', { scaling_groups: [{ name: 'default' }] }],
    ['/resource/presets', { presets: [] }],
  ])('%s lists what there is', async (target, expected) => {
    const { status, json } = await client.call('GET', target);
    expect([status, json]).toEqual([200, expected]);
  });

  test.each([
    ['POST', '/folders', 503, 'not-implemented'],
    ['GET', '/folders/data', 404, 'vfolder-not-found'],
    ['DELETE', '/folders/data', 400, 'invalid-api-params'],
    ['POST', '/folders/data/mkdir', 404, 'vfolder-not-found'],
    ['GET', '/folders/data/files', 404, 'vfolder-not-found'],
    ['DELETE', '/folders/data/delete_files', 404, 'vfolder-not-found'],
    ['GET', '/folders/_/mounts', 503, 'not-implemented'],
    ['POST', '/folders/invitations/accept', 503, 'not-implemented'],
    ['POST', '/admin/graphql', 503, 'not-implemented'],
    ['POST', '/auth/signup', 503, 'not-implemented'],
    ['POST', '/auth/signout', 503, 'not-implemented'],
    ['GET', '/image/import', 503, 'not-implemented'],
    ['GET', '/resource/usage/month', 503, 'not-implemented'],
    ['POST', '/resource/watcher/agent/start', 503, 'not-implemented'],
    ['POST', '/config/set', 503, 'not-implemented'],
    ['GET', '/v2/config/resource-slots', 404, 'generic-not-found'],
    ['GET', '/v3/resource/presets', 404, 'generic-not-found'],
    ['GET', '/v1/scaling-groups', 404, 'generic-not-found'],
    ['PATCH', '/auth', 405, 'method-not-allowed'],
  ])('%s %s is refused with %i %s', async (method, target, status, problem) => {
    const refused = await client.call(method, target);
    expect([refused.status, slug(refused)]).toEqual([status, problem]);
  });
});
