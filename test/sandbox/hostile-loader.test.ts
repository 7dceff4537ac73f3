/** Code that knows what its loader is, and uses it: against its own lambda at most. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Loader } from '../../src/sandbox/loader.ts';
import { markerOf } from '../../src/sandbox/worker-marker.ts';
import { groupsOf, spawnerOf } from './cgroup-view.ts';
import { type Bench, resultOf, startBench } from './engine-fixture.ts';
import { useHangUpServer } from './hang-up-server.ts';

const HELLO = 'def handler(e):\n    return "hello"\n';
const HANDLER = '\ndef handler(e):\n    return e\n';

let bench: Bench;
let spawner: number;
beforeEach(async () => {
  bench = await startBench({ poolSize: 0 });
  spawner = spawnerOf(markerOf(bench.dir));
});
afterEach(async () => {
  const marker = markerOf(bench.dir);
  expect(spawnerOf(marker)).toBe(spawner);
  expect(bench.logged.join()).not.toContain('the spawner died');
  await bench.close();
  expect(groupsOf(marker)).toEqual([]);
});

async function load(source: string): Promise<Loader> {
  const outcome = await bench.load(source);
  if ('cause' in outcome) throw new Error(JSON.stringify(outcome));
  return outcome;
}

describe('what it could do with the rights of a loader', () => {
  const port = useHangUpServer();

  it('is denied: files, processes, mounts, namespaces, the network and the machine are out of reach', async () => {
    const other = await bench.sandbox(HELLO, 'other');
    const source = PROBES(port());
    const loader = await load(source);
    const found = (await resultOf(await bench.sandbox(source, 'probe', { loader }))) as Record<string, unknown>;
    const { pids, ids, capabilities, descriptors, cgroup, ...denied } = found;
    expect(pids).toEqual(['1']);
    expect(ids).toEqual([1, 0, 1000]);
    // To fork sandboxes takes these, in a user namespace of its own.
    expect(capabilities).toBe('00000000002001c0');
    expect(descriptors).toBe(11);
    expect(cgroup).toEqual(['/']);
    const allowed = Object.entries(denied).filter(
      ([, error]) => !/^(E[A-Z]+|ConnectionRefusedError)$/.test(String(error)),
    );
    expect(allowed).toEqual([]);
    expect(Object.keys(denied).length).toBeGreaterThan(35);
    expect(await resultOf(other)).toBe('hello');
  });
});

describe('code that leaves more than it came with has no loader, and nothing of it stays', () => {
  it.each([
    ['processes that nobody sees', 'import os, time\n[os.fork() or time.sleep(600) for _ in range(9)]', /process /],
    [
      'a process that hides from what looks from inside',
      'import os, time\nfrom isla_runtime import forkable\nforkable.left_behind = lambda _files: []\nos.fork() or time.sleep(600)',
      /its cgroup in .* holds \[\d+, \d+\]/,
    ],
    [
      'a thread that hides',
      'import threading, time\nfrom isla_runtime import forkable\nforkable.left_behind = lambda _files: []\n' +
        'threading.Thread(target=time.sleep, args=[600], daemon=True).start()',
      /Threads is 2/,
    ],
    [
      'a descriptor that hides',
      'import os\nfrom isla_runtime import forkable\nforkable.left_behind = lambda _files: []\nos.dup(1)',
      /descriptors is/,
    ],
    ['another id', 'import os\nos.setresuid(0, 0, 0)', /uids is/],
    ['fewer rights', 'from isla_zygote import linux\nlinux.capset(())', /CapPrm is 0/],
    [
      'as many processes as there can be',
      'import os, time\nwhile True:\n    try:\n        os.fork() or time.sleep(600)\n    except OSError:\n        break',
      /process |holds/,
    ],
  ])('%s', async (_what, source, reason) => {
    const ending = await bench.load(source + HANDLER);
    expect(ending).toMatchObject({ cause: 'failed', reason: expect.stringMatching(reason) });
    expect(await resultOf(await bench.sandbox(HELLO, 'other'))).toBe('hello');
  });
});

describe('a loader that lies on its channel is ended', () => {
  const SAYS = (word: string) => `import os, json\nos.write(10, ${word})`;
  it.each([
    ['no JSON', SAYS('b"{"')],
    ['JSON without an end', SAYS('b"[" * 4000')],
    ['no word', SAYS('b\'{"rejoice": 1}\'')],
    ['that it is ready before it is', `${SAYS('b\'{"ready": "3.11.2"}\'')}\nos.write(10, b'{"ready": "3.11.2"}')`],
    ['the end of a sandbox that is not its own', SAYS('b\'{"reaped": 1, "status": 0}\'')],
    ['a fork of one that is not its own', SAYS('b\'{"forked": 0}\'')],
    ['nothing any more', 'import os\nos.close(10)'],
  ])('%s', async (_what, source) => {
    const other = await bench.sandbox(HELLO, 'other');
    const outcome = await bench.load(source + HANDLER);
    // It may have been ready by then.
    expect('cause' in outcome ? outcome : await outcome.ended).toMatchObject({ cause: 'failed' });
    expect(await resultOf(other)).toBe('hello');
  });

  it.each([
    ['the end of a sandbox that is not its own', 'os.write(10, b\'{"reaped": 1, "status": 0}\')'],
    ['nothing of a fork', 'None'],
  ])('also when it forks: %s; and the sandbox is made without it', async (_what, lie) => {
    const source = `import os\nfrom isla_zygote import zygote\nzygote.Zygote._fork = lambda *_request: ${lie}`;
    const other = await bench.sandbox(HELLO, 'other');
    const loader = await load(source + HANDLER);
    expect(await resultOf(await bench.sandbox(source + HANDLER, 'probe', { loader }), 7)).toBe(7);
    expect(await loader.ended).toMatchObject({ cause: 'failed' });
    expect(await resultOf(other)).toBe('hello');
  });
});

describe('a sandbox that its loader has not made as it should gets no event, and another is made without it', () => {
  const PATCH = (what: string) => `import os\nfrom isla_zygote import child, linux\n${what}`;
  it.each([
    ['keeps rights', PATCH('linux.capset = lambda _rights: None'), /CapPrm is/],
    ['keeps its bounding set', PATCH('linux.drop_from_bounding_set = lambda _rights: None'), /CapBnd is/],
    ['keeps its id', PATCH('os.setresuid = lambda *_ids: None'), /uids is/],
    ['has no filter of its own', PATCH('linux.install_filter = lambda _filter: None'), /Seccomp_filters is/],
    [
      'joins no group',
      PATCH('write = os.write\nos.write = lambda fd, data: write(fd, data) if data != b"0" else 1'),
      /holds \[\]/,
    ],
    ['keeps descriptors', PATCH('linux.close_from = lambda _fd: None'), /descriptors is/],
    [
      'is two',
      PATCH('build = child._build\nchild._build = lambda *a: build(*a) or os.fork() or os.read(4, 1)'),
      /holds \[\d+, \d+\]/,
    ],
    [
      'is the loader itself',
      PATCH('clone = linux.clone\nlinux.clone = lambda _flags: (os.getpid(), os.pidfd_open(1))'),
      /mount for the child/,
    ],
  ])(
    '%s',
    async (_what, source, reason) => {
      const loader = await load(source + HANDLER);
      expect(await resultOf(await bench.sandbox(source + HANDLER, 'probe', { loader }), 7)).toBe(7);
      expect(await loader.ended).toMatchObject({ cause: 'failed', reason: expect.stringMatching(reason) });
    },
    60_000,
  );

  it('blocks for ever before it forks', async () => {
    const source = 'import os, time\nos.register_at_fork(before=lambda: time.sleep(600))';
    const loader = await load(source + HANDLER);
    const began = bench.sandbox(source + HANDLER, 'probe', { loader });
    expect(await resultOf(await bench.sandbox(HELLO, 'other'))).toBe('hello');
    expect(await resultOf(await began, 7)).toBe(7);
    expect(await loader.ended).toMatchObject({ cause: 'failed', reason: expect.stringContaining('did not answer') });
  }, 60_000);
});

/** What its import tries; what works says `done`. */
const PROBES = (port: number) => `
import ctypes, errno, os, signal, socket
from isla_zygote import linux, seccomp
libc = ctypes.CDLL(None, use_errno=True)
found = {}
def attempt(name, action):
    try:
        action()
        found[name] = "done"
    except OSError as error:
        found[name] = errno.errorcode.get(error.errno, str(error))
def change(path):
    # Where the kernel has it, /dev/null lies over it, which takes anything.
    if os.path.exists(path) and os.stat(path).st_rdev == os.stat("/dev/null").st_rdev:
        raise PermissionError(errno.EACCES, path)
    open(path, "w").write("9")


def call(number, *arguments):
    if libc.syscall(ctypes.c_long(number), *arguments) == -1:
        raise OSError(ctypes.get_errno(), "x")
def clone(flags):
    pid, pidfd = linux.clone(flags)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(pidfd)
def as_program():
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "read _ caps < /proc/self/status; grep CapEff /proc/self/status | grep -q 0000000000000000"], {})
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0:
        raise OSError(errno.EPERM, "x")
found["pids"] = [name for name in os.listdir("/proc") if name.isdigit()]
found["ids"] = [os.getpid(), os.getppid(), os.getuid()]
found["capabilities"] = open("/proc/self/status").read().split("CapBnd:")[1].split()[0]
found["descriptors"] = len(os.listdir("/proc/self/fd")) - 1
found["cgroup"] = sorted({line.split(":", 2)[2].strip() for line in open("/proc/self/cgroup")})
for path in ("/usr/x", "/packages/x", "/runtime/x", "/handler/x", "/etc/x", "/x", "/run/secrets/x"):
    attempt("write " + path, lambda: open(path, "w"))
for path in ("/root", "/home/work", "/var/lib", "/sys/fs/cgroup", "/etc/shadow", "/proc/1/root/root"):
    attempt("read " + path, lambda: os.listdir(path) if os.path.isdir(path) else open(path))
for path in ("/proc/sys/user/max_user_namespaces", "/proc/sys/kernel/core_pattern", "/proc/self/uid_map", "/proc/sysrq-trigger"):
    attempt("set " + path, lambda: change(path))
for number in (2, 3, 100):
    attempt("signal %d" % number, lambda: os.kill(number, 0))
attempt("network", lambda: socket.create_connection(("127.0.0.1", ${port}), 1))
attempt("mount tmpfs", lambda: linux.mount("x", "/tmp", "tmpfs", seccomp.TMPFS_MOUNT_FLAGS))
attempt("mount proc", lambda: linux.mount("proc", "/proc", "proc", seccomp.PROC_MOUNT_FLAGS))
attempt("mount overlay", lambda: linux.mount("x", "/tmp", "overlay", seccomp.TMPFS_MOUNT_FLAGS, "lowerdir=/usr:/etc"))
attempt("mount cgroup", lambda: linux.mount("x", "/tmp", "cgroup2", seccomp.PROC_MOUNT_FLAGS))
attempt("mount bind", lambda: linux.mount("/usr", "/tmp", None, 4096))
attempt("remount", lambda: linux.mount("none", "/", None, linux.MS_REMOUNT))
attempt("umount", lambda: linux.umount("/proc", 0))
attempt("pivot_root", lambda: linux.pivot_root(".", "."))
attempt("chroot", lambda: os.chroot("/tmp"))
attempt("unshare mounts", lambda: linux.unshare(linux.CLONE_NEWNS))
attempt("unshare user", lambda: linux.unshare(linux.CLONE_NEWUSER))
attempt("setns", lambda: linux.setns(0, 0))
attempt("clone user", lambda: clone(linux.CLONE_NEWUSER))
attempt("clone everything and user", lambda: clone(seccomp.SANDBOX_NAMESPACES | linux.CLONE_NEWUSER))
attempt("clone network", lambda: clone(linux.CLONE_NEWNET))
attempt("capset", lambda: linux.capset((0, linux.CAP_SYS_ADMIN)))
attempt("become another", lambda: os.setresuid(4000, 4000, 4000))
attempt("become the owner", lambda: os.setresuid(1062, 1062, 1062))
attempt("keep rights over exec", as_program)
attempt("open_tree", lambda: linux.open_tree(linux.AT_FDCWD, "/"))
attempt("fsopen", lambda: linux.new_tmpfs({}, 0))
attempt("ptrace", lambda: call(101 if linux.MACHINE == "x86_64" else 117, 16, 1, 0, 0))
attempt("hostname", lambda: socket.sethostname("x"))
attempt("device", lambda: os.mknod("/tmp/sda", 0o60600, os.makedev(8, 0)))
attempt("raw socket", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
attempt("priority", lambda: os.setpriority(os.PRIO_PROCESS, 0, -5))

def handler(e):
    return found
`;
