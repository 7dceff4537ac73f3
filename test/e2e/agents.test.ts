/** Workers as agents: killed, stopped, and of another cluster. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { uuidV7 } from '../../src/lib/uuid-v7.ts';
import { TestCluster } from './cluster.ts';
import { type GatewayEnd, openGatewayEnd } from './gateway-end.ts';
import { withCluster } from './use-cluster.ts';

let home: TestCluster;
let end: GatewayEnd;

beforeEach(async () => {
  home = await TestCluster.start();
  end = await openGatewayEnd(join(home.dir, 'gateway', 'agents'));
});
afterEach(async () => {
  await end.close();
  await home.dispose();
});

async function started(): Promise<string> {
  await end.joined(1);
  const { id } = await end.fleet.create({ id: uuidV7(), language: 'python', env: {}, idleTimeoutMs: 0, lifetimeMs: 0 });
  return id;
}

test('a worker that is stopped ends its sessions, and says so', async () => {
  const id = await started();
  await home.admin('kill');
  await expect
    .poll(() => end.events.at(-1))
    .toMatchObject({ kind: 'ended', session: id, facts: { ending: { reason: 'agent-termination' } } });
  await expect.poll(() => end.fleet.agents()).toEqual([]);
});

test('a worker that is killed is lost with its sessions, whose clients hear of it; the next one joins by itself', async () => {
  const id = await started();
  const asked = end.fleet.execute(id, { mode: 'query', code: 'while True: pass', runId: 'r' }, 60_000);
  process.kill(home.workerPid(), 'SIGKILL');
  await expect(asked).rejects.toMatchObject({ code: 'unreachable' });
  await expect
    .poll(() => end.events.at(-1), { timeout: 30_000 })
    .toMatchObject({ kind: 'ended', session: id, facts: { ending: { reason: 'agent-lost' } } });
  await home.startWorkers();
  await end.joined(1);
  expect(end.fleet.agents()).toMatchObject([{ state: 'alive', sessions: 0 }]);
});

test('a worker of another cluster joins with --gateway and the token; without it, it says what is missing', async () => {
  await withCluster({ running: false, env: { ...process.env, ISLA_GATEWAY_TOKEN: end.token } }, async (other) => {
    const wrong = await other.admin('workers', '--gateway=ftp://x');
    expect(wrong).toMatchObject({ status: 2, stderr: expect.stringContaining('is not the address of a gateway') });
    await end.joined(1);
    const started = await other.admin('workers', '--port=0', `--gateway=${end.url}`);
    expect(started).toMatchObject({ status: 0 });
    other.footprint.look();
    await end.joined(2);
    await other.admin('kill');
  });
  await withCluster({ running: false }, async (other) => {
    const refused = await other.admin('workers', '--port=0', `--gateway=${end.url}`);
    expect(refused).toMatchObject({ status: 1, stderr: expect.stringContaining('ISLA_GATEWAY_TOKEN') });
  });
});

test('a gateway stops at once, however its agents have found it; they wait for the next one', async () => {
  await withCluster({ running: false }, async (other) => {
    expect(await other.admin('gateway', '--port=0')).toMatchObject({ status: 0 });
    const { url, token } = JSON.parse(readFileSync(join(other.dir, 'gateway', 'agents', 'join.json'), 'utf8'));
    writeFileSync(join(home.dir, 'config', 'gateway-token'), token);
    await home.admin('kill');
    await home.admin('workers', '--port=0', `--gateway=${url}`);
    await home.readUrls();
    await expect.poll(async () => (await other.admin('status')).stdout).toMatch(/worker-0\S+ +alive/);
    expect((await other.admin('kill')).stdout).not.toContain('SIGKILL');
    await expect.poll(() => home.log()).toContain('the gateway is lost; sessions go on');
  });
});
