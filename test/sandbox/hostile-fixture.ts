/**
 * For the hostile suite: an engine that is looked at from outside before and after, and a lambda that runs
 * whatever it is told. What is left after a file (processes, control groups, mounts, sockets, descriptors)
 * fails the file.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { afterAll, beforeAll, expect } from 'vitest';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { markerOf } from '../../src/sandbox/worker-marker.ts';
import { pidsIn } from './cgroup-view.ts';
import { type Bench, resultOf, startBench } from './engine-fixture.ts';

/**
 * Runs the event as Python: an expression's value, or `r` of statements. `attempt`, `call` (by system call)
 * and `put` (write to a path) answer "allowed" or the name of the errno.
 */
export const PROBE = String.raw`
import ctypes, errno, gc, os, resource, signal, socket, stat, struct, subprocess, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
sys.path.append("/runtime")
from isla_zygote import linux, seccomp

def name(error):
    return errno.errorcode.get(error.errno, type(error).__name__)

def attempt(function, *arguments, **named):
    try:
        function(*arguments, **named)
    except OSError as error:
        return name(error)
    return "allowed"

def nr(what):
    return seccomp._NUMBERS[what][0 if os.uname().machine == "x86_64" else 1]

def call(what, *arguments):
    ctypes.set_errno(0)
    number = what if isinstance(what, int) else nr(what)
    padded = [a if isinstance(a, bytes) else ctypes.c_long(a) for a in (*arguments, *[0] * (6 - len(arguments)))]
    return errno.errorcode[ctypes.get_errno()] if libc.syscall(ctypes.c_long(number), *padded) == -1 else "allowed"

def put(path, text="1", flags=os.O_WRONLY):
    def write():
        fd = os.open(path, flags)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)
    return attempt(write)

def is_null(path):
    try:
        return os.stat(path).st_rdev == os.makedev(1, 3)
    except OSError:
        return False

def read(path):
    with open(path, errors="replace") as file:
        return file.read()

def status(pid="self"):
    return dict(line.rstrip("\n").split(":\t", 1) for line in open(f"/proc/{pid}/status"))

def posture():
    s = status()
    kept = ("Uid", "Gid", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")
    mounts = sorted(line.split()[4] + " " + line.split()[5] for line in open("/proc/self/mountinfo"))
    return [[s[k] for k in kept], mounts, sorted(os.listdir("/")), list(os.uname()), read("/proc/self/cgroup")]

def handler(source):
    space = dict(globals())
    try:
        try:
            code = compile(source, "<probe>", "eval")
        except SyntaxError:
            exec(compile(source, "<probe>", "exec"), space)
            return space.get("r")
        return eval(code, space)
    except OSError as error:
        return name(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
`;

export interface Hostile extends Bench {
  marker: string;
  /** A sandbox that runs what it is told, as a lambda of this name. */
  probe(lambda?: string): Promise<Sandbox>;
  /** Host pids in a sandbox's control group. */
  pidsOf(sandbox: Sandbox): number[];
}

/** One engine for all tests of a file, and the leak check behind it. */
export function useHostileBench(poolSize = 2): () => Hostile {
  let hostile: Hostile | undefined;
  let ids = { first: 0, last: 0 };
  let before: string[] = [];
  beforeAll(async () => {
    before = ownDescriptors();
    const bench = await startBench({ poolSize });
    const marker = markerOf(bench.dir);
    const first = Number(
      /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pidsIn(marker, 'zygote-0')[0]}/status`, 'utf8'))![1],
    );
    ids = { first, last: first + 65_535 };
    hostile = {
      ...bench,
      marker,
      probe: (lambda = 'probe') => bench.sandbox(PROBE, lambda),
      pidsOf: (sandbox) => pidsIn(marker, sandbox.id),
    };
  });
  afterAll(async () => {
    if (hostile === undefined) return;
    const { dir, marker } = hostile;
    await hostile.close();
    expect(leftOf(dir, marker, ids)).toEqual([]);
    expect(ownDescriptors().filter((link) => !before.includes(link))).toEqual([]);
  });
  return () => hostile!;
}

export const inside = (of: Sandbox, source: string): Promise<unknown> => resultOf(of, source);

/** A zombie has ended; its parent may take its time. */
export function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

function cgroupDirs(marker: string): string[] {
  const points = ['/sys/fs/cgroup', ...readdirSync('/sys/fs/cgroup').map((name) => `/sys/fs/cgroup/${name}`)];
  return points.map((point) => `${point}/isla/${marker}`).filter((path) => existsSync(path));
}

/** Whatever on this machine still belongs to a worker. */
function leftOf(dir: string, marker: string, ids: { first: number; last: number }): string[] {
  const has = (path: string, text: string) =>
    textOf(path)
      .split('\n')
      .filter((line) => line.includes(text));
  const processes = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && isAlive(Number(name)))
    .filter((pid) => {
      const uid = Number(/^Uid:\s+(\d+)/m.exec(textOf(`/proc/${pid}/status`))?.[1] ?? 0);
      const isTheirs = ids.first > 0 && uid >= ids.first && uid <= ids.last;
      return isTheirs || textOf(`/proc/${pid}/cgroup`).includes(marker);
    });
  const loops = readdirSync('/sys/block').filter((name) =>
    textOf(`/sys/block/${name}/loop/backing_file`).includes(dir),
  );
  return [
    ...processes.map((pid) => `process ${pid}: ${textOf(`/proc/${pid}/cmdline`).replaceAll('\0', ' ')}`),
    ...cgroupDirs(marker).map((path) => `control group ${path}`),
    ...has('/proc/self/mountinfo', dir).map((line) => `mount ${line}`),
    ...has('/proc/net/unix', dir).map((line) => `socket ${line}`),
    ...loops.map((name) => `loop device ${name}`),
  ];
}

/** Sockets and files of this very process that lie in a worker's directory or are channels. */
function ownDescriptors(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const link = readlinkSync(`/proc/self/fd/${fd}`);
      return /isla|socket/.test(link) ? [link] : [];
    } catch {
      return [];
    }
  });
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // it went away, or is not for us to read
  }
}
