import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Failure } from '../../src/config/failure.ts';
import { markerOf } from '../../src/sandbox/worker-marker.ts';
import { groupsOf, spawnerOf } from './cgroup-view.ts';
import { type Bench, resultOf, startBench } from './engine-fixture.ts';
import { useHangUpServer } from './hang-up-server.ts';
import { copyProgram, type ProgramCopy } from './program-copy.ts';

const ZYGOTE = 'sandbox/sock/zygote/zygote.py';
const CHILD = 'sandbox/sock/zygote/child.py';
const HELLO = 'def handler(e):\n    return "hello"\n';
/** The slot at which a zygote lies; those of zygotes to come are others. */
const LIE_AT = 3;
/** A fork whose child is never ready for code: else a call might begin in it before the next word, the lie, is heard. */
const FORK =
  'pid, pidfd = linux.clone(self._namespaces); pid or select.select([], [], []); ' +
  'socket.send_fds(self._control, [b\'{"forked": %d}\' % slot], [pidfd])';

let program: ProgramCopy;
let marker = '';
beforeEach(() => {
  program = copyProgram();
});
afterEach(() => {
  program.remove();
  expect(groupsOf(marker)).toEqual([]);
});

function start(poolSize = 0): Promise<Bench> {
  const onDir = (dir: string) => {
    marker = markerOf(dir);
  };
  return startBench({ programDir: program.dir, poolSize, onDir, networkAllowed: ['none', 'host'] });
}

