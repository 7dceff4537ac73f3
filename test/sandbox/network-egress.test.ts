/** `egress`, looked at from inside: a name on the list opens its addresses for its ports, and nothing else is open. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { type Bench, resultOf, startBench } from './engine-fixture.ts';
import { HOST_PORT, lacking, makeWorld, NET, OUTBOUND, only, type World } from './network-fixture.ts';

const lack = lacking();
const REFUSED = /^E(CONNREFUSED|HOSTUNREACH|PERM)$/;

describe.skipIf(lack !== undefined)(`a lambda with egress${lack === undefined ? '' : ` (${lack})`}`, () => {
  let world: World;
  let bench: Bench;
  beforeAll(async () => {
    world = await makeWorld();
    bench = await startBench({ hostPython: world.hostPython, networkAllowed: ['none', 'outbound'] });
  });
  afterAll(async () => {
    await bench?.close();
    expect(world?.left()).toEqual([]);
    await world?.close();
  });
  /** Asks a sandbox of its own, with this list, one thing after the other. */
  async function ask(list: [string, number][], ...sources: string[]): Promise<unknown[]> {
    const sandbox = await bench.sandbox(NET, 'net', { network: only(...list) });
    const answers: unknown[] = [];
    for (const source of sources) answers.push(await resultOf(sandbox, source));
    await sandbox.destroy();
    return answers;
  }
  const API: [string, number] = ['api.example.com', 443];

  it('reaches a listed name at its port, by TCP, UDP and IPv6, and at no other port', async () => {
    const answers = await ask(
      [API],
      'by_name("api.example.com", 443)',
      'udp("203.0.113.10", 443)',
      'look_up("api.example.com", socket.AF_INET6)',
      'tcp("2001:db8:2::10", 443)',
      'tcp("203.0.113.10", 80)',
      'udp("203.0.113.10", 80)',
    );
    expect(answers.slice(0, 4)).toEqual([
      'internet 203.0.113.10:443',
      'internet 203.0.113.10 x',
      ['2001:db8:2::10'],
      'internet 2001:db8:2::10',
    ]);
    for (const answer of answers.slice(4)) expect(answer).toMatch(REFUSED);
  });

  it('has the ports of all entries of a name', async () => {
    const list: [string, number][] = [API, ['api.example.com', 80], ['*.example.com', 8443]];
    const answers = await ask(
      list,
      'look_up("api.example.com")',
      'tcp("203.0.113.10", 443)',
      'tcp("203.0.113.10", 80)',
    );
    expect(answers.slice(1)).toEqual(['internet 203.0.113.10:443', 'internet 203.0.113.10:80']);
  });

  it('reaches no address that no listed name has answered with, the right one before it was asked for included', async () => {
    const [before, other, after] = await ask(
      [API],
      'tcp("203.0.113.10", 443)',
      'tcp("203.0.113.11", 443)',
      'by_name("api.example.com", 443)',
    );
    expect(before).toMatch(REFUSED);
    expect(other).toMatch(REFUSED);
    expect(after).toBe('internet 203.0.113.10:443');
  });

  it('is told that a name off the list does not exist, and the name is asked of nobody', async () => {
    const names = [
      'other.example.com',
      'cdn.example.com',
      'example.com',
      'api.example.com.evil.test',
      'xapi.example.com',
    ];
    const answers = await ask([API], ...names.map((name) => `look_up("${name}")`));
    expect(answers).toEqual(names.map(() => 'EAI_NONAME'));
    for (const name of names) expect(world.asked()).not.toContain(name);
  });

  it('has a star for exactly one label, whatever the case', async () => {
    const answers = await ask(
      [['*.cdn.example.com', 443]],
      'by_name("one.cdn.example.com", 443)',
      'by_name("ONE.Cdn.Example.COM", 443)',
      'look_up("two.one.cdn.example.com")',
      'look_up("cdn.example.com")',
    );
    expect(answers).toEqual(['internet 203.0.113.13:443', 'internet 203.0.113.13:443', 'EAI_NONAME', 'EAI_NONAME']);
  });

  it('is judged by the very name that is asked', async () => {
    const header = 'struct.pack("!HHHHHH", 1, 256, 1, 0, 0, 0)';
    const address = String.raw`b"\0\1\0\1"`;
    const answers = await ask(
      [['*.cdn.example.com', 443]],
      // A dot inside a label: no name of cdn.example.com.
      String.raw`dns(${header} + b"\x05a.cdn\x07example\x03com\0" + ${address})[3] & 15`,
      // A name that ends where another message would have other bytes.
      String.raw`dns(${header} + b"\x06inside\xc0\x19" + ${address} + b"\x03cdn\x07example\x03com\0")`,
      `dns(question("one.cdn.example.com"))[3] & 15`,
    );
    expect(answers).toEqual([3, 'timeout', 0]);
    expect(world.asked().filter((name) => name === 'inside' || name.startsWith('a.cdn'))).toEqual([]);
  });

  it('follows a listed name that leads to another, and opens answers that fit into no datagram', async () => {
    const list: [string, number][] = [
      ['alias.example.com', 443],
      ['large.example.com', 443],
    ];
    const answers = await ask(
      list,
      'by_name("alias.example.com", 443)',
      'by_name("large.example.com", 443)',
      'look_up("api.example.com")',
    );
    expect(answers).toEqual(['internet 203.0.113.10:443', 'internet 203.0.113.12:443', 'EAI_NONAME']);
  });

  it('opens of many addresses those that it tells', async () => {
    const [found] = (await ask([['many.example.com', 443]], 'look_up("many.example.com")')) as [string[]];
    expect(found).toHaveLength(8);
  });

  it.each([
    ["the host's loopback", 'to-loopback.example.com', ['127.0.0.1', '::1']],
    ["the host's addresses", 'to-host.example.com', ['198.51.100.2', '2001:db8:1::2']],
    ['the metadata of a cloud', 'to-metadata.example.com', ['169.254.169.254', 'fd00:ec2::254']],
    ["the host's address inside of another", 'to-mapped.example.com', ['::ffff:198.51.100.2']],
  ])('does not reach %s by a listed name that answers with it', async (_what, name, addresses) => {
    const ports = [80, 443, HOST_PORT];
    const list = ports.map((port): [string, number] => [name, port]);
    const looks = [`look_up("${name}")`, `look_up("${name}", socket.AF_INET6)`];
    const tries = addresses.flatMap((address) =>
      ports.flatMap((port) => [
        `tcp("${address}", ${port})`,
        `tcp("${address}", ${port}, "tap0")`,
        `udp("${address}", ${port})`,
      ]),
    );
    const answers = (await ask(list, ...looks, ...tries)).slice(looks.length);
    expect(answers.map((answer) => String(answer).replace(/^E[A-Z]+$/, 'an error'))).toEqual(
      tries.map(() => 'an error'),
    );
  });

  it('asks the Internet for nothing but addresses', async () => {
    const [txt, direct, empty] = await ask(
      [
        ['text.example.com', 443],
        ['empty.example.com', 443],
      ],
      'dns(question("text.example.com", 16)).hex()',
      'dns(question("text.example.com", 16), "203.0.113.53")',
      'look_up("empty.example.com")',
    );
    expect(String(txt).slice(4, 24)).toBe('81800001000000000000');
    expect(direct).toMatch(REFUSED);
    expect(empty).toBe('EAI_NODATA');
  });

  it('opens nothing for another lambda, nor for the next instance', async () => {
    await ask([API], 'by_name("api.example.com", 443)');
    expect((await ask([API], 'tcp("203.0.113.10", 443)'))[0]).toMatch(REFUSED);
    expect((await ask([['other.example.com', 443]], 'tcp("203.0.113.10", 443)'))[0]).toMatch(REFUSED);
  });

  describe('whatever it sends its resolver', () => {
    let neighbour: Sandbox;
    let hostile: Sandbox;
    beforeAll(async () => {
      neighbour = await bench.sandbox(NET, 'neighbour', { network: OUTBOUND });
      hostile = await bench.sandbox(NET, 'hostile', { network: only(API) });
    });

    it.each([
      ['nothing', '[b""] * 50'],
      ['noise', '[os.urandom(n) for n in range(1, 600)]'],
      [
        'names that point at themselves',
        '[struct.pack("!HHHHHH", 1, 256, 1, 0, 0, 0) + b"\\xc0\\x0c\\0\\1\\0\\1"] * 50',
      ],
      ['names without an end', '[struct.pack("!HHHHHH", 1, 256, 1, 0, 0, 0) + b"\\x3f" * 4000] * 50'],
      [
        'answers',
        '[struct.pack("!HHHHHH", n, 0x8180, 1, 9, 9, 9) + question("api.example.com")[12:] for n in range(200)]',
      ],
      ['many questions at once', '[question("other.example.com", 1, n) for n in range(3000)]'],
      ['many questions for others at once', '[question("api.example.com", 1, n) for n in range(3000)]'],
      [
        'labels with dots in them',
        '[struct.pack("!HHHHHH", 1, 256, 1, 0, 0, 0) + b"\\x0bapi.example\\x03com\\0\\0\\1\\0\\1"] * 3',
      ],
    ])('(%s) its neighbour is answered', async (_what, packets) => {
      const flood = resultOf(hostile, `flood(${packets})`);
      expect(await resultOf(neighbour, 'look_up("other.example.com")')).toEqual(['203.0.113.11']);
      expect(await flood).toBe('sent');
      expect(await resultOf(neighbour, 'look_up("other.example.com")')).toEqual(['203.0.113.11']);
    });

    it('(connections that say nothing, half a question, or too much) its neighbour is answered, and then it is too', async () => {
      const open = 'socket.create_connection(("127.0.0.1", 53), 3)';
      const idle = `[globals().__setitem__("kept", [attempt(lambda: ${open}) for _ in range(60)]), 1][-1]`;
      expect(await resultOf(hostile, idle)).toBe(1);
      expect(await resultOf(neighbour, 'look_up("large.example.com")')).toEqual(['203.0.113.12']);
      const talk =
        '[[attempt(lambda: s.send(b"\\xff\\xff" + bytes(9000))) for s in kept if not isinstance(s, str)], kept.clear(), 1][-1]';
      expect(await resultOf(hostile, talk)).toBe(1);
      expect(await resultOf(neighbour, 'look_up("large.example.com")')).toEqual(['203.0.113.12']);
      expect(await resultOf(hostile, 'time.sleep(1.1) or by_name("api.example.com", 443)')).toBe(
        'internet 203.0.113.10:443',
      );
    });
  });
});
