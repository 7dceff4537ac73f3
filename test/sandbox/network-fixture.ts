/**
 * A machine and an Internet of the test's own: two network namespaces with a cable between them, servers in
 * both, and a spawner that runs in the machine's. Nothing of the real machine's network is touched, and all of
 * it is gone with the processes that hold it.
 *
 *     sandbox ── pasta ── "host" 198.51.100.2, 2001:db8:1::2 ──cable── "internet" 203.0.113.0/24, 2001:db8:2::/64, 169.254.169.254
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { NetworkSpec } from '../../src/config/network.ts';

const INTERNET = resolve(import.meta.dirname, 'internet.py');

export const OUTBOUND: NetworkSpec = { mode: 'outbound', egress: null };

export const HOST: NetworkSpec = { mode: 'host' };

export const only = (...entries: [string, number][]): NetworkSpec => ({ mode: 'outbound', egress: entries });

export const HOST_PORT = 9_000;

const ZONE = {
  'api.example.com': { A: ['203.0.113.10'], AAAA: ['2001:db8:2::10'] },
  'short.example.com': { A: ['203.0.113.10'], ttl: 1 },
  'other.example.com': { A: ['203.0.113.11'] },
  'alias.example.com': { CNAME: 'api.example.com' },
  'large.example.com': { A: ['203.0.113.12'], large: true },
  'one.cdn.example.com': { A: ['203.0.113.13'] },
  'two.one.cdn.example.com': { A: ['203.0.113.14'] },
  'cdn.example.com': { A: ['203.0.113.14'] },
  'many.example.com': { A: Array.from({ length: 60 }, (_, index) => `203.0.113.${100 + index}`) },
  'text.example.com': { A: ['203.0.113.10'], TXT: 'hello' },
  'empty.example.com': {},
  'to-loopback.example.com': { A: ['127.0.0.1'], AAAA: ['::1'] },
  'to-host.example.com': { A: ['198.51.100.2'], AAAA: ['2001:db8:1::2'] },
  'to-metadata.example.com': { A: ['169.254.169.254'], AAAA: ['fd00:ec2::254'] },
  'to-mapped.example.com': { AAAA: ['::ffff:198.51.100.2'] },
};

const ADDRESSES = ['10', '11', '12', '13', '14', '20'];

const SERVERS = {
  internet: {
    tcp: [
      ...ADDRESSES.flatMap((last) =>
        [80, 443].map((port) => [`203.0.113.${last}`, port, `internet 203.0.113.${last}:${port}`]),
      ),
      ...['10', '20'].map((last) => [`2001:db8:2::${last}`, 443, `internet 2001:db8:2::${last}`]),
      ['169.254.169.254', 80, 'metadata'],
      ['fd00:ec2::254', 80, 'metadata'],
    ],
    udp: [
      ...ADDRESSES.map((last) => [`203.0.113.${last}`, 443, `internet 203.0.113.${last}`]),
      ['169.254.169.254', 443, 'metadata'],
    ],
    dns: [['203.0.113.53', ZONE]],
  },
  host: {
    tcp: [
      ['0.0.0.0', HOST_PORT, 'host'],
      ['::', HOST_PORT, 'host'],
      ['127.0.0.1', 443, 'host'],
      ['198.51.100.2', 443, 'host'],
    ],
    udp: [['0.0.0.0', HOST_PORT, 'host']],
  },
};

/** Runs the event, an expression. What is tried answers with what it got, or the name of its error. */
export const NET = String.raw`
import errno, os, socket, struct, threading, time

def name(error):
    if isinstance(error, socket.gaierror):
        return next(key for key in dir(socket) if key.startswith("EAI_") and getattr(socket, key) == error.errno)
    if isinstance(error, TimeoutError):
        return "timeout"
    return errno.errorcode.get(error.errno, str(error))

def attempt(action):
    try:
        return action()
    except OSError as error:
        return name(error)

def opened(address, kind, device):
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    sock.settimeout(3)
    if device:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    return sock

def tcp(address, port, device=None):
    def ask():
        with opened(address, socket.SOCK_STREAM, device) as sock:
            sock.connect((address, port))
            return sock.recv(100).decode()
    return attempt(ask)

def udp(address, port, device=None):
    def ask():
        with opened(address, socket.SOCK_DGRAM, device) as sock:
            # What is refused is told on the socket's next use.
            sock.connect((address, port))
            sock.send(b"x")
            return sock.recv(100).decode()
    return attempt(ask)

own = {}

def own_port(port):
    """A socket that stays open between calls."""
    if port not in own:
        own[port] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        own[port].settimeout(1)
        own[port].bind(("", port))
    return own[port]

def hear(port):
    return attempt(lambda: own_port(port).recv(100).decode())

def say(port, address, data):
    """From this port to port 443 there; what is heard then."""
    sent = attempt(lambda: own_port(port).sendto(data.encode(), (address, 443)))
    return hear(port) if sent == len(data) else sent

def connect(address, port):
    """A connection that stays between calls; what it was greeted with."""
    own["connection"] = opened(address, socket.SOCK_STREAM, None)
    own["connection"].connect((address, port))
    return own["connection"].recv(100).decode()

def echo(text):
    """What comes back on that connection."""
    own["connection"].sendall(text.encode())
    return own["connection"].recv(100).decode()

def carry(address, port, count):
    """How many bytes of so many come back."""
    with opened(address, socket.SOCK_STREAM, None) as sock:
        sock.connect((address, port))
        sock.recv(100)
        threading.Thread(target=sock.sendall, args=(bytes(count),)).start()
        left = count
        while left > 0:
            left -= len(sock.recv(left))
        return count - left

def dial(processes, count):
    """So many processes begin so many connections each to an address that nobody has; they end with hang_up()."""
    global hold
    told, tell = os.pipe()
    ended, hold = os.pipe()
    for _ in range(processes):
        if os.fork() == 0:
            os.close(hold)
            kept = [socket.socket() for _ in range(count)]
            for port, sock in enumerate(kept, 2000):
                sock.setblocking(False)
                sock.connect_ex(("198.51.100.77", port))
            os.write(tell, b"x")
            os.read(ended, 1)
            os._exit(0)
    return sum(len(os.read(told, 1)) for _ in range(processes))

def hang_up(processes):
    os.close(hold)
    return sum(os.wait()[1] for _ in range(processes))

def look_up(host, family=socket.AF_INET):
    return attempt(lambda: sorted({info[4][0] for info in socket.getaddrinfo(host, 443, family, socket.SOCK_STREAM)}))

def by_name(host, port):
    found = look_up(host)
    return tcp(found[0], port) if isinstance(found, list) else found

def question(host, kind=1, number=7):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in host.split("."))
    return struct.pack("!HHHHHH", number, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)

def dns(data, server="127.0.0.1"):
    def ask():
        with opened(server, socket.SOCK_DGRAM, None) as sock:
            sock.connect((server, 53))
            sock.send(data)
            return sock.recv(4096)
    return attempt(ask)

def flood(packets):
    with opened("127.0.0.1", socket.SOCK_DGRAM, None) as sock:
        sock.connect(("127.0.0.1", 53))
        for packet in packets:
            attempt(lambda: sock.send(packet))
    return "sent"

def handler(source):
    try:
        return eval(source)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
`;

