/** Ways out of a sandbox that others' sandboxes had. Each is tried from inside; each leaves the walls as they were. */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { inside, useHostileBench } from './hostile-fixture.ts';

const bench = useHostileBench();
let sandbox: Sandbox;
let neighbour: Sandbox;
let walls: unknown;
const host = () => [hostname(), readFileSync('/proc/sys/kernel/core_pattern', 'utf8')];
const before = host();
beforeAll(async () => {
  [sandbox, neighbour] = [await bench().probe(), await bench().probe('neighbour')];
  walls = await inside(sandbox, 'posture()');
  expect((walls as string[][])[0]).toContain('0000000000000000');
});
afterEach(async () => {
  expect(await inside(sandbox, 'posture()')).toEqual(walls);
  expect(await inside(neighbour, '1 + 1')).toBe(2);
  expect(host()).toEqual(before);
});

const DENIED = /^(EPERM|EACCES|EROFS|ENOENT|EBUSY)$/;

describe('namespaces and mounts', () => {
  it.each([
    [
      'unshare of every kind',
      'sorted({call("unshare", 1 << bit) for bit in (17, 25, 26, 27, 28, 29, 30, 7)})',
      ['EPERM'],
    ],
    [
      'clone of every kind',
      'sorted({call("clone", 17 | 1 << bit) for bit in (17, 25, 26, 27, 28, 29, 30)})',
      ['EPERM'],
    ],
    ['clone with flags in the upper half', 'call("clone", 17 | 1 << 28 | 1 << 40)', 'EPERM'],
    ['clone3', 'call("clone3", bytes(88), 88)', 'ENOSYS'],
    ['setns through a pidfd', 'call("setns", os.pidfd_open(1), 0x7e020000)', 'EPERM'],
    ['setns through /proc', 'attempt(lambda: [linux.setns(fd, 0) for fd in [os.open("/proc/1/ns/mnt", 0)]])', 'EPERM'],
    ['a bind mount', 'attempt(linux.mount, "/usr", "/tmp", None, 4096)', 'EPERM'],
    ['a fresh proc', 'attempt(linux.mount, "proc", "/tmp", "proc", seccomp.PROC_MOUNT_FLAGS)', 'EPERM'],
    ['a remount that may write', 'attempt(linux.mount, "none", "/usr", None, 32)', 'EPERM'],
    ['making mounts shared', 'attempt(linux.mount, "none", "/", None, 1 << 20)', 'EPERM'],
    ['umount of a mask', 'attempt(linux.umount, "/proc/kcore", 2)', 'EPERM'],
    ["umount of the cover over its zygote's /tmp", 'attempt(linux.umount, "/tmp", 2)', 'EPERM'],
    ['pivot_root', 'attempt(linux.pivot_root, "/tmp", "/tmp")', 'EPERM'],
    ['chroot', 'attempt(os.chroot, "/tmp")', 'EPERM'],
    [
      'the new mount calls',
      '[attempt(linux.open_tree, -100, "/usr"), attempt(linux.new_tmpfs, {}, 0), attempt(linux.attach_tree, 0, "/tmp"), attempt(linux.set_mount_attributes, 0, 0)]',
      ['EPERM', 'EPERM', 'EPERM', 'EPERM'],
    ],
    ['another host name', 'attempt(socket.sethostname, "owned")', 'EPERM'],
    ['capabilities', 'attempt(linux.capset, (21,))', 'EPERM'],
    ['ambient capabilities', 'attempt(linux.prctl, linux.PR_CAP_AMBIENT, 2, 21)', 'EPERM'],
    [
      'other ids',
      '[attempt(os.setuid, 0), attempt(os.setresgid, 0, 0, 0), attempt(os.setgroups, [0])]',
      ['EPERM', 'EPERM', 'EPERM'],
    ],
    [
      'taking no_new_privs and securebits back',
      '[call(157 if os.uname().machine == "x86_64" else 167, 38, 0), attempt(linux.prctl, linux.PR_SET_SECUREBITS, 0)]',
      ['EINVAL', 'EPERM'],
    ],
  ])('%s is denied', async (_what, source, wanted) => {
    expect(await inside(sandbox, source)).toEqual(wanted);
  });
});