describe('a child that is not what it should be gets no code, and the reason is told', () => {
  const falsify = (before: string, after: string) => () => program.falsify(CHILD, before, after);
  const beforeWaiting = (source: string) => falsify('    wait_and_serve(', `    ${source}\n    wait_and_serve(`);
  const CLONE = 'linux.clone(self._namespaces';
  const without = (kind: string) => () => program.falsify(ZYGOTE, CLONE, `${CLONE} & ~linux.${kind}`);
  it.each([
    ['keeps a capability', falsify('linux.capset(())', 'linux.capset((linux.CAP_SETUID,))'), /: CapPrm is 128 /],
    ['keeps its bounding set', falsify('    linux.drop_from_bounding_set(KEPT)\n', ''), /: CapBnd is /],
    ['keeps an id', falsify('os.setresuid(setup.uid, setup.uid, setup.uid)', 'pass'), /: uids is /],
    ['has no filter of its own', falsify('linux.install_filter(sandbox_filter)', 'pass'), /: Seccomp_filters is 1 /],
    ['joins no group', falsify('os.write(fd, b"0")', 'pass'), /: its cgroup in .* holds \[\]/],
    ['keeps descriptors', falsify('linux.close_from(CONTROL_FD + 1)', 'pass'), /: descriptors is /],
    ['mounts something', beforeWaitingMount(), /: \/host is mounted writable/],
    ['is two', beforeWaiting('os.fork() or os.read(4, 1)'), /: its cgroup in .* holds \[\d+, \d+\]/],
    [
      'has a thread',
      beforeWaiting('import threading; threading.Thread(target=os.read, args=(4, 1)).start()'),
      /: Threads/,
    ],
    ['says a number', beforeWaiting('os.write(4, b"5")'), /: JSON that is no object/],
    ['says what has no end', beforeWaiting('os.write(4, b"[" * 60000)'), /nested too deeply|: Expecting/],
    ['says what is no text', beforeWaiting('os.write(4, bytes(range(256)))'), /can't decode|: /],
    ['has its network', without('CLONE_NEWNET'), /: fork: .*clone: Operation not permitted/],
    ['has its processes', without('CLONE_NEWPID'), /: fork: .*clone: Operation not permitted/],
    ['has its mounts', without('CLONE_NEWNS'), /: fork: .*clone: Operation not permitted/],
    [
      'has its network, which the filter allows',
      () => program.falsify(ZYGOTE, '_HOST_NETWORK in sys.argv', 'True'),
      /: it shares its zygote's net namespace/,
    ],
  ])('%s', async (_what, prepare, complaint) => {
    prepare();
    const failure = await start().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(Failure);
    expect((failure as Failure).message).toMatch(complaint);
  });

  it.each([
    [
      'has another network',
      () => program.falsify(ZYGOTE, 'seccomp.HOST_NETWORK_NAMESPACES', 'seccomp.SANDBOX_NAMESPACES'),
      /: it is not in the spawner's net namespace/,
    ],
    [
      'has another network, against the filter',
      () => program.falsify(ZYGOTE, CLONE, `${CLONE} | linux.CLONE_NEWNET`),
      /: fork: .*clone: Operation not permitted/,
    ],
  ])("of a zygote in the host's network, %s", async (_what, prepare, complaint) => {
    prepare();
    const failure = await start()
      .then((bench) => bench.sandbox(HELLO, 'probe', { network: { mode: 'host' } }).finally(() => bench.close()))
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(Failure);
    expect((failure as Failure).message).toMatch(complaint);
  });

  function beforeWaitingMount() {
    const mount = '    linux.mount("x", "/host", "tmpfs", seccomp.TMPFS_MOUNT_FLAGS, "size=4k")\n';
    return falsify(
      '    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)\n',
      `${mount}    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)\n`,
    );
  }
});

describe('a zygote that lies is ended, and the spawner goes on', () => {
  it.each([
    ['no JSON', 'self._control.send(b"{")'],
    ['JSON without an end', 'self._control.send(b"[" * 4000)'],
    ['a number', 'self._control.send(b"5")'],
    ['no word', 'self._tell({"rejoice": 1})'],
    ['nothing in it', 'self._tell({})'],
    ['no number', 'self._tell({"reaped": "1", "status": 0})'],
    ['a status that is none', 'self._tell({"reaped": slot, "status": 1 << 40})'],
    ['the end of a child that it has not made', 'self._tell({"reaped": slot, "status": 0})'],
    ['a failure after the fork', `${FORK}; self._tell({"fork_failed": slot, "error": "x"})`],
    ['a fork without a descriptor', 'self._tell({"forked": slot})'],
    ['a fork with a file', 'socket.send_fds(self._control, [b\'{"forked": %d}\' % slot], [os.open("/dev/null", 0)])'],
    ['a fork twice', `${FORK}; ${FORK}`],
    ['that it is ready again', 'self._tell({"ready": "3.11.2"})'],
    ['a version that is none', 'self._tell({"ready": "x" * 1000})'],
  ])('%s', async (_what, lie) => {
    const armed = `            slot = request["fork"]\n            if slot == ${LIE_AT}:\n                ${lie}\n                return\n`;
    program.falsify(
      ZYGOTE,
      '            self._fork(name, request, fds)\n',
      `${armed}            self._fork(name, request, fds)\n`,
    );
    const bench = await start();
    try {
      const spawner = spawnerOf(marker);
      for (let n = 1; n <= LIE_AT + 1; n += 1) {
        // One that goes down with its zygote before it was used is made again.
        const sandbox = await bench.sandbox(HELLO);
        expect(await resultOf(sandbox)).toBe('hello');
      }
      expect(bench.logged.filter((line) => line.startsWith('a zygote ended')).join()).not.toBe('');
      expect(bench.logged.join()).not.toContain('the spawner died');
      expect(spawnerOf(marker)).toBe(spawner);
    } finally {
      await bench.close();
    }
  });

  it('as is one that is stopped and reads nothing more: nobody waits longer than its deadline', async () => {
    program.falsify(
      ZYGOTE,
      '        request = json.loads(message)\n',
      `        request = json.loads(message)\n${STOPS}`,
    );
    const bench = await start();
    try {
      const sandboxes = await Promise.all(
        Array.from({ length: 250 }, () => bench.sandbox(HELLO).catch(() => undefined)),
      );
      expect(sandboxes).toHaveLength(250);
      expect(await resultOf(await bench.sandbox(HELLO))).toBe('hello');
      expect(bench.logged.join()).not.toContain('the spawner died');
    } finally {
      await bench.close();
    }
  }, 120_000);
});

const STOPS = `        if request["fork"] == ${LIE_AT}:\n            select.select([], [], [])\n`;

describe('a zygote that package code has taken over', () => {
  const port = useHangUpServer();

  it('reaches no file of the cluster, no process outside, no network, and holds no call that leads there', async () => {
    program.falsify(
      ZYGOTE,
      '    Zygote(control, sandbox_filter, namespaces, Heritage(), server).serve()\n',
      PROBES(port()),
    );
    const bench = await start();
    try {
      const said = readFileSync(join(bench.dir, 'import-cache/0/stdout'), 'utf8');
      const found = JSON.parse(said) as Record<string, unknown>;
      const { root, home, pids, ids, capabilities, descriptors, environment, ...denied } = found;
      expect(root).toEqual(expect.arrayContaining(['packages', 'proc', 'runtime', 'usr']));
      // A session's directory alone, which no zygote has.
      expect(home).toEqual(['work']);
      expect(pids).toEqual(['1']);
      expect(ids).toEqual([1, 0]);
      expect(capabilities).toBe('00000000002001c0');
      // Those from 3 to 9 keep places free for a child's own.
      const nulls = Array.from({ length: 7 }, () => '/dev/null');
      expect(descriptors).toEqual(['/dev/null', 'log', 'log', ...nulls, 'control']);
      expect(environment).not.toMatch(/isla|ISLA/);
      const allowed = Object.entries(denied).filter(
        ([, error]) => !/^(E[A-Z]+|ConnectionRefusedError)$/.test(String(error)),
      );
      expect(allowed).toEqual([]);
      expect(Object.keys(denied).length).toBeGreaterThan(20);
      expect(await resultOf(await bench.sandbox(HELLO))).toBe('hello');
    } finally {
      await bench.close();
    }
  });
});

/** What a zygote tries before it serves; what works says `done`. Its stdout is a file of the worker's. */
const PROBES = (port: number) => `
    import ctypes, errno
    libc = ctypes.CDLL(None, use_errno=True)
    found = {}
    def attempt(name, action):
        try:
            action()
            found[name] = "done"
        except OSError as error:
            found[name] = errno.errorcode.get(error.errno, str(error))
    def call(number, *arguments):
        if libc.syscall(ctypes.c_long(number), *arguments) == -1:
            raise OSError(ctypes.get_errno(), "x")
    def clone(flags):
        pid, _pidfd = linux.clone(flags)
        if pid == 0:
            os._exit(0)
    found["root"] = os.listdir("/")
    found["home"] = os.listdir("/home")
    found["pids"] = [name for name in os.listdir("/proc") if name.isdigit()]
    found["ids"] = [os.getpid(), os.getppid()]
    status = open("/proc/self/status").read()
    found["capabilities"] = status.split("CapBnd:")[1].split()[0]
    links = {int(fd): os.readlink("/proc/self/fd/" + fd) for fd in os.listdir("/proc/self/fd") if os.path.lexists("/proc/self/fd/" + fd)}
    links.update({1: "log", 2: "log", control.fileno(): "control"})
    found["descriptors"] = [links[fd] for fd in sorted(links)]
    found["environment"] = json.dumps(dict(os.environ))
    for path in ("/usr/x", "/packages/x", "/runtime/x", "/handler/x", "/host/x", "/etc/x", "/x", "/run/secrets/x"):
        attempt("write " + path, lambda: open(path, "w"))
    for path in ("/root", "/home/work", "/var/lib", "/sys/fs/cgroup", "/etc/shadow", "/proc/1/root/root"):
        attempt("read " + path, lambda: os.listdir(path) if os.path.isdir(path) else open(path))
    for number in (2, 3, 100):
        attempt("signal %d" % number, lambda: os.kill(number, 0))
    attempt("network", lambda: socket.create_connection(("127.0.0.1", ${port}), 1))
    attempt("mount bind", lambda: linux.mount("/usr", "/tmp", None, 4096))
    attempt("remount", lambda: linux.mount("none", "/", None, linux.MS_REMOUNT))
    attempt("umount", lambda: linux.umount("/proc", 0))
    attempt("pivot_root", lambda: linux.pivot_root(".", "."))
    attempt("chroot", lambda: os.chroot("/tmp"))
    attempt("unshare mounts", lambda: linux.unshare(linux.CLONE_NEWNS))
    attempt("unshare user", lambda: linux.unshare(linux.CLONE_NEWUSER))
    attempt("setns", lambda: linux.setns(0, 0))
    attempt("clone user", lambda: clone(linux.CLONE_NEWUSER))
    attempt("clone network", lambda: clone(linux.CLONE_NEWNET))
    attempt("capset", lambda: linux.capset((0, linux.CAP_SYS_ADMIN)))
    attempt("open_tree", lambda: linux.open_tree(linux.AT_FDCWD, "/"))
    attempt("fsopen", lambda: linux.new_tmpfs({}, 0))
    attempt("ptrace", lambda: call(101 if linux.MACHINE == "x86_64" else 117, 16, 1, 0, 0))
    attempt("hostname", lambda: socket.sethostname("x"))
    attempt("device", lambda: os.mknod("/tmp/sda", 0o60600, os.makedev(8, 0)))
    attempt("raw socket", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
    os.write(1, json.dumps(found).encode())
    Zygote(control, sandbox_filter, namespaces, Heritage(), server).serve()
`;