export interface World {
  /** Runs the spawner inside the machine. */
  hostPython: string;
  /** What to put before a command so that it runs inside the machine. */
  enter: string[];
  /** Runs a command inside the machine, and answers what it prints. */
  onHost(...command: string[]): string;
  /** Names that the Internet's resolver was asked for. */
  asked(): string[];
  /** Processes in the machine, besides those that make the world. */
  left(): string[];
  close(): Promise<void>;
}

/** Why the network tests can not run here, if so. */
export function lacking(): string | undefined {
  if (process.getuid?.() !== 0) return 'making a network takes root';
  const missing = ['pasta', 'ip', 'nsenter', 'unshare'].filter((program) => !isInstalled(program));
  return missing.length === 0 ? undefined : `not installed: ${missing.join(', ')}`;
}

function isInstalled(program: string): boolean {
  return ['/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin'].some((dir) => namesIn(dir).includes(program));
}

export async function makeWorld({ tools = undefined as string | undefined } = {}): Promise<World> {
  const dir = mkdtempSync(join(tmpdir(), 'isla-world-'));
  const children: ChildProcess[] = [];
  const hold = async (...flags: string[]): Promise<number> => {
    const child = spawn('unshare', [...flags, 'sh', '-c', 'echo ready; read line'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    children.push(child);
    await once(child.stdout!, 'data');
    return child.pid as number;
  };
  const internet = await hold('--net');
  const host = await hold('--net', '--mount');
  const inside = (pid: number, ...command: string[]): string =>
    execFileSync('nsenter', ['-t', String(pid), '-n', '-m', ...command], { encoding: 'utf8', stdio: 'pipe' });
  lay(inside, { host, internet, dir, tools });
  const heard: string[] = [];
  await serve(children, internet, SERVERS.internet, heard);
  await serve(children, host, SERVERS.host, heard);
  const known = children.map((child) => child.pid as number);
  const hostPython = join(dir, 'python');
  writeFileSync(hostPython, `#!/bin/sh\nexec nsenter -t ${host} -n -m /usr/bin/python3 "$@"\n`);
  chmodSync(hostPython, 0o755);
  return {
    hostPython,
    enter: ['nsenter', '-t', String(host), '-n', '-m'],
    onHost: (...command) => inside(host, ...command),
    asked: () => heard.filter((line) => line.startsWith('asked ')).map((line) => line.slice('asked '.length)),
    left: () => leftIn(namespaceOf(String(host)), known),
    async close() {
      for (const child of children) child.stdin?.end();
      await Promise.all(children.map((child) => child.exitCode ?? once(child, 'close')));
      rmSync(dir, { recursive: true });
    },
  };
}

/** The cable, addresses and routes; a resolver's address; perhaps other tools in the place of this machine's. */
function lay(
  inside: (pid: number, ...command: string[]) => string,
  { host, internet, dir, tools }: { host: number; internet: number; dir: string; tools: string | undefined },
): void {
  const ip = (pid: number, text: string) => inside(pid, 'ip', ...text.split(' '));
  for (const pid of [host, internet]) ip(pid, 'link set lo up');
  ip(host, `link add eth0 type veth peer name eth1 netns ${internet}`);
  ip(host, 'addr add 198.51.100.2/24 dev eth0');
  ip(host, 'addr add 2001:db8:1::2/64 dev eth0 nodad');
  ip(internet, 'addr add 198.51.100.1/24 dev eth1');
  ip(internet, 'addr add 2001:db8:1::1/64 dev eth1 nodad');
  ip(host, 'link set eth0 up');
  ip(internet, 'link set eth1 up');
  ip(host, 'route add default via 198.51.100.1');
  ip(host, '-6 route add default via 2001:db8:1::1');
  for (const prefix of ['203.0.113.0/24', '169.254.169.254/32', '2001:db8:2::/64', 'fd00:ec2::254/128']) {
    ip(internet, `route add local ${prefix} dev lo`);
  }
  writeFileSync(join(dir, 'resolv.conf'), 'nameserver 203.0.113.53\n');
  inside(host, 'mount', '--bind', join(dir, 'resolv.conf'), '/etc/resolv.conf');
  if (tools !== undefined) inside(host, 'sh', '-c', tools);
}

async function serve(children: ChildProcess[], pid: number, servers: object, heard: string[]): Promise<void> {
  const arguments_ = ['-t', String(pid), '-n', '/usr/bin/python3', INTERNET, JSON.stringify(servers)];
  const child = spawn('nsenter', arguments_, { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  await new Promise<void>((ready, failed) => {
    child.once('close', () => failed(new Error('the servers of the test ended')));
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      heard.push(...text.split('\n').filter(Boolean));
      if (heard.includes('ready')) ready();
    });
  });
  heard.length = 0;
}

/** Spawners, keepers, proxies and pastas live in the machine's namespace, and nobody else. */
function leftIn(namespace: string, known: readonly number[]): string[] {
  return pids()
    .filter((pid) => namespaceOf(pid) === namespace && !known.includes(Number(pid)))
    .map((pid) => `process ${pid} ${textOf(`/proc/${pid}/comm`).trim()}`);
}

function pids(): string[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name));
}

function namespaceOf(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return ''; // it has ended
  }
}

function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
