/** Two sandboxes of one zygote, and what one can learn of the other, of its zygote and of the house. */
import { readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { ask } from './engine-fixture.ts';
import { inside, isAlive, useHostileBench } from './hostile-fixture.ts';

const bench = useHostileBench();
let one: Sandbox;
let other: Sandbox;
beforeEach(async () => {
  [one, other] = [await bench().probe('one'), await bench().probe('other')];
});
afterEach(async () => {
  expect(await inside(other, '1 + 1')).toBe(2);
  const pids = [...bench().pidsOf(one), ...bench().pidsOf(other)];
  await Promise.all([one.destroy(), other.destroy()]);
  expect(pids.filter(isAlive)).toEqual([]);
});

/** What `one` leaves, what `other` finds, and what `one` finds, to show that it would have been there. */
describe('one sandbox does not find what another left', () => {
  it.each([
    [
      'under an abstract socket name',
      's = socket.socket(socket.AF_UNIX)\ns.bind("\\0isla-hostile")\ns.listen()\nglobals()["kept"] = gc.kept = s',
      'attempt(socket.socket(socket.AF_UNIX).connect, "\\0isla-hostile")',
      'ECONNREFUSED',
    ],
    [
      'on the loopback',
      's = socket.socket()\ns.bind(("127.0.0.1", 45999))\ns.listen()\ngc.kept = s',
      'attempt(socket.socket().connect, ("127.0.0.1", 45999))',
      'ECONNREFUSED',
    ],
    [
      'in System V shared memory',
      'r = libc.shmget(0x15a1, 4096, 0o1666)',
      'ctypes.set_errno(0)\nr = "allowed" if libc.shmget(0x15a1, 4096, 0) != -1 else errno.errorcode[ctypes.get_errno()]',
      'ENOENT',
    ],
    [
      'in a System V queue',
      'r = libc.msgget(0x15a1, 0o1666)',
      'ctypes.set_errno(0)\nr = "allowed" if libc.msgget(0x15a1, 0) != -1 else errno.errorcode[ctypes.get_errno()]',
      'ENOENT',
    ],
    [
      'in a System V semaphore',
      'r = libc.semget(0x15a1, 1, 0o1666)',
      'ctypes.set_errno(0)\nr = "allowed" if libc.semget(0x15a1, 1, 0) != -1 else errno.errorcode[ctypes.get_errno()]',
      'ENOENT',
    ],
    ['in /dev/shm', 'open("/dev/shm/left", "w").write("x")', 'attempt(os.stat, "/dev/shm/left")', 'ENOENT'],
    ['in /tmp', 'open("/tmp/left", "w").write("x")', 'attempt(os.stat, "/tmp/left")', 'ENOENT'],
    ['in /host', 'open("/host/left", "w").write("x")', 'attempt(os.stat, "/host/left")', 'ENOENT'],
  ])('%s', async (_where, leave, look, wanted) => {
    await inside(one, leave);
    expect(await inside(one, look)).toBe('allowed');
    expect(await inside(other, look)).toBe(wanted);
  });

  it('in POSIX message queues, of which there are none', async () => {
    expect(await inside(one, 'call(240 if os.uname().machine == "x86_64" else 180, b"q\\0", 0o102, 0o666, 0)')).toBe(
      'EMFILE',
    );
  });

  it('by being the same user: their ids on the host differ', async () => {
    const uids = [one, other].map(
      (of) => /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${bench().pidsOf(of)[0]}/status`, 'utf8'))![1],
    );
    expect(uids[0]).not.toBe(uids[1]);
  });
});

describe('signals reach nobody else', () => {
  it.each([
    ['to everybody', 'attempt(os.kill, -1, 9)', 'ESRCH'],
    ['to process 0, its own group', 'signal.signal(10, signal.SIG_IGN)\nr = attempt(os.kill, 0, 10)', 'allowed'],
    ['to every number there is', 'sorted({attempt(os.kill, pid, 9) for pid in range(2, 40000)})', ['ESRCH']],
    ['to every group there is', 'sorted({attempt(os.killpg, pid, 9) for pid in range(2, 40000)})', ['ESRCH']],
    [
      'to every thread there is',
      'sorted({call(200 if os.uname().machine == "x86_64" else 130, tid, 9) for tid in range(2, 40000)})',
      ['ESRCH'],
    ],
    [
      'through the owner of a descriptor',
      'import fcntl\nr = sorted({attempt(fcntl.fcntl, 3, fcntl.F_SETOWN, pid) for pid in range(2, 3000)})',
      ['ESRCH'],
    ],
    [
      'to numbers used again: 300 children come and go',
      'for _ in range(300):\n    pid = os.fork() or os._exit(0)\n    os.waitpid(pid, 0)\nr = sorted({attempt(os.kill, pid, 9) for pid in range(2, 1000)})',
      ['ESRCH'],
    ],
    [
      'to its first process from a child',
      'pid = os.fork()\nif pid == 0:\n    for number in range(1, 65):\n        if number not in (2, 17, 18, 23, 28, 32, 33):\n            attempt(os.kill, 1, number)\n    os._exit(0)\nos.waitpid(pid, 0)\nr = "alive"',
      'alive',
    ],
  ])('%s', async (_what, source, wanted) => {
    expect(await inside(one, source)).toEqual(wanted);
  });
});

describe('what its zygote leaves it', () => {
  it('is no environment, argument or standard stream of the house', async () => {
    const source =
      'linux.prctl(linux.PR_SET_DUMPABLE, 1)\nr = [read("/proc/self/environ"), read("/proc/self/cmdline"), *[os.readlink(f"/proc/self/fd/{n}") for n in (0, 1, 2, 3)]]';
    const [environment, arguments_, ...links] = (await inside(one, source)) as string[];
    expect(environment).toContain('HOME=/tmp');
    expect(
      environment!
        .split('\0')
        .filter(Boolean)
        .map((line) => line.split('=')[0])
        .sort(),
    ).toEqual([
      'HOME',
      'LANG',
      'LOGNAME',
      'MALLOC_ARENA_MAX',
      'OMP_NUM_THREADS',
      'OPENBLAS_NUM_THREADS',
      'PATH',
      'TZ',
      'USER',
    ]);
    expect(arguments_).not.toContain(dirname(bench().dir));
    expect(links[0]).toBe('/dev/null');
    expect(links[3]).toMatch(/^socket:/);
    for (const link of links) expect(link).not.toContain(dirname(bench().dir));
  });

  it('is no path of the host anywhere in its memory', async () => {
    // The pattern is no match for itself, so that what is found was there before it was looked for.
    const needle = basename(dirname(bench().dir));
    const scan = (pattern: string) =>
      `import re\nlinux.prctl(linux.PR_SET_DUMPABLE, 1)\npattern = re.compile(${JSON.stringify(pattern)}.encode())\nr = 0\n` +
      'with open("/proc/self/mem", "rb", 0) as memory:\n    for line in read("/proc/self/maps").splitlines():\n' +
      '        first, last = (int(n, 16) for n in line.split()[0].split("-"))\n        at = first\n        while at < last:\n' +
      '            try:\n                memory.seek(at)\n                r += len(pattern.findall(memory.read(min(1 << 20, last - at))))\n' +
      '            except (OSError, ValueError, OverflowError):\n                pass\n            at += 1 << 20\n';
    expect(await inside(one, scan('[i]sla_zygote'))).toBeGreaterThan(0);
    for (const text of [needle, bench().marker])
      expect(await inside(one, scan(`[${text[0]}]${text.slice(1)}`))).toBe(0);
  });

  it('is no socket of its zygote or of the spawner, though the objects are found', async () => {
    const source =
      'gc.unfreeze()\nfound = [o for o in gc.get_objects() if type(o).__name__ == "Zygote"]\nsockets = [o for o in gc.get_objects() if isinstance(o, socket.socket)]\n' +
      'r = [len(found), sorted({o.fileno() for o in sockets if o.fileno() != -1 and attempt(os.fstat, o.fileno()) == "allowed"}),\n' +
      '     sorted({attempt(o._control.send, b"{}") for o in found} | {attempt(o._tell, {"reaped": 0, "status": 0}) for o in found})]';
    expect(await inside(one, source)).toEqual([1, [3], ['EBADF']]);
  });

  it('is no power of its modules: each of them is denied what it did for the zygote', async () => {
    const source =
      'from isla_zygote import child, zygote, landlock\nimport isla_runtime.server\n' +
      'r = [attempt(linux.clone, seccomp.SANDBOX_NAMESPACES), attempt(linux.unshare, linux.CLONE_NEWCGROUP), attempt(child._mount_private, 1),\n' +
      '     attempt(linux.setns, os.pidfd_open(1), 0), attempt(zygote.bound_rights)]';
    expect(await inside(one, source)).toEqual(['EPERM', 'EPERM', 'EPERM', 'EPERM', 'EPERM']);
  });

  it('is no way to loosen a filter by loading another', async () => {
    const source =
      'everything = struct.pack("=HBBI", 6, 0, 0, 0x7fff0000)\nr = [attempt(linux.install_filter, linux.Filter(everything)), call("unshare", 1 << 28), call("socket", 40, 1, 0), status()["Seccomp"]]';
    expect(await inside(one, source)).toEqual(['EPERM', 'EPERM', 'EAFNOSUPPORT', '2']);
  });

  it('tells who the other end of the channel is by no number', async () => {
    const source =
      'r = list(struct.unpack("iII", socket.socket(fileno=os.dup(3)).getsockopt(1, socket.SO_PEERCRED, 12)))';
    expect(await inside(one, source)).toEqual([0, 65534, 65534]);
  });

  it('leaves the zygote alive when its child breaks everything it can name', async () => {
    const source =
      'for name in list(sys.modules):\n    if name.startswith("isla_"):\n        sys.modules[name].__dict__.clear()\nos._exit(3)';
    expect(await ask(await bench().probe(), source)).toMatchObject({ ending: { cause: 'exit', status: 3 } });
    expect(await inside(await bench().probe(), '2 + 2')).toBe(4);
  });
});
