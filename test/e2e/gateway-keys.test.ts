/** Whose keys may what, with the users and keys of a fixture as Backend.AI has them. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { succeeded } from './admin.ts';
import { eventually } from './eventually.ts';
import { type Answer, formOf, GatewayClient, type Keys } from './gateway-client.ts';
import { useCluster } from './use-cluster.ts';

const cluster = useCluster();
const temp = mkdtempSync(join(tmpdir(), 'isla-fixture-'));
afterAll(() => rmSync(temp, { recursive: true }));

const user = (name: string, role: string, more: object = {}) => ({
  uuid: `4f13d193-f646-425a-a340-${name.padEnd(12, '0').replace(/[^0-9a-f]/g, 'f')}`,
  username: name,
  email: `${name}@lablup.com`,
  password: `pw-${name}`,
  need_password_change: false,
  is_active: true,
  domain_name: 'default',
  role,
  ...more,
});
const pair = (name: string, more: object = {}) => ({
  user_id: `${name}@lablup.com`,
  access_key: `AKIA${name.toUpperCase()}`,
  secret_key: `secret-${name}`,
  is_active: true,
  is_admin: false,
  resource_policy: 'default',
  concurrency_used: 0,
  rate_limit: 30_000,
  num_queries: 0,
  ...more,
});
const policy = { name: 'small', max_concurrent_sessions: 1, idle_timeout: 600, total_resource_slots: {} };

const FIXTURE = {
  domains: [{ name: 'default' }],
  users: [
    user('admin', 'superadmin'),
    user('boss', 'admin'),
    user('ann', 'user'),
    user('bob', 'user', { domain_name: 'other' }),
    user('gone', 'user', { is_active: false }),
  ],
  keypair_resource_policies: [policy],
  keypairs: [
    pair('admin', { is_admin: true }),
    pair('boss', { is_admin: true }),
    pair('ann', { resource_policy: 'small' }),
    pair('bob', { rate_limit: 5 }),
    pair('gone'),
    pair('off', { user_id: 'ann@lablup.com', is_active: false }),
  ],
};

const keysOf = (name: string): Keys => ({ access_key: `AKIA${name.toUpperCase()}`, secret_key: `secret-${name}` });
const slug = ({ json }: Answer) => json.type.split('/').at(-1);
let clients: Record<'admin' | 'boss' | 'ann' | 'bob' | 'gone' | 'off', GatewayClient>;

beforeAll(async () => {
  const file = join(temp, 'keys.json');
  writeFileSync(file, JSON.stringify(FIXTURE));
  succeeded(await cluster().admin('gateway', '--port=0', `--fixture=${file}`), 'admin gateway');
  const of = (name: string) => new GatewayClient(cluster().dir, keysOf(name));
  clients = { admin: of('admin'), boss: of('boss'), ann: of('ann'), bob: of('bob'), gone: of('gone'), off: of('off') };
  await eventually(async () => {
    const { json } = await clients.admin.call('GET', '/languages');
    if (json.languages.length === 0) throw new Error('no agent has joined');
  });
});

const create = (client: GatewayClient, token: string, more: object = {}) =>
  client.call('POST', '/kernel', { json: { clientSessionToken: token, image: 'python', ...more } });

describe('a fixture', () => {
  test('brings users and keys, and no others are made', () => {
    expect(existsSync(join(cluster().dir, 'gateway', 'admin-key.json'))).toBe(false);
  });

  test('of which the inactive ones are nobody', async () => {
    expect((await clients.admin.call('GET', '/auth/test')).status).toBe(200);
    for (const name of ['gone', 'off'] as const) {
      const refused = await clients[name].call('GET', '/auth/test');
      expect([refused.status, refused.json.title]).toEqual([
        401,
        'Credential/signature mismatch. (Access key not found)',
      ]);
    }
  });

  test('gives keys for passwords', async () => {
    const login = (username: string, password: string) =>
      clients.ann.call('POST', '/auth/authorize', {
        unsigned: true,
        json: { type: 'keypair', domain: 'default', username, password },
      });
    const { status, json } = await login('ann@lablup.com', 'pw-ann');
    expect([status, json.data]).toEqual([200, { ...keysOf('ann'), role: 'user' }]);
    for (const [name, word] of [
      ['ann@lablup.com', 'x'],
      ['nobody@x', 'x'],
      ['gone@lablup.com', 'pw-gone'],
    ] as const) {
      expect((await login(name, word)).status).toBe(401);
    }
  });
});

describe('a key', () => {
  test('has no more sessions than its policy allows, and those of nobody else', async () => {
    expect((await create(clients.ann, 'mine-1')).status).toBe(201);
    const second = await create(clients.ann, 'mine-2');
    expect([second.status, slug(second)]).toEqual([412, 'quota-exceeded']);
    // The one that it has is still its own to ask for.
    expect((await create(clients.ann, 'mine-1')).status).toBe(200);
    const strange = await clients.boss.call('GET', '/kernel/mine-1');
    expect([strange.status, slug(strange)]).toEqual([404, 'kernel-not-found']);
    expect((await clients.boss.call('GET', '/kernel')).json.sessions).toEqual([]);
    const all = await clients.admin.call('GET', '/kernel?all=true');
    expect(all.json.sessions).toMatchObject([{ kernelId: 'mine-1', accessKey: 'AKIAANN' }]);
    expect((await clients.ann.call('GET', '/kernel?all=true')).status).toBe(403);
  });

  test('acts for another if it is an administrator of it', async () => {
    const target = '/kernel/mine-1?owner_access_key=AKIAANN';
    expect((await clients.admin.call('GET', target)).status).toBe(200);
    expect((await clients.boss.call('GET', target)).status).toBe(200);
    const strange = await clients.bob.call('GET', target);
    expect([strange.status, slug(strange)]).toEqual([403, 'generic-forbidden']);
    // Of another domain, and of a superadmin.
    for (const owner of ['AKIABOB', 'AKIAADMIN', 'AKIANOBODY']) {
      expect((await clients.boss.call('GET', `/kernel/mine-1?owner_access_key=${owner}`)).status).toBe(403);
    }
    // Backend.AI's own client says it in the query also where there is a body.
    const json = { mode: 'query', code: '6 * 7', runId: null };
    expect((await clients.admin.run(target, json)).console).toEqual([['stdout', '42\n']]);
    expect((await clients.bob.call('POST', target, { json })).status).toBe(403);
    const ended = await clients.admin.call('DELETE', '/kernel/mine-1', { json: { owner_access_key: 'AKIAANN' } });
    expect(ended.json.stats.status).toBe('terminated');
  });

  test('has its one-shot calls counted with its sessions', async () => {
    expect((await create(clients.ann, 'mine-1')).status).toBe(201);
    const code = 'import time; time.sleep(600)';
    const json = { language: 'python', code, limits: { timeoutMs: 60_000 } };
    const refused = await clients.ann.call('POST', '/execute', { json });
    expect([refused.status, slug(refused)]).toEqual([412, 'quota-exceeded']);
    expect(refused.json.detail).toContain('1 sessions and 0 one-shot calls');
    expect((await clients.ann.call('DELETE', '/kernel/mine-1')).status).toBe(200);
    // Of two, whichever comes second is refused, and the other is under way then.
    const gone = new AbortController();
    const { signal } = gone;
    const two = [1, 2].map(() => clients.ann.call('POST', '/execute', { json, signal }).catch(() => 'given up'));
    expect(await Promise.race(two)).toMatchObject({
      status: 412,
      json: { detail: expect.stringContaining('0 sessions and 1') },
    });
    const { status, headers } = await create(clients.ann, 'mine-2');
    expect([status, headers['retry-after']]).toEqual([412, '1']);
    gone.abort();
    expect(await Promise.all(two)).toContain('given up');
    await eventually(async () => expect((await create(clients.ann, 'mine-3')).status).toBe(201));
    await clients.ann.call('DELETE', '/kernel/mine-3');
  });

  test('tells who it is, and hears of those whom it may act for', async () => {
    const roles = async (client: GatewayClient) => (await client.call('GET', '/auth/role')).json;
    const role = { global_role: 'user', domain_role: 'user', group_role: 'user' };
    expect(await roles(clients.ann)).toEqual(role);
    expect(await roles(clients.boss)).toEqual({ ...role, domain_role: 'admin' });
    expect(await roles(clients.admin)).toEqual({ ...role, global_role: 'superadmin', domain_role: 'admin' });
    const everybody = '/stream/kernel/_/events?ownerAccessKey=*';
    const refused = await clients.ann.call('GET', everybody);
    expect([refused.status, slug(refused)]).toEqual([403, 'generic-forbidden']);
    const strange = await clients.ann.call('GET', '/stream/kernel/_/events?group=other');
    expect([strange.status, slug(strange)]).toEqual([404, 'group-not-found']);
    const heard = await Promise.all([clients.admin, clients.boss].map((client) => client.events(everybody)));
    for (const [client, token] of [
      [clients.admin, 'of-admin'],
      [clients.ann, 'of-ann'],
    ] as const) {
      expect((await create(client, token)).status).toBe(201);
      await client.call('DELETE', `/kernel/${token}`);
    }
    const [byAdmin, byBoss] = heard;
    await eventually(() => expect(byAdmin!.text()).toMatch(/kernel_terminated[\s\S]*of-ann/));
    await eventually(() => expect(byBoss!.text()).toMatch(/kernel_terminated[\s\S]*of-ann/));
    expect(byAdmin!.text()).toContain('of-admin');
    for (const { response } of heard) response.destroy();
  });

  test('of a user has another password once the old one was said', async () => {
    const change = (old_password: string, new_password: string, new_password2 = new_password) =>
      clients.ann.call('POST', '/auth/update-password', { json: { old_password, new_password, new_password2 } });
    expect((await change('wrong', 'new')).status).toBe(401);
    expect((await change('pw-ann', 'new', 'other')).status).toBe(400);
    expect((await change('pw-ann', 'new')).json).toEqual({});
    const login = (password: string) =>
      clients.ann.call('POST', '/auth/authorize', { unsigned: true, json: { username: 'ann@lablup.com', password } });
    expect([(await login('pw-ann')).status, (await login('new')).status]).toEqual([401, 200]);
  });

  test('takes files into the session of another, too', async () => {
    await create(clients.ann, 'files');
    const form = formOf({ 'a.txt': 'one' });
    const target = '/kernel/files/upload?owner_access_key=AKIAANN';
    expect((await clients.admin.call('POST', target, form)).status).toBe(204);
    expect((await clients.bob.call('POST', target, form)).status).toBe(403);
    const { json } = await clients.ann.call('GET', '/kernel/files/files');
    expect(JSON.parse(json.files)).toMatchObject([{ filename: 'a.txt', size: 3 }]);
    await clients.ann.call('DELETE', '/kernel/files');
  });

  test('that is no superadmin is not authorized to freeze, which is 401', async () => {
    const refused = await clients.boss.call('PUT', '/manager/status', { json: { status: 'frozen' } });
    expect([refused.status, slug(refused)]).toEqual([401, 'auth-failed']);
  });

  test('is refused above its rate, and told when to come back', async () => {
    let last = await clients.bob.call('GET', '/auth/test');
    while (last.status === 200) last = await clients.bob.call('GET', '/auth/test');
    expect([last.status, slug(last)]).toEqual([429, 'rate-limit-exceeded']);
    expect(last.headers).toMatchObject({ 'x-ratelimit-limit': '5', 'x-ratelimit-remaining': '0' });
    expect(Number(last.headers['retry-after'])).toBeGreaterThan(0);
    expect((await clients.ann.call('GET', '/auth/test')).status).toBe(200);
  });
});
