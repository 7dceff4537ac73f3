/** Memory, taken in every way that there is one: the kernel ends who takes too much, or says no; a neighbour is not asked. */
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { ask, LIMITS } from './engine-fixture.ts';
import { inside, isAlive, useHostileBench } from './hostile-fixture.ts';

const bench = useHostileBench();
let neighbour: Sandbox;
beforeAll(async () => {
  neighbour = await bench().probe('neighbour');
  await inside(neighbour, 'gc.kept = bytearray(b"x" * (20 << 20))\nr = 1');
});
afterEach(async () => {
  expect(await inside(neighbour, 'gc.kept.count(b"x") == 20 << 20')).toBe(true);
});

const MIB = 'b"x" * (1 << 20)';

describe('a sandbox ends as out of memory when it takes', () => {
  it.each([
    ['all in one go', 'bytearray(b"x" * (1 << 30))'],
    ['a little at a time', `gc.kept = []\nwhile True:\n    gc.kept.append(bytearray(${MIB}))`],
    [
      'it in a child',
      `if os.fork() == 0:\n    kept = []\n    while True:\n        kept.append(bytearray(${MIB}))\nos.wait()`,
    ],
    [
      'it in many children, each a little',
      `for _ in range(20):\n    if os.fork() == 0:\n        kept = [bytearray(${MIB}) for _ in range(20)]\n        time.sleep(600)\ntime.sleep(5)`,
    ],
    [
      'it in many threads',
      `kept = []\ndef take():\n    for _ in range(20):\n        kept.append(bytearray(${MIB}))\nts = [threading.Thread(target=take) for _ in range(15)]\nfor t in ts:\n    t.start()\nfor t in ts:\n    t.join()`,
    ],
    [
      'it as a mapping shared with nobody',
      'import mmap\nm = mmap.mmap(-1, 1 << 30)\nfor at in range(0, 1 << 30, 4096):\n    m[at] = 1',
    ],
    ['it as a file without a name', 'fd = os.memfd_create("x")\nwhile True:\n    os.write(fd, bytes(1 << 20))'],
    [
      'it as System V shared memory',
      'libc.shmat.restype = ctypes.c_void_p\nlibc.shmat.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]\nat = libc.shmat(libc.shmget(0, 1 << 30, 0o600), None, 0)\nctypes.memset(at, 1, 1 << 30)',
    ],
    [
      'it as the stack of a program',
      'subprocess.run([sys.executable, "-c", "x = []\\nwhile True: x.append(bytearray(1 << 20))"])',
    ],
  ])('%s', async (_how, source) => {
    const sandbox = await bench().probe('taker');
    await inside(sandbox, '1');
    const pids = bench().pidsOf(sandbox);
    expect(await ask(sandbox, source)).toEqual({ kind: 'ended', ending: { cause: 'out-of-memory' } });
    expect(pids).toHaveLength(1);
    expect([...pids, ...bench().pidsOf(sandbox)].filter(isAlive)).toEqual([]);
  });
});

describe('a sandbox is told no, and lives, when it takes', () => {
  it.each([
    ['/tmp', 'f = open("/tmp/x", "wb", 0)\nwhile True:\n    f.write(bytes(1 << 20))', 'ENOSPC'],
    ['/dev/shm', 'f = open("/dev/shm/x", "wb", 0)\nwhile True:\n    f.write(bytes(1 << 20))', 'ENOSPC'],
    ['/host', 'f = open("/host/x", "wb", 0)\nwhile True:\n    f.write(bytes(1 << 20))', 'ENOSPC'],
    ['all of /host at once', 'os.posix_fallocate(os.open("/host/x", 66), 0, 1 << 40)', 'EFBIG|ENOSPC'],
    [
      'locked memory',
      'import mmap\nm = mmap.mmap(-1, 1 << 20)\nctypes.set_errno(0)\nlibc.mlock(ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(m))), ctypes.c_size_t(1 << 20))\nr = errno.errorcode[ctypes.get_errno()]',
      'ENOMEM|EPERM|EAGAIN',
    ],
    ['larger pipes than anybody may', 'import fcntl\na, b = os.pipe()\nfcntl.fcntl(b, 1031, 1 << 24)', 'EPERM'],
    ['one descriptor after the other', 'kept = []\nwhile True:\n    kept.append(os.dup(0))', 'EMFILE'],
    ['one process after the other', 'while True:\n    if os.fork() == 0:\n        time.sleep(600)', 'EAGAIN'],
    [
      'one thread after the other',
      'while True:\n    threading.Thread(target=lambda: time.sleep(600), daemon=True).start()',
      "RuntimeError: can't start new thread",
    ],
  ])('%s', async (_what, source, wanted) => {
    const sandbox = await bench().probe('taker');
    expect(await inside(sandbox, source)).toMatch(new RegExp(`^(${wanted})$`));
    expect(await inside(sandbox, '1 + 1')).toBe(2);
    const used = (await bench().engine.memory()).get(sandbox.id)!;
    expect(used).toBeLessThanOrEqual(LIMITS.memory_mb << 20);
    await sandbox.destroy();
  });
});

describe('what its sockets hold is limited with its memory: by', () => {
  it.each([
    [
      'TCP',
      `
server = socket.create_server(("127.0.0.1", 0))
def fill():
    pair = socket.create_connection(server.getsockname(), 1), server.accept()[0]
    held = sum(filled(sock) for sock in pair)
    return pair, lambda: held
def filled(sock):
    held = 0
    sock.setblocking(False)
    try:
        while True:
            held += sock.send(bytes(60_000))
    except OSError:
        return held`,
    ],
    [
      'UDP',
      `
def fill():
    sock = socket.socket(type=socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    sock.bind(("127.0.0.1", 0))
    sock.connect(sock.getsockname())
    sock.setblocking(False)
    for _ in range(200):
        sock.send(bytes(60_000))
    return sock, lambda: heard(sock)
def heard(sock):
    """Of what was sent: the rest found no room, which no sender is told."""
    held = 0
    try:
        while True:
            held += len(sock.recv(65_536))
    except OSError:
        return held`,
    ],
  ])('%s', async (_kind, fill) => {
    const sandbox = await bench().probe('taker');
    const take = `${fill}
kept = []
try:
    for _ in range(150):
        kept.append(fill())
except OSError:
    pass  # one that finds no memory at all
r = sum(held() for _sock, held in kept) >> 20`;
    const reply = await ask(sandbox, take);
    // Where it counts as memory (cgroup v2), who takes too much of it may end as with any other.
    if (reply.kind === 'ended') return expect(reply.ending).toEqual({ cause: 'out-of-memory' });
    const held = JSON.parse(String('body' in reply && reply.body)) as number;
    expect(held).toBeGreaterThan(0);
    expect(held).toBeLessThan(LIMITS.memory_mb);
    expect(await inside(sandbox, '1 + 1')).toBe(2);
    await sandbox.destroy();
  });
});
