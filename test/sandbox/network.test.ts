/** `outbound`, looked at from inside: the world can be reached, this machine can not, whatever code tries. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NetworkSpec } from '../../src/config/network.ts';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { eventually } from '../e2e/eventually.ts';
import { type Bench, resultOf, startBench } from './engine-fixture.ts';
import { HOST_PORT, lacking, makeWorld, NET, OUTBOUND, type World } from './network-fixture.ts';

const lack = lacking();

describe.skipIf(lack !== undefined)(`a lambda with network outbound${lack === undefined ? '' : ` (${lack})`}`, () => {
  let world: World;
  let bench: Bench;
  let open: Sandbox;
  beforeAll(async () => {
    world = await makeWorld();
    bench = await startBench({ hostPython: world.hostPython, networkAllowed: ['none', 'outbound'] });
    open = await make(OUTBOUND);
  });
  afterAll(async () => {
    await bench?.close();
    expect(world?.left()).toEqual([]);
    await world?.close();
  });
  const make = (network: NetworkSpec) => bench.sandbox(NET, 'net', { network });
  const inside = (source: string, of = open) => resultOf(of, source);

  it.each([
    ['by TCP', 'tcp("203.0.113.10", 443)', 'internet 203.0.113.10:443'],
    ['at any port', 'tcp("203.0.113.11", 80)', 'internet 203.0.113.11:80'],
    ['by UDP', 'udp("203.0.113.10", 443)', 'internet 203.0.113.10 x'],
    ['by IPv6', 'tcp("2001:db8:2::10", 443)', 'internet 2001:db8:2::10'],
    ['by name', 'by_name("api.example.com", 443)', 'internet 203.0.113.10:443'],
    ['by a name that leads to another', 'by_name("alias.example.com", 443)', 'internet 203.0.113.10:443'],
  ])('reaches the world %s', async (_how, source, answer) => {
    expect(await inside(source)).toBe(answer);
  });

  it('finds names of all kinds, large ones too, and hears that others do not exist', async () => {
    expect(await inside('look_up("api.example.com", socket.AF_INET6)')).toEqual(['2001:db8:2::10']);
    expect(await inside('look_up("large.example.com")')).toEqual(['203.0.113.12']);
    expect(await inside('look_up("nothing.example.com")')).toBe('EAI_NONAME');
    expect(await inside('dns(question("text.example.com", 16))[-5:].decode()')).toBe('hello');
  });

  const HOST = HOST_PORT;
  it.each([
    ["the host's loopback", `tcp("127.0.0.1", ${HOST})`],
    ["the host's loopback, by way of the device", `tcp("127.0.0.1", ${HOST}, "tap0")`],
    ["the rest of the host's loopback", `tcp("127.5.5.5", ${HOST}, "tap0")`],
    ["the host's loopback by IPv6", `tcp("::1", ${HOST}, "tap0")`],
    ['the address of nothing', `tcp("0.0.0.0", ${HOST}, "tap0")`],
    ["the host's address", `tcp("198.51.100.2", ${HOST})`],
    ["the host's address, by way of the device", `tcp("198.51.100.2", ${HOST}, "tap0")`],
    ["the host's address at another port", 'tcp("198.51.100.2", 443)'],
    ["the host's address by UDP", `udp("198.51.100.2", ${HOST})`],
    ["the host's address by IPv6", `tcp("2001:db8:1::2", ${HOST})`],
    ["the host's address inside an IPv6 one", `tcp("::ffff:198.51.100.2", ${HOST})`],
    ["the host's address inside another IPv6 one", `tcp("::198.51.100.2", ${HOST})`],
    ["the host's address as a translator has it", `tcp("64:ff9b::198.51.100.2", ${HOST})`],
    ["the host's address by a tunnel", `udp("2002:c633:6402::1", ${HOST})`],
    ['metadata as a translator has them', 'tcp("64:ff9b::169.254.169.254", 80)'],
    ["Oracle's metadata by IPv6", 'tcp("fd00:c1::a9fe:a9fe", 80)'],
    ["Scaleway's metadata by IPv6", 'tcp("fd00:42::42", 80)'],
    ['everybody', `udp("255.255.255.255", ${HOST})`],
    ['the address that everybody hears, of its network', `udp("198.51.100.255", ${HOST})`],
    ['the metadata of a cloud', 'tcp("169.254.169.254", 80)'],
    ['the metadata of a cloud by UDP', 'udp("169.254.169.254", 443)'],
    ['the metadata of a cloud by IPv6', 'tcp("fd00:ec2::254", 80)'],
    ['the other end of its connection', `tcp("192.0.0.1", ${HOST})`],
    [
      'the other end of its connection by IPv6',
      `attempt(lambda: socket.create_connection(("fe80::1%tap0", ${HOST}), 3))`,
    ],
    ['a group of machines', `udp("224.0.0.1", ${HOST})`],
  ])('does not reach %s', async (_what, source) => {
    expect(await inside(source)).toMatch(/^E(CONNREFUSED|HOSTUNREACH|NETUNREACH|ACCES|PERM|INVAL)$/);
  });

  it("does not reach any of the host's link-local addresses", async () => {
    const addresses = world.onHost('ip', '-6', 'addr', 'show', 'dev', 'eth0').match(/fe80::[0-9a-f:]+/g);
    expect(addresses).not.toBeNull();
    const [address] = addresses as string[];
    const source = `attempt(lambda: socket.create_connection(("${address}%tap0", ${HOST}), 3))`;
    expect(await inside(source)).toMatch(/^E(CONNREFUSED|HOSTUNREACH|ACCES)$/);
  });

  it('asks for no copy of a zone: of the resolver it would be the host that asks', async () => {
    for (const kind of [251, 252]) {
      expect(await inside(`dns(question("zone${kind}.example.com", ${kind}))[3] & 15`)).toBe(5);
      expect(world.asked()).not.toContain(`zone${kind}.example.com`);
    }
  });

  it.each([
    ['an address', ['addr', 'add', '203.0.113.20/32', 'dev', 'eth0'], '203.0.113.20'],
    ['a route to itself', ['route', 'add', 'local', '203.0.113.14/32', 'dev', 'lo'], '203.0.113.14'],
    ['an IPv6 address', ['addr', 'add', '2001:db8:2::20/128', 'dev', 'eth0', 'nodad'], '2001:db8:2::20'],
  ])(
    'does not reach %s that the host gets later, and reaches it when the host has it no more',
    async (_what, add, address) => {
      const there = `tcp("${address}", 443)`;
      expect(await inside(there)).toMatch(/^internet /);
      world.onHost('ip', ...add);
      await eventually(async () => expect(await inside(`tcp("${address}", ${HOST})`)).toBe('ECONNREFUSED'));
      expect(await inside(`udp("${address}", ${HOST})`)).toMatch(/^E(CONNREFUSED|HOSTUNREACH|PERM)$/);
      // One that starts now knows of it from its first packet on.
      const later = await make(OUTBOUND);
      expect(await inside(`tcp("${address}", ${HOST})`, later)).toBe('ECONNREFUSED');
      await later.destroy();
      world.onHost('ip', ...add.map((word) => (word === 'add' ? 'del' : word)).filter((word) => word !== 'nodad'));
      await eventually(async () => expect(await inside(there)).toMatch(/^internet /));
    },
  );

  it.each([
    ['the filter', 'attempt(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12))', 'EAFNOSUPPORT'],
    ['raw packets', 'attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP))', 'EPERM'],
    ['raw frames', 'attempt(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))', 'EAFNOSUPPORT'],
    ['the hypervisor', 'attempt(lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM))', 'EAFNOSUPPORT'],
    ['the device', 'attempt(lambda: os.open("/dev/net/tun", os.O_RDWR))', 'ENOENT'],
    [
      'routes',
      'attempt(lambda: [s := socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0), s.send(struct.pack("=IHHII", 28, 25, 5, 1, 0) + struct.pack("=BBBBBBBBI", 2, 0, 0, 0, 254, 0, 0, 1, 0)), -struct.unpack_from("=i", s.recv(4096), 16)[0]][-1])',
      1,
    ],
    [
      'addresses',
      'attempt(lambda: __import__("fcntl").ioctl(socket.socket(), 0x8916, struct.pack("16sHH4s8x", b"tap0", 2, 0, socket.inet_aton("198.51.100.2"))))',
      'EPERM',
    ],
  ])('has no hold of %s', async (_what, source, answer) => {
    expect(await inside(source)).toBe(answer);
  });

  it("sees nothing of the host's network", async () => {
    expect(await inside('[name for _index, name in socket.if_nameindex()]')).toEqual(['lo', 'tap0']);
    const sockets = (await inside('open("/proc/net/tcp").read() + open("/proc/net/udp").read()')) as string;
    expect(sockets).not.toMatch(new RegExp(`:${HOST.toString(16).toUpperCase()} 0{8}:0000 `));
    const routes = await inside('open("/proc/net/fib_trie").read() + open("/proc/net/if_inet6").read()');
    expect(routes).not.toMatch(/198\.51\.100|20010db80001/);
  });

  it('is not reached from outside, and opens nothing on the host', async () => {
    const before = world.onHost('cat', '/proc/net/tcp', '/proc/net/tcp6').match(/ 0A /g)?.length;
    expect(await inside('[globals().__setitem__("s", socket.create_server(("", 7000))), s.getsockname()[1]][-1]')).toBe(
      7000,
    );
    expect(world.onHost('cat', '/proc/net/tcp', '/proc/net/tcp6').match(/ 0A /g)?.length).toBe(before);
    expect(world.onHost('cat', '/proc/net/tcp', '/proc/net/tcp6')).not.toMatch(/:1B58 /);
    const other = await make(OUTBOUND);
    expect(await inside('tcp("192.0.0.2", 7000)', other)).toBe('ECONNREFUSED');
    await other.destroy();
  });

  describe('by UDP', () => {
    const WORLD = '203.0.113.10';
    const send = (to: string, port: number) =>
      world.onHost(
        '/usr/bin/python3',
        '-c',
        `import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"stranger", ("${to}", ${port}))`,
      );

    it("hears whom it has spoken to, and neither the host's own processes nor anybody else", async () => {
      const sandbox = await make(OUTBOUND);
      expect(await inside(`say(40001, "${WORLD}", "hello")`, sandbox)).toBe(`internet ${WORLD} hello`);
      for (const address of ['127.0.0.1', '198.51.100.2']) send(address, 40_001);
      expect(await inside('hear(40001)', sandbox)).toBe('timeout');
      expect(await inside(`say(40001, "${WORLD}", "again")`, sandbox)).toBe(`internet ${WORLD} again`);
      await sandbox.destroy();
    });

    it.each([1_024, 8_125, 32_767, 61_000, 65_535])(
      "takes no port %s of the host's, where a service may belong",
      async (port) => {
        expect(await inside(`say(${port}, "${WORLD}", "hello")`)).toMatch(/^E(PERM|CONNREFUSED|HOSTUNREACH)$/);
        expect(world.onHost('cat', '/proc/net/udp')).not.toMatch(
          new RegExp(`:${port.toString(16).toUpperCase().padStart(4, '0')} 0{8}:0000 `),
        );
      },
    );

    it('does not get what is meant for another sandbox, or for a service of the host, by asking for its port', async () => {
      const victim = await make(OUTBOUND);
      const thief = await make(OUTBOUND);
      const both = [40_002, 40_003];
      expect(await inside(`say(40002, "${WORLD}", "mine")`, victim)).toBe(`internet ${WORLD} mine`);
      const [command, ...argv] = world.enter as [string, ...string[]];
      const program = [
        'import socket, sys',
        's = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)',
        's.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)',
        's.bind(("", 40003))',
        'print("ready", flush=True)',
        'sys.stdin.readline()',
        `s.sendto(b"mine", ("${WORLD}", 443))`,
        's.settimeout(3)',
        'print(s.recv(100).decode())',
      ].join('\n');
      const service = spawn(command, [...argv, '/usr/bin/python3', '-c', program], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      const closed = once(service, 'close');
      await once(service.stdout, 'data');
      for (const port of both) expect(await inside(`say(${port}, "${WORLD}", "theft")`, thief)).toBe('timeout');
      expect(await inside(`say(40002, "${WORLD}", "secret")`, victim)).toBe(`internet ${WORLD} secret`);
      const heard = once(service.stdout, 'data');
      service.stdin.end('\n');
      expect(String((await heard)[0]).trim()).toBe(`internet ${WORLD} mine`);
      for (const port of both) expect(await inside(`hear(${port})`, thief)).toBe('timeout');
      await closed;
      await Promise.all([victim.destroy(), thief.destroy()]);
    });

    it("takes so many of the host's ports and no more", async () => {
      const sandbox = await make(OUTBOUND);
      const ports = () => world.onHost('cat', '/proc/net/udp').split('\n').length;
      const before = ports();
      const many = `[own.clear(), sum(say_once(port) for port in range(41000, 43000))][-1]`;
      await inside(
        `globals().__setitem__("say_once", lambda port: [s := socket.socket(socket.AF_INET, socket.SOCK_DGRAM), s.bind(("", port)), attempt(lambda: s.sendto(b"x", ("${WORLD}", 443))) == 1, s.close()][2])`,
        sandbox,
      );
      expect(await inside(many, sandbox)).toBe(512);
      expect(ports() - before).toBeLessThanOrEqual(512);
      expect(await inside(`tcp("${WORLD}", 443)`, sandbox)).toBe(`internet ${WORLD}:443`);
      await sandbox.destroy();
    });
  });

  it('has no more connections than its pasta may have files, and others afterwards', async () => {
    const sandbox = await bench.sandbox(NET, 'net', { network: OUTBOUND, limits: { procs: 16 } });
    expect(await inside('dial(6, 900)', sandbox)).toBe(6);
    const sockets = () => world.onHost('cat', '/proc/net/tcp').match(/ 4D6433C6:/g)?.length ?? 0;
    await eventually(() => expect(sockets()).toBeGreaterThan(1_500));
    expect(sockets()).toBeLessThan(2_048);
    expect(await inside('hang_up(6)', sandbox)).toBe(0);
    await eventually(async () => expect(await inside('tcp("203.0.113.10", 443)', sandbox)).toMatch(/^internet /));
    await sandbox.destroy();
  });

  it('can have many connections at the same time, and one that carries megabytes', async () => {
    const many =
      '[s.recv(100).decode() for s in [socket.create_connection(("203.0.113.10", 443), 3) for _ in range(40)]]';
    expect(new Set((await inside(many)) as string[])).toEqual(new Set(['internet 203.0.113.10:443']));
    expect(await inside('carry("203.0.113.10", 443, 4 << 20)')).toBe(4 << 20);
  });

  it('leaves one without a network as it is: nothing but itself, and no name is waited for', async () => {
    const closed = await make({ mode: 'none' });
    expect(await inside('[name for _index, name in socket.if_nameindex()]', closed)).toEqual(['lo']);
    expect(await inside('tcp("203.0.113.10", 443)', closed)).toBe('ENETUNREACH');
    expect(await inside('look_up("api.example.com")', closed)).toBe('EAI_AGAIN');
    await closed.destroy();
  });
});
