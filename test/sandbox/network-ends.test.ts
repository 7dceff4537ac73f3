/** Networks that break, that can not be had, and that end: each is told, and nothing of it is left. */
import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import type { Network } from '../../src/config/settings.ts';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { eventually } from '../e2e/eventually.ts';
import { ask, type Bench, resultOf, startBench } from './engine-fixture.ts';
import { lacking, makeWorld, NET, OUTBOUND, only, type World } from './network-fixture.ts';

const lack = lacking();

describe.skipIf(lack !== undefined)(`a network${lack === undefined ? '' : ` (${lack})`}`, () => {
  let world: World;
  let bench: Bench;
  afterEach(async () => {
    await bench?.close();
    expect(world?.left()).toEqual([]);
    await world?.close();
  });
  async function start(tools?: string, networkAllowed: readonly Network[] = ['none', 'outbound']): Promise<void> {
    world = await makeWorld({ tools });
    bench = await startBench({ hostPython: world.hostPython, networkAllowed });
  }
  const make = (network = OUTBOUND): Promise<Sandbox> => bench.sandbox(NET, 'net', { network });
  const works = async (sandbox: Sandbox) =>
    expect(await resultOf(sandbox, 'by_name("api.example.com", 443)')).toBe('internet 203.0.113.10:443');
  /** Names of the processes that connect sandboxes. */
  const helpers = () =>
    world
      .left()
      .map((line) => line.split(' ')[2] as string)
      .filter((name) => /^(pas|network-keeper|dns-proxy)/.test(name));
  const pidOf = (name: RegExp) =>
    Number(
      world
        .left()
        .find((line) => name.test(line.split(' ')[2] as string))
        ?.split(' ')[1],
    );

  it('ends with its sandbox, and when destroy() resolves it has ended', async () => {
    await start();
    const sandboxes = await Promise.all([make(), make(), make(only(['api.example.com', 443]))]);
    for (const sandbox of sandboxes) await works(sandbox);
    expect(helpers().filter((name) => /^pas/.test(name))).toHaveLength(3);
    await sandboxes[0]!.destroy();
    expect(helpers().filter((name) => /^pas/.test(name))).toHaveLength(2);
    await Promise.all(sandboxes.map((sandbox) => sandbox.destroy()));
    expect(helpers().sort()).toEqual(['dns-proxy', 'network-keeper']);
  });

  it('ends with a sandbox that dies by itself', async () => {
    await start();
    const sandbox = await make();
    expect((await ask(sandbox, 'os.kill(1, 9) or os._exit(3)')).kind).toBe('ended');
    await sandbox.ended;
    expect(helpers().sort()).toEqual(['dns-proxy', 'network-keeper']);
  });

  it('is made and ended again and again without anything piling up', async () => {
    await start();
    const first = await make();
    await works(first);
    await first.destroy();
    const keeper = pidOf(/^network-keeper/);
    const proxy = pidOf(/^dns-proxy/);
    const count = () => [keeper, proxy].map((pid) => readdirSync(`/proc/${pid}/fd`).length);
    const before = count();
    for (let round = 0; round < 5; round += 1) {
      await Promise.all([make(), make()].map(async (making) => (await making).destroy()));
    }
    // The proxy is told last, and by nobody who waits for it.
    await eventually(() => expect(count()).toEqual(before));
  });

  it('whose pasta dies takes its sandbox with it, and its caller is told; the next one works', async () => {
    await start();
    const sandbox = await make();
    const call = ask(sandbox, 'time.sleep(20)');
    process.kill(pidOf(/^pas/), 'SIGKILL');
    const reply = await call;
    expect(reply.kind).toBe('ended');
    expect(await sandbox.ended).toEqual({
      cause: 'lost',
      reason: expect.stringMatching(/^its network broke: pasta ended/),
    });
    await works(await make());
  });

  it('whose resolver dies has another at once, and keeps what is open', async () => {
    await start();
    const sandbox = await make(only(['api.example.com', 443]));
    await works(sandbox);
    const proxy = pidOf(/^dns-proxy/);
    process.kill(proxy, 'SIGKILL');
    // None is no other one.
    await eventually(() => expect([proxy, Number.NaN]).not.toContain(pidOf(/^dns-proxy/)));
    expect(await resultOf(sandbox, 'tcp("203.0.113.10", 443)')).toBe('internet 203.0.113.10:443');
    await works(sandbox);
    expect(await resultOf(sandbox, 'look_up("other.example.com")')).toBe('EAI_NONAME');
  });

  it('whose keeper dies ends with it, and with all the others; the next one works', async () => {
    await start();
    const sandbox = await make();
    await works(sandbox);
    process.kill(pidOf(/^network-keeper/), 'SIGKILL');
    expect((await sandbox.ended).cause).toBe('lost');
    await works(await make());
    expect(bench.logged.join('\n')).toContain('the keeper of networks died');
  });

  it('is gone within a second after the spawner was killed', async () => {
    await start();
    await works(await make());
    const known = new Set(world.left().map((line) => line.split(' ')[1]));
    process.kill(pidOf(/^python/), 'SIGKILL');
    const old = () => world.left().filter((line) => known.has(line.split(' ')[1]));
    await eventually(() => expect(old()).toEqual([]), 1_000);
    await works(await make());
  });

  it.each([
    [
      'pasta is not installed',
      'mount --bind /dev/null $(command -v pasta)',
      /pasta is not installed: apt-get install -y passt/,
    ],
    ['there is no device to make it with', 'mount -t tmpfs none /dev/net', /\/dev\/net\/tun is not there/],
    ['the machine has no way out', 'ip route del default; ip -6 route del default', /no default route/],
    ['pasta does not do its work', 'mount --bind /bin/false $(command -v pasta)', /pasta ended: it said nothing/],
  ])('is refused by name where %s, and what needs none runs', async (_what, tools, reason) => {
    await start(tools);
    await expect(make()).rejects.toMatchObject({
      code: 'sandbox-failed',
      step: 'connect the network',
      message: expect.stringMatching(reason),
    });
    await expect(make(only(['api.example.com', 443]))).rejects.toMatchObject({ step: 'connect the network' });
    expect(helpers().sort()).toEqual(['dns-proxy', 'network-keeper']);
    const closed = await make({ mode: 'none' });
    expect(await resultOf(closed, 'tcp("203.0.113.10", 443)')).toBe('ENETUNREACH');
  });

  it('that is lacked is told of when the worker starts', async () => {
    await start('mount --bind /dev/null $(command -v pasta)');
    expect(bench.engine.facts().weaker.join('\n')).toContain('network outbound do not start: pasta is not installed');
  });

  it('that nobody may have starts nothing, and is refused whoever asks', async () => {
    await start(undefined, ['none']);
    expect(helpers()).toEqual([]);
    await expect(make()).rejects.toMatchObject({ message: expect.stringContaining('network_allowed does not name') });
  });

  it('goes on without IPv6 where the machine has none, and without IPv4', async () => {
    await start('ip -6 route del default');
    const sandbox = await make();
    await works(sandbox);
    expect(await resultOf(sandbox, 'tcp("2001:db8:2::10", 443)')).toBe('ENETUNREACH');
    world.onHost('sh', '-c', 'ip route del default; ip -6 route add default via 2001:db8:1::1');
    const six = await make();
    expect(await resultOf(six, 'tcp("2001:db8:2::10", 443)')).toBe('internet 2001:db8:2::10');
    expect(await resultOf(six, 'tcp("203.0.113.10", 443)')).toBe('ENETUNREACH');
  });

  it('has its resolver also where the base is a directory that names another', async () => {
    world = await makeWorld();
    const hostPython = world.hostPython;
    bench = await startBench({ hostPython, networkAllowed: ['none', 'outbound'], basePath: '/' });
    await works(await make(only(['api.example.com', 443])));
  });

  it('is carried and resolved by processes that hold nothing', async () => {
    await start();
    await works(await make());
    const status = (name: RegExp, field: string) =>
      new RegExp(`^${field}:\\s*(.*)$`, 'm').exec(readFileSync(`/proc/${pidOf(name)}/status`, 'utf8'))?.[1];
    for (const name of [/^dns-proxy/, /^pas/]) {
      expect(status(name, 'Seccomp')).toBe('2');
      expect(status(name, 'NoNewPrivs')).toBe('1');
      expect(status(name, 'Uid')).not.toMatch(/\b0\b/);
    }
    for (const set of ['CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) expect(status(/^dns-proxy/, set)).toMatch(/^0+$/);
    expect(readdirSync(`/proc/${pidOf(/^pas/)}/root`)).toEqual([]);
  });
});