describe('what /proc leads to', () => {
  it.each([
    ['the root of process 1', 'sorted(os.listdir("/proc/1/root")) == sorted(os.listdir("/"))', true],
    ['.. out of every root', 'os.path.samestat(os.stat("/proc/1/root/../../.."), os.stat("/"))', true],
    [
      '.. out of its working directory',
      'os.chdir("/host")\nos.makedirs("a/b", exist_ok=True)\nos.chdir("a/b")\nos.rename("/host/a/b", "/host/moved")\nr = os.path.samestat(os.stat("../" * 20), os.stat("/"))\nos.chdir("/")',
      true,
    ],
    [
      '.. from a descriptor of a directory that was removed',
      'os.mkdir("/host/gone")\nfd = os.open("/host/gone", os.O_PATH)\nos.rmdir("/host/gone")\nr = attempt(os.open, "../../../etc/shadow", 0, dir_fd=fd)',
      'ENOENT',
    ],
    ['a parent', '[os.getppid(), os.getpid()]', [0, 1]],
    ['a process beyond its own', 'sorted(int(n) for n in os.listdir("/proc") if n.isdigit())', [1]],
    ['its own group and session', '[os.getpgid(0), os.getsid(0)]', [1, 1]],
    [
      'the names of its control groups',
      'sorted({line.split(":")[2] for line in read("/proc/self/cgroup").split()})',
      ['/'],
    ],
    [
      'a descriptor that is no standard one nor the channel',
      'r = []\nfor n in range(3, 4096):\n    try:\n        os.fstat(n)\n        r.append(n)\n    except OSError:\n        pass',
      [3],
    ],
    [
      'openat2 beyond',
      'call(437, -100, b"/proc/1/root/../root\\0", struct.pack("QQQ", os.O_RDONLY, 0, 0), 24)',
      'ENOENT',
    ],
    [
      'file handles',
      '[call("name_to_handle_at", -100, b"/usr\\0", bytes(136), bytes(8), 0), call("open_by_handle_at", -100, bytes(136), 0)]',
      ['EPERM', 'EPERM'],
    ],
    ['a listing of mounts by id', '[call("statmount", 0), call("listmount", 0)]', ['EPERM', 'EPERM']],
  ])('shows %s as it is inside', async (_what, source, wanted) => {
    const own = await bench().probe();
    expect(await inside(own, source)).toEqual(wanted);
    await own.destroy();
  });

  it.each([
    '/proc/self/exe',
    '/proc/1/exe',
    '/usr/bin/python3',
    '/proc/sys/kernel/core_pattern',
    '/proc/sys/kernel/hostname',
    '/proc/sys/kernel/modprobe',
    '/proc/sys/vm/overcommit_memory',
    '/proc/sys/user/max_user_namespaces',
    '/proc/sys/user/max_inotify_watches',
    '/proc/sys/net/ipv4/ip_forward',
    '/proc/sys/net/ipv4/ping_group_range',
    '/proc/sys/fs/binfmt_misc/register',
    '/proc/sysrq-trigger',
    '/proc/kcore',
    '/proc/kmsg',
    '/proc/1/uid_map',
    '/proc/1/gid_map',
    '/proc/1/setgroups',
    '/proc/irq/0/smp_affinity',
    '/proc/bus/pci/00/00.0',
    '/proc/mtrr',
    '/sys/fs/cgroup/release_agent',
    '/sys/kernel/uevent_helper',
    '/sys/fs/cgroup/memory/memory.limit_in_bytes',
    '/dev/mem',
    '/dev/kmsg',
    '/dev/tty',
    '/dev/ptmx',
    '/dev/loop-control',
    '/dev/loop0',
    '/dev/fuse',
    '/dev/kvm',
    '/dev/net/tun',
    '/handler/lambda_func.py',
    '/runtime/isla_runtime/server.py',
    '/etc/passwd',
    '/etc/ld.so.preload',
  ])('nothing can be written to %s', async (path) => {
    // What is masked is /dev/null, which takes everything and keeps nothing.
    const tries = `["null" if is_null(p) else put(p, flags=f) for p in [${JSON.stringify(path)}] for f in (1, os.O_RDWR | os.O_CREAT, 1 | os.O_TRUNC)]`;
    const said = (await inside(sandbox, tries)) as string[];
    expect(said).toHaveLength(3);
    for (const one of said) expect(one).toMatch(/^(null|EPERM|EACCES|EROFS|ENOENT|ETXTBSY|EINVAL|ENOTDIR)$/);
  });

  it('the files behind its memory map can be neither opened for writing nor replaced', async () => {
    const source =
      'linux.prctl(linux.PR_SET_DUMPABLE, 1)\n' +
      'r = sorted({put("/proc/self/map_files/" + n, flags=os.O_RDWR) for n in os.listdir("/proc/self/map_files")})';
    const own = await bench().probe();
    for (const said of [await inside(own, source)].flat()) expect(said).toMatch(DENIED);
    await own.destroy();
  });

  it('a score that spares it when memory is short is refused', async () => {
    expect(await inside(sandbox, 'put("/proc/self/oom_score_adj", "-1")')).toBe('EACCES');
  });
});

