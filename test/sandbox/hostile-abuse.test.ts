/**
 * Handlers that take all they can and will not go. Whatever they do, when destroy() resolves every process of
 * theirs has gone, the engine answers, and a neighbour has noticed nothing.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Limits } from '../../src/config/settings.ts';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { ask } from './engine-fixture.ts';
import { inside, isAlive, PROBE, useHostileBench } from './hostile-fixture.ts';

// None waits ahead: it would have the id of the one that has just gone, by which this looks for what is left.
const bench = useHostileBench(0);
let neighbour: Sandbox;
beforeAll(async () => {
  neighbour = await bench().probe('neighbour');
});
let loggedBefore: number;
beforeEach(() => {
  loggedBefore = bench().logged.length;
});
afterEach(async () => {
  expect(await inside(neighbour, '1 + 1')).toBe(2);
  expect(bench().logged.slice(loggedBefore)).toEqual([]);
});

/** Processes on the whole machine that run under a sandbox's own id: none can hide from that. */
function processesOfUid(uid: string): string[] {
  return readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name) || !isAlive(Number(name))) return false;
    try {
      return readFileSync(`/proc/${name}/status`, 'utf8').includes(`\nUid:\t${uid}\t`);
    } catch {
      return false;
    }
  });
}

const uidOf = (sandbox: Sandbox) =>
  /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${bench().pidsOf(sandbox)[0]}/status`, 'utf8'))![1]!;

async function goneWithDestroy({ sandbox, uid }: Abused): Promise<void> {
  expect(processesOfUid(uid)).not.toEqual([]);
  await sandbox.destroy();
  expect(processesOfUid(uid)).toEqual([]);
  expect((await bench().engine.memory()).has(sandbox.id)).toBe(false);
  expect((await bench().engine.memory()).has(neighbour.id)).toBe(true);
}

/** What goes on in the background when the first call has been answered. `spread` runs a function in a child. */
const SPREAD =
  'def spread(f):\n    if os.fork() == 0:\n        try:\n            f()\n        finally:\n            os._exit(0)\n' +
  'def forever(f):\n    while True:\n        try:\n            f()\n        except (OSError, RuntimeError, MemoryError):\n            pass\n' +
  'def thread(f):\n    threading.Thread(target=f, daemon=True).start()\n';

const ABUSES: [string, string, Partial<Limits>?][] = [
  ['a fork bomb', 'spread(lambda: forever(os.fork))'],
  ['a fork bomb of new sessions', 'spread(lambda: forever(lambda: os.fork() or os.setsid()))'],
  ['a thread bomb', 'spread(lambda: forever(lambda: thread(signal.pause)))'],
  [
    'two thousand threads',
    'threading.stack_size(32768)\nfor _ in range(2000):\n    thread(lambda: time.sleep(600))',
    { procs: 2200, memory_mb: 400 },
  ],
  [
    'five hundred processes',
    'for _ in range(500):\n    spread(lambda: time.sleep(600))',
    { procs: 600, memory_mb: 600 },
  ],
  ['threads that spin', 'for _ in range(20):\n    thread(lambda: forever(lambda: None))'],
  ['processes that spin', 'for _ in range(20):\n    spread(lambda: forever(lambda: None))'],
  [
    'a deaf process for every signal',
    'def deaf():\n    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\n    forever(lambda: time.sleep(1))\nfor _ in range(5):\n    spread(deaf)',
  ],
  [
    'daemons forked twice',
    'for _ in range(5):\n    spread(lambda: (os.setsid(), os.fork() and os._exit(0), time.sleep(600)))',
  ],
  [
    'children that stop themselves',
    'for _ in range(5):\n    spread(lambda: forever(lambda: os.kill(os.getpid(), signal.SIGSTOP)))',
  ],
  ['a child that stops everybody, again and again', 'spread(lambda: forever(lambda: os.kill(-1, signal.SIGSTOP)))'],
  [
    'children that wait in the kernel for a child of theirs',
    'os.mkfifo("/host/fifo")\nfor _ in range(5):\n    spread(lambda: os.posix_spawn("/bin/true", ["true"], {}, file_actions=[(os.POSIX_SPAWN_OPEN, 0, "/host/fifo", os.O_RDONLY, 0)]))',
  ],
  ['programs started again and again', 'spread(lambda: forever(lambda: subprocess.run(["/bin/true"])))'],
  ['orphans that nobody buries', 'for _ in range(10):\n    spread(lambda: os.fork() and os._exit(0))'],
  [
    'pipes full of bytes',
    'gc.kept = []\ntry:\n    while True:\n        a, b = os.pipe()\n        os.set_blocking(b, False)\n        gc.kept += [a, b]\n        attempt(os.write, b, bytes(65536))\nexcept OSError:\n    pass',
  ],
  [
    'sockets full of bytes',
    'gc.kept = []\ntry:\n    for _ in range(300):\n        a, b = socket.socketpair()\n        a.setblocking(False)\n        gc.kept += [a, b]\n        while attempt(a.send, bytes(32768)) == "allowed":\n            pass\nexcept OSError:\n    pass',
  ],
  [
    'descriptors in flight inside sockets',
    'a, b = socket.socketpair()\na.setblocking(False)\ngc.kept = [a, b]\nwhile attempt(socket.send_fds, a, [b"x"], [0, 1, 2, a.fileno(), b.fileno()]) == "allowed":\n    pass',
  ],
  [
    'every descriptor',
    'gc.kept = []\nresource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))\ntry:\n    while True:\n        gc.kept.append(os.open("/dev/null", 0))\nexcept OSError:\n    os.close(gc.kept.pop())',
  ],
  [
    'a full /tmp and /dev/shm',
    'for path in ("/tmp/x", "/dev/shm/x"):\n    with open(path, "wb", 0) as f:\n        while attempt(f.write, bytes(1 << 16)) == "allowed":\n            pass',
  ],
  [
    'all inodes of /tmp, again and again',
    'def inodes():\n    for n in range(100000):\n        open(f"/tmp/{n}", "w").close()\nspread(lambda: forever(inodes))',
  ],
  [
    'a disk that is written all the time',
    'def fill():\n    with open("/host/x", "wb", 0) as f:\n        for _ in range(80):\n            f.write(bytes(1 << 20))\n        os.fsync(f.fileno())\nspread(lambda: forever(fill))',
  ],
  [
    'a page cache full of the base',
    'def cache():\n    for at, _dirs, names in os.walk("/usr/lib"):\n        for n in names[:50]:\n            attempt(lambda: open(os.path.join(at, n), "rb").read(1 << 20))\nspread(lambda: forever(cache))',
  ],
  ['endless output', 'spread(lambda: forever(lambda: os.write(1, bytes(65536))))'],
  ['memory taken to just below the limit', 'gc.kept = [bytearray(b"x" * (1 << 20)) for _ in range(80)]'],
  [
    'forty thousand mappings',
    'import mmap\ngc.kept = []\nfor n in range(40000):\n    gc.kept.append(mmap.mmap(-1, 4096, prot=mmap.PROT_READ | (mmap.PROT_WRITE if n % 2 else 0)))',
  ],
  [
    'timers that fire all the time',
    'signal.signal(signal.SIGVTALRM, lambda *_: None)\nsignal.setitimer(signal.ITIMER_VIRTUAL, 0.001, 0.001)\nspread(lambda: forever(lambda: None))',
  ],
  [
    'files locked by each other',
    'import fcntl\nfor n in range(10):\n    def lock(n=n):\n        f = open("/host/l", "w")\n        fcntl.lockf(f, fcntl.LOCK_EX)\n        time.sleep(600)\n    spread(lock)',
  ],
  [
    'children waiting on futexes that nobody wakes',
    'for _ in range(10):\n    spread(lambda: threading.Lock().acquire() and threading.Event().wait())',
  ],
  [
    'children debuggable by nobody',
    'for _ in range(3):\n    spread(lambda: (linux.prctl(linux.PR_SET_DUMPABLE, 0), time.sleep(600)))',
  ],
];

interface Abused {
  sandbox: Sandbox;
  uid: string;
}

async function abused(source: string, limits: Partial<Limits> = {}): Promise<Abused> {
  const sandbox = await bench().sandbox(PROBE, 'abuser', { limits });
  // As long as it is one process: of many, which come and go, the one that is asked may just have gone.
  const uid = uidOf(sandbox);
  expect(await inside(sandbox, `${SPREAD}${source}\nr = "started"`)).toBe('started');
  return { sandbox, uid };
}

describe('destroying ends', () => {
  it.each(ABUSES)('%s, while idle', async (_what, source, limits) => {
    await goneWithDestroy(await abused(source, limits));
  });

  it.each(ABUSES)('%s, paused', async (_what, source, limits) => {
    const abuser = await abused(source, limits);
    await abuser.sandbox.pause();
    await bench().engine.memory(); // a round trip: the pause has been dealt with
    await goneWithDestroy(abuser);
  });

  it.each(ABUSES)('%s, during a call that has run out of time', async (_what, source, limits) => {
    const abuser = await abused(source, limits);
    const inFlight = ask(abuser.sandbox, 'signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\ntime.sleep(600)');
    await bench().engine.memory();
    await goneWithDestroy(abuser);
    expect(await inFlight).toEqual({ kind: 'ended', ending: { cause: 'destroyed' } });
  });
});
