/** `host`: the sandbox is in the host's network and has no hold of it; every other wall stays, and all other sandboxes stay out. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { NO_NETWORK } from '../../src/config/network.ts';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { ask, type Bench, resultOf, startBench } from './engine-fixture.ts';
import { HOST, HOST_PORT, lacking, makeWorld, NET, OUTBOUND, type World } from './network-fixture.ts';

const lack = lacking();
const ALL = ['none', 'outbound', 'host'] as const;
const LOOPBACK = `tcp("127.0.0.1", ${HOST_PORT})`;
const OUTSIDE = 'tcp("203.0.113.10", 443)';

describe.skipIf(lack !== undefined)(`a lambda with network host${lack === undefined ? '' : ` (${lack})`}`, () => {
  let world: World;
  let bench: Bench;
  let shared: Sandbox;
  beforeAll(async () => {
    world = await makeWorld();
    bench = await startBench({ hostPython: world.hostPython, networkAllowed: ALL });
    shared = await make();
  });
  afterAll(async () => {
    await bench?.close();
    expect(world?.left()).toEqual([]);
    await world?.close();
  });
  const make = (network = HOST, zygote = true) => bench.sandbox(NET, 'net', { network, zygote });
  const inside = (source: string, of = shared) => resultOf(of, source);

  it.each([
    ["the host's loopback", LOOPBACK, 'host'],
    ["the host's loopback by IPv6", `tcp("::1", ${HOST_PORT})`, 'host'],
    ["the host's address", `udp("198.51.100.2", ${HOST_PORT})`, 'host x'],
    ['the world', OUTSIDE, 'internet 203.0.113.10:443'],
    ['the world by IPv6', 'tcp("2001:db8:2::10", 443)', 'internet 2001:db8:2::10'],
    ["a name, by the host's resolvers", 'by_name("api.example.com", 443)', 'internet 203.0.113.10:443'],
    ['the metadata of a cloud', 'tcp("169.254.169.254", 80)', 'metadata'],
  ])('reaches %s', async (_what, source, answer) => {
    expect(await inside(source)).toBe(answer);
  });

  it('reaches as much with an interpreter of its own', async () => {
    const fresh = await make(HOST, false);
    expect(await inside(LOOPBACK, fresh)).toBe('host');
    await fresh.destroy();
  });

  const SET = 'lambda level, option, value: attempt(lambda: socket.socket().setsockopt(level, option, value))';
  it.each([
    ['a port below 1024', 'attempt(lambda: socket.create_server(("127.0.0.1", 81)))', 'EACCES'],
    ['raw packets', 'attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP))', 'EPERM'],
    ['raw frames', 'attempt(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))', 'EAFNOSUPPORT'],
    ['the packet filter', 'attempt(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12))', 'EAFNOSUPPORT'],
    ['marks on packets', `(${SET})(socket.SOL_SOCKET, 36, 1)`, 'EPERM'],
    ["others' addresses", `(${SET})(socket.IPPROTO_IP, 19, 1)`, 'EPERM'],
    [
      'routes',
      'attempt(lambda: [s := socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0), s.send(struct.pack("=IHHII", 28, 25, 5, 1, 0) + struct.pack("=BBBBBBBBI", 2, 0, 0, 0, 254, 0, 0, 1, 0)), -struct.unpack_from("=i", s.recv(4096), 16)[0]][-1])',
      1,
    ],
    [
      'addresses',
      'attempt(lambda: __import__("fcntl").ioctl(socket.socket(), 0x8916, struct.pack("16sHH4s8x", b"eth0", 2, 0, socket.inet_aton("198.51.100.9"))))',
      'EPERM',
    ],
    ['settings', 'attempt(lambda: open("/proc/sys/net/ipv4/ip_forward", "w"))', 'EROFS'],
    [
      'other networks',
      'attempt(lambda: __import__("ctypes").CDLL(None, use_errno=True).setns(os.open("/proc/self/ns/net", os.O_RDONLY), 0x40000000) and errno.errorcode[__import__("ctypes").get_errno()])',
      'EPERM',
    ],
    [
      'a network of its own',
      '__import__("ctypes").CDLL(None, use_errno=True).unshare(0x40000000) and errno.errorcode[__import__("ctypes").get_errno()]',
      'EPERM',
    ],
  ])('has no hold of %s', async (_what, source, answer) => {
    expect(await inside(source)).toBe(answer);
  });

  it("shares the host's network namespace and no other, and holds no capability", async () => {
    const kinds = ['net', 'user', 'mnt', 'pid', 'ipc', 'uts', 'cgroup'];
    const spawner = world.onHost('readlink', ...kinds.map((kind) => `/proc/self/ns/${kind}`)).trim();
    const own = (await inside(
      `[os.readlink("/proc/self/ns/" + kind) for kind in ${JSON.stringify(kinds)}]`,
    )) as string[];
    expect(own.map((name, index) => name === spawner.split('\n')[index])).toEqual([
      true,
      ...kinds.slice(1).map(() => false),
    ]);
    const status = (await inside('open("/proc/self/status").read()')) as string;
    expect(status.match(/^Cap\w+:\t(0{16})$/gm)).toHaveLength(5);
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    expect(status).toMatch(/^Seccomp:\t2$/m);
  });

  it("does not reach the host's abstract sockets where the kernel's Landlock knows them", async () => {
    const [command, ...argv] = world.enter as [string, ...string[]];
    const program =
      'import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind("\\0isla-test-abstract"); s.listen(9); print("ready", flush=True); sys.stdin.read()';
    const server = spawn(command, [...argv, '/usr/bin/python3', '-c', program], { stdio: ['pipe', 'pipe', 'inherit'] });
    try {
      await once(server.stdout, 'data');
      const programDir = resolve(import.meta.dirname, '../../src/sandbox/sock');
      const landlock =
        'import sys; sys.path.insert(0, sys.argv[1]); from zygote import landlock; print(landlock.version())';
      const knows = Number(world.onHost('/usr/bin/python3', '-B', '-c', landlock, programDir)) >= 6;
      const connect = 'attempt(lambda: socket.socket(socket.AF_UNIX).connect("\\0isla-test-abstract"))';
      expect(await inside(connect)).toBe(knows ? 'EPERM' : null);
    } finally {
      server.stdin.end();
      await once(server, 'close');
    }
  });

  it('leaves nothing open to those beside it and after it', async () => {
    const closed = await make(NO_NETWORK);
    const outbound = await make(OUTBOUND);
    for (let round = 0; round < 4; round += 1) {
      const host = await make();
      expect(await inside(LOOPBACK, host)).toBe('host');
      await host.destroy();
      const after = await make(NO_NETWORK);
      for (const sandbox of [closed, after]) {
        expect(await inside(LOOPBACK, sandbox)).toBe('ECONNREFUSED');
        expect(await inside(OUTSIDE, sandbox)).toBe('ENETUNREACH');
      }
      await after.destroy();
    }
    expect(await inside(LOOPBACK, outbound)).toBe('ECONNREFUSED');
    await Promise.all([closed.destroy(), outbound.destroy()]);
  });

  it('is gone when destroy() resolves, with the ports that it held', async () => {
    const before = world.left();
    const server = await make();
    const listen = '[globals().__setitem__("s", socket.create_server(("", 7000))), s.getsockname()[1]][-1]';
    expect(await inside(listen, server)).toBe(7000);
    expect(world.left()).toHaveLength(before.length + 1);
    expect(world.onHost('cat', '/proc/net/tcp')).toMatch(/:1B58 0{8}:0000 0A /);
    // Others of the kind are neighbours on one machine.
    expect(await inside('attempt(lambda: socket.create_server(("", 7000)))')).toBe('EADDRINUSE');
    await server.destroy();
    expect(world.left()).toEqual(before);
    expect(world.onHost('cat', '/proc/net/tcp')).not.toMatch(/:1B58 0{8}:0000 0A /);
  });
});

describe.skipIf(lack !== undefined)(`zygotes in the host's network${lack === undefined ? '' : ` (${lack})`}`, () => {
  let world: World;
  let bench: Bench;
  afterEach(async () => {
    await bench?.close();
    expect(world?.left()).toEqual([]);
    await world?.close();
  });
  async function start(options: Parameters<typeof startBench>[0]): Promise<void> {
    world = await makeWorld();
    bench = await startBench({ hostPython: world.hostPython, ...options });
  }
  const make = () => bench.sandbox(NET, 'net', { network: HOST });
  /** Of what is in the host's network, the first process of each pid namespace that is not inside another. */
  const zygotes = () =>
    world
      .left()
      .map((line) => line.split(' ')[1] as string)
      .filter((pid) => depthOf(pid) === depthOf('self') + 1);

  it('are none until one is asked for, and none where that is not allowed', async () => {
    await start({ networkAllowed: ['none', 'outbound'] });
    await expect(make()).rejects.toThrow(/join the host's network: network_allowed does not name host/);
    expect(bench.engine.stats().zygotes).toBe(1);
    await bench.close();
    bench = await startBench({ hostPython: world.hostPython, networkAllowed: ALL });
    expect(bench.engine.stats().zygotes).toBe(1);
    expect(zygotes()).toEqual([]);
    const sandbox = await make();
    expect(bench.engine.stats().zygotes).toBe(2);
    expect(zygotes()).toHaveLength(1);
    expect(await resultOf(sandbox, LOOPBACK)).toBe('host');
  });

  it('are renewed, and ended with their last sandbox', async () => {
    await start({ networkAllowed: ['none', 'host'], zygoteForksMax: 2, poolSize: 0 });
    const sandboxes: Sandbox[] = [];
    for (let made = 0; made < 7; made += 1) {
      sandboxes.push(await make());
      expect(await resultOf(sandboxes.at(-1)!, LOOPBACK)).toBe('host');
    }
    // Those that were asked for while the second started are the first one's too.
    await expect.poll(() => bench.engine.stats().zygotesRenewed).toBeGreaterThanOrEqual(1);
    sandboxes.push(await make());
    expect(await resultOf(sandboxes.at(-1)!, LOOPBACK)).toBe('host');
    await Promise.all(sandboxes.map((sandbox) => sandbox.destroy()));
    expect(bench.logged.filter((line) => line.includes('zygote ended'))).toEqual([]);
  });

  it('that die take theirs with them and nobody else, and are followed by another', async () => {
    await start({ networkAllowed: ['none', 'host'], poolSize: 0 });
    const closed = await bench.sandbox(NET, 'net', { network: NO_NETWORK });
    const sandbox = await make();
    const call = ask(sandbox, 'time.sleep(20)');
    const [zygote, ...more] = zygotes();
    expect(more).toEqual([]);
    process.kill(Number(zygote), 'SIGKILL');
    expect(await call).toMatchObject({ kind: 'ended', ending: { cause: 'lost' } });
    expect(await resultOf(await make(), LOOPBACK)).toBe('host');
    expect(await resultOf(closed, LOOPBACK)).toBe('ECONNREFUSED');
  });
});

/** How many pid namespaces a process is in; none, if it has ended since it was listed. */
function depthOf(pid: string): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return (/^NSpid:\t(.*)$/m.exec(status)?.[1] ?? '').split('\t').length;
  } catch {
    return 0;
  }
}