describe('calls that were holes elsewhere', () => {
  it.each([
    [
      'ptrace of itself and of its child',
      'pid = os.fork() or signal.pause()\nr = [call("ptrace", 0), call("ptrace", 16, pid), call("ptrace", 0x4206, pid)]\nos.kill(pid, 9)\nos.waitpid(pid, 0)',
      ['EPERM', 'EPERM', 'EPERM'],
    ],
    [
      'memory of other processes',
      '[call(n, 1) for n in ("process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd")]',
      Array(5).fill('EPERM'),
    ],
    [
      'keyrings',
      '[call("keyctl", 0, -3, 1), call("add_key", b"user\\0", b"k\\0", b"v", 1, -4), call("request_key", b"user\\0", b"k\\0")]',
      Array(3).fill('EPERM'),
    ],
    [
      'io_uring',
      '[call(n, 8, bytes(120)) for n in ("io_uring_setup", "io_uring_enter", "io_uring_register")]',
      Array(3).fill('EPERM'),
    ],
    [
      'bpf, perf, userfaultfd',
      '[call("bpf", 0), call("perf_event_open", 0), call("userfaultfd", 1)]',
      Array(3).fill('EPERM'),
    ],
    ['what carried Dirty Pipe', '[call("splice"), call("tee"), call("vmsplice")]', Array(3).fill('EPERM')],
    ['secret memory and fanotify', '[call("memfd_secret", 0), call("fanotify_init", 0)]', ['EPERM', 'EPERM']],
    [
      'every socket family but Unix, IP and routes',
      'r = []\nfor family in range(0, 64):\n    for kind in (1, 2, 3, 5):\n        try:\n            socket.socket(family, kind, 0).close()\n            r.append(family)\n        except OSError:\n            pass\nr = sorted(set(r))',
      [1, 2, 10, 16],
    ],
    [
      'raw sockets',
      '[attempt(socket.socket, 2, 3, 1), attempt(socket.socket, 10, 3, 58), attempt(socket.socket, 2, 2, 1)]',
      ['EPERM', 'EPERM', 'EACCES'],
    ],
    [
      'netlink to the packet filter and to IPsec',
      '[attempt(socket.socket, 16, 3, protocol) for protocol in (6, 12, 9, 15)]',
      Array(4).fill('EAFNOSUPPORT'),
    ],
    ['a pair of a denied family', 'call("socketpair", 40, 1, 0, bytes(8))', 'EAFNOSUPPORT'],
    [
      'block and character devices',
      '[attempt(os.mknod, "/host/d", kind | 0o666, os.makedev(1, 1)) for kind in (stat.S_IFBLK, stat.S_IFCHR)]',
      ['EPERM', 'EPERM'],
    ],
    ['typing into a terminal', '[call("ioctl", fd, 0x5412, b"x") for fd in (0, 1, 3)]', Array(3).fill('EPERM')],
    [
      'clocks',
      '[attempt(time.clock_settime, 0, 0), call("settimeofday", 0), call("adjtimex", 0)]',
      Array(3).fill('EPERM'),
    ],
    [
      'real-time scheduling and a better nice',
      '[attempt(os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(1)), attempt(os.setpriority, 0, 0, -5)]',
      ['EPERM', 'EACCES'],
    ],
    [
      'higher hard limits',
      'r = []\nfor which in (resource.RLIMIT_NOFILE, resource.RLIMIT_MEMLOCK, resource.RLIMIT_MSGQUEUE, resource.RLIMIT_SIGPENDING):\n    soft, hard = resource.getrlimit(which)\n    try:\n        resource.setrlimit(which, (soft, hard + 1))\n        r.append("allowed")\n    except ValueError:\n        r.append("refused")',
      Array(4).fill('refused'),
    ],
  ])('%s', async (_what, source, wanted) => {
    expect(await inside(sandbox, source)).toEqual(wanted);
  });

  it.each(['su', 'mount', 'umount', 'newgrp', 'chsh', 'passwd', 'ping'])(
    'the set-id program %s gains nothing',
    async (program) => {
      const source =
        `import shutil\npath = shutil.which("${program}") or "/bin/false"\n` +
        'p = subprocess.Popen([path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=lambda: os.kill(os.getpid(), 0))\n' +
        's = status(p.pid)\nr = [s["Uid"].split(), s["CapEff"], s["CapPrm"], s["NoNewPrivs"]]\np.kill()\np.communicate()';
      const [uids, effective, permitted, noNewPrivs] = (await inside(sandbox, source)) as [
        string[],
        string,
        string,
        string,
      ];
      expect(new Set(uids).size).toBe(1);
      expect(uids[0]).not.toBe('0');
      expect([effective, permitted, noNewPrivs]).toEqual(['0000000000000000', '0000000000000000', '1']);
    },
  );

  it.each([
    [
      'a set-id program of its own',
      'import shutil\nshutil.copy("/usr/bin/env", "/host/x")\nos.chmod("/host/x", 0o6755)\nout = subprocess.run(["/host/x", "cat", "/proc/self/status"], capture_output=True, text=True).stdout',
    ],
    [
      'a program in memory',
      'fd = os.memfd_create("x", 0)\nos.write(fd, open("/bin/cat", "rb").read())\nout = subprocess.run(["cat", "/proc/self/status"], executable=f"/proc/self/fd/{fd}", pass_fds=[fd], capture_output=True, text=True).stdout\nos.close(fd)',
    ],
  ])('%s runs under the same walls', async (_what, source) => {
    const own = await bench().probe();
    const said = (await inside(own, `${source}\nr = out`)) as string;
    expect(said).toMatch(/^CapEff:\t0{16}$/m);
    expect(said).toMatch(/^NoNewPrivs:\t1$/m);
    expect(said).toMatch(/^Seccomp:\t2$/m);
    expect(said).not.toMatch(/^Uid:.*\b0\b/m);
    await own.destroy();
  });
});
