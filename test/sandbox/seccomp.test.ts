/** Every rule of the filters is tried by making the call, inside a sandbox, and each denial is an errno. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { type Bench, resultOf, startBench } from './engine-fixture.ts';

const PROBE = `
import ctypes, errno, os, sys
sys.path.insert(0, "/runtime")
from isla_zygote import seccomp
libc = ctypes.CDLL(None, use_errno=True)

def handler(event):
    if event == "denied":
        names = [*seccomp._DENIED_TO_BOTH, *seccomp._DENIED_TO_SANDBOX]
        x86 = os.uname().machine == "x86_64"
        numbers = {name: seccomp._NUMBERS[name][0 if x86 else 1] for name in names}
        return {name: call(number) for name, number in numbers.items() if number is not None}
    name, *arguments = event
    x86 = os.uname().machine == "x86_64"
    return call(seccomp._NUMBERS[name][0 if x86 else 1], *arguments)

def call(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) for a in (*arguments, *[0] * (6 - len(arguments)))])
    return errno.errorcode[ctypes.get_errno()] if result == -1 else "allowed"
`;

let bench: Bench;
let sandbox: Sandbox;
beforeAll(async () => {
  bench = await startBench();
  sandbox = await bench.sandbox(PROBE);
});
afterAll(() => bench.close());

const NEW_USER = 0x10000000;
const NEW_NET = 0x40000000;

describe('a sandbox', () => {
  it('gets EPERM for every call of the deny list', async () => {
    const answers = (await resultOf(sandbox, 'denied')) as Record<string, string>;
    expect(Object.keys(answers).length).toBeGreaterThan(60);
    expect(Object.entries(answers).filter(([, answer]) => answer !== 'EPERM')).toEqual([]);
  });

  it.each([
    ['clone3, so that glibc falls back to clone', ['clone3'], 'ENOSYS'],
    ['clone into a user namespace', ['clone', NEW_USER | 17], 'EPERM'],
    ['clone into a network namespace', ['clone', NEW_NET | 17], 'EPERM'],
    ['AF_ALG', ['socket', 38, 5, 0], 'EAFNOSUPPORT'],
    ['AF_VSOCK', ['socket', 40, 1, 0], 'EAFNOSUPPORT'],
    ['AF_PACKET', ['socket', 17, 3, 0], 'EAFNOSUPPORT'],
    ['netlink other than routes', ['socket', 16, 3, 6], 'EAFNOSUPPORT'],
    ['SCTP', ['socket', 2, 1, 132], 'EAFNOSUPPORT'],
    ['UDP-Lite', ['socket', 2, 2, 136], 'EAFNOSUPPORT'],
    ['L2TP', ['socket', 10, 2, 115], 'EAFNOSUPPORT'],
    ['multipath TCP', ['socket', 2, 1, 262], 'EAFNOSUPPORT'],
    ['TIOCSTI', ['ioctl', 0, 0x5412, 0], 'EPERM'],
    ['TIOCLINUX', ['ioctl', 0, 0x541c, 0], 'EPERM'],
    ['kernel TLS', ['setsockopt', 0, 6, 31], 'EPERM'],
    ['a lease of a flow label', ['setsockopt', 0, 41, 32], 'EPERM'],
    ['a filter on a socket', ['setsockopt', 0, 1, 26], 'EPERM'],
    ['a filter on sockets of one port', ['setsockopt', 0, 1, 51], 'EPERM'],
    ['a system call filter of its own', ['prctl', 22, 2], 'EPERM'],
    ['a futex with priority inheritance', ['futex', 0, 6], 'ENOSYS'],
  ])('is denied %s', async (_what, event, answer) => {
    expect(await resultOf(sandbox, event)).toBe(answer);
  });

  it.each([
    ['a TCP socket', ['socket', 2, 1, 0]],
    ['a UDP socket', ['socket', 2, 2, 0]],
    ['an IPv6 socket', ['socket', 10, 1, 0]],
    ['a Unix socket', ['socket', 1, 1, 0]],
    ['the netlink socket of getaddrinfo', ['socket', 16, 3, 0]],
    ['a question about itself', ['prctl', 3]],
  ])('is allowed %s', async (_what, event) => {
    expect(await resultOf(sandbox, event)).toBe('allowed');
  });

  it.runIf(process.arch === 'x64')('is killed by a call through the table of another architecture', async () => {
    // mov eax, 20 (getpid of i386); int 0x80; ret
    const source =
      'import ctypes, mmap\ndef handler(e):\n    m = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)\n' +
      '    m.write(bytes.fromhex("b814000000cd80c3"))\n    f = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(m)))\n    return f()\n';
    const other = await bench.sandbox(source);
    await expect(resultOf(other)).rejects.toThrow('SIGSYS');
  });
});
