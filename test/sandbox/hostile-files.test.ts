/** What a handler can do with its own files to those outside who look at them: links, races, descriptors, odd names. */
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { inside, isAlive, useHostileBench } from './hostile-fixture.ts';

const bench = useHostileBench();
let sandbox: Sandbox;
let outside: string;
let secret: string;
beforeAll(() => {
  outside = mkdtempSync(join(tmpdir(), 'isla-outside-'));
  secret = join(outside, 'secret');
});
afterAll(() => rmSync(outside, { recursive: true }));
beforeEach(async () => {
  writeFileSync(secret, 'of the host', { mode: 0o644 });
  sandbox = await bench().probe('filer');
});

/** Ends the sandbox and shows that neither the host's file nor anything of the sandbox's is touched or left. */
async function endCleanly(): Promise<void> {
  const pids = bench().pidsOf(sandbox);
  await sandbox.destroy();
  expect(pids.filter(isAlive)).toEqual([]);
  expect(readdirSync(join(bench().dir, 'handlers'))).not.toContain('filer');
  expect(readFileSync(secret, 'utf8')).toBe('of the host');
  expect(readdirSync(outside)).toEqual(['secret']);
  const next = await bench().probe('filer');
  expect(await inside(next, 'sorted(os.listdir("/host"))')).toEqual(['server_pipe', 'stderr', 'stdout']);
  await next.destroy();
}

describe('links', () => {
  it.each([
    ['server_pipe, while it serves', 'os.unlink("/host/server_pipe")\nos.symlink(SECRET, "/host/server_pipe")'],
    ['server_pipe, by a pipe that blocks', 'os.unlink("/host/server_pipe")\nos.mkfifo("/host/server_pipe")'],
    [
      'server_pipe, by a socket of its own',
      'os.unlink("/host/server_pipe")\ns = socket.socket(socket.AF_UNIX)\ns.bind("/host/server_pipe")\ns.listen()\ngc.kept = s',
    ],
    ['stdout', 'os.unlink("/host/stdout")\nos.symlink(SECRET, "/host/stdout")\nprint("to the secret", flush=True)'],
    [
      'stderr, by a pipe that blocks',
      'os.unlink("/host/stderr")\nos.mkfifo("/host/stderr")\nprint("x", file=sys.stderr, flush=True)',
    ],
    [
      'everything, by links to directories of the host',
      'for name in os.listdir("/host"):\n    os.unlink("/host/" + name)\nfor name in ("server_pipe", "stdout", "stderr", "a", "b"):\n    os.symlink(os.path.dirname(SECRET), "/host/" + name)',
    ],
  ])('in place of %s change nothing outside', async (_what, source) => {
    expect(await inside(sandbox, `SECRET = ${JSON.stringify(secret)}\n${source}\nr = "done"`)).toBe('done');
    expect(await inside(sandbox, '1 + 1')).toBe(2);
    await endCleanly();
  });

  it.each([
    ['a hard link to a program', 'attempt(os.link, "/usr/bin/env", "/host/env")', /^(EXDEV|EPERM|EACCES)$/],
    [
      'a hard link to its own code',
      'attempt(os.link, "/handler/lambda_func.py", "/host/code")',
      /^(EXDEV|EPERM|EACCES)$/,
    ],
    [
      'a hard link to a file it may write elsewhere',
      'open("/tmp/x", "w")\nr = attempt(os.link, "/tmp/x", "/host/x")',
      /^EXDEV$/,
    ],
    [
      'a rename out of its scratch',
      'open("/host/x", "w")\nr = attempt(os.rename, "/host/x", "/handler/x")',
      /^(EXDEV|EACCES|EROFS)$/,
    ],
    ['a rename of the mount point', 'attempt(os.rename, "/host", "/tmp/host")', /^(EXDEV|EACCES|EROFS|EBUSY)$/],
    [
      'an exchange with a mount point',
      'os.mkdir("/tmp/d")\nr = call(316 if os.uname().machine == "x86_64" else 276, -100, b"/tmp/d\\0", -100, b"/dev/shm\\0", 2)',
      /^(EXDEV|EACCES|EROFS|EBUSY)$/,
    ],
  ])('%s is refused', async (_what, source, wanted) => {
    expect(await inside(sandbox, source)).toMatch(wanted);
    await endCleanly();
  });
});

describe('races', () => {
  it.each([
    ['a symbolic link', 'os.symlink(SECRET, "/host/swap")'],
    ['a directory of its own', 'os.mkdir("/host/swap")'],
    ['a pipe', 'os.mkfifo("/host/swap")'],
  ])('swapping server_pipe and %s in a loop while others come and this one ends', async (_what, make) => {
    const swap =
      `SECRET = ${JSON.stringify(secret)}\n${make}\n` +
      'def swapping():\n    while True:\n        call(316 if os.uname().machine == "x86_64" else 276, -100, b"/host/swap\\0", -100, b"/host/server_pipe\\0", 2)\n' +
      'threading.Thread(target=swapping, daemon=True).start()\ntime.sleep(0.05)\nr = "swapping" if stat.S_ISSOCK(os.lstat("/host/swap").st_mode) or any(stat.S_ISSOCK(os.lstat("/host/swap").st_mode) for _ in range(100000)) else "not"';
    expect(await inside(sandbox, swap)).toBe('swapping');
    for (let round = 0; round < 3; round += 1) {
      const other = await bench().probe('filer');
      expect(await inside(other, '1 + 1')).toBe(2);
      await other.destroy();
    }
    await endCleanly();
  });

  it('files made and removed by ten threads while it is being ended', async () => {
    const source =
      'def churn(n):\n    while True:\n        os.makedirs(f"/host/{n}/a/b", exist_ok=True)\n        open(f"/host/{n}/a/b/c", "w").close()\n        os.rename(f"/host/{n}/a", f"/host/{n}/x{time.monotonic_ns()}")\n' +
      'for n in range(10):\n    threading.Thread(target=churn, args=(n,), daemon=True).start()\ntime.sleep(0.2)';
    await inside(sandbox, source);
    await endCleanly();
  });
});

describe('odd files', () => {
  it.each([
    [
      'names of every byte',
      'for n in range(1, 256):\n    if n not in (46, 47):\n        open(b"/host/" + bytes([n]), "w").close()',
    ],
    ['names of 255 bytes', 'for n in range(50):\n    open("/host/" + str(n).zfill(3) + "x" * 252, "w").close()'],
    [
      'a tree 1,200 deep',
      'os.chdir("/host")\nfor _ in range(1200):\n    os.mkdir("d" * 60)\n    os.chdir("d" * 60)\nos.chdir("/")',
    ],
    [
      'modes of 000',
      'os.makedirs("/host/a/b")\nopen("/host/a/b/c", "w").close()\nos.chmod("/host/a/b/c", 0)\nos.chmod("/host/a/b", 0)\nos.chmod("/host/a", 0)\nos.chmod("/host", 0)',
    ],
    ['its own root given away to everybody', 'os.chmod("/host", 0o777)\nos.umask(0)\nopen("/host/x", "w").close()'],
    [
      'as many inodes as there are',
      'n = 0\ntry:\n    while True:\n        open(f"/host/{n}", "w").close()\n        n += 1\nexcept OSError as e:\n    assert name(e) == "ENOSPC"',
    ],
    [
      'a file of a terabyte with nothing in it',
      'with open("/host/sparse", "wb") as f:\n    attempt(f.truncate, 1 << 40)',
    ],
    [
      'locks, leases and notices on its own files',
      'import fcntl\nf = open("/host/l", "w")\nfcntl.lockf(f, fcntl.LOCK_EX)\nattempt(fcntl.fcntl, f, fcntl.F_SETLEASE, fcntl.F_WRLCK)\ngc.kept = f',
    ],
    [
      'files that are open and have no name any more',
      'gc.kept = [os.open("/host", os.O_TMPFILE | os.O_RDWR) for _ in range(100)]\nfor fd in gc.kept:\n    os.write(fd, bytes(1 << 16))',
    ],
    [
      'a mapping that it still writes to',
      'import mmap\nf = open("/host/m", "w+b")\nf.truncate(1 << 24)\ngc.kept = mmap.mmap(f.fileno(), 1 << 24)\ngc.kept[:] = b"x" * (1 << 24)\ndef go():\n    while True:\n        gc.kept[0] = (gc.kept[0] + 1) % 256\nthreading.Thread(target=go, daemon=True).start()',
    ],
    [
      'extended attributes and flags',
      'open("/host/x", "w")\nr = [attempt(os.setxattr, "/host/x", "trusted.x", b"1"), attempt(os.setxattr, "/host/x", "security.capability", bytes.fromhex("0100000200000000000000000000000000000000"))]',
    ],
    [
      'a working directory inside it, of many processes',
      'os.mkdir("/host/w")\nfor _ in range(10):\n    if os.fork() == 0:\n        os.chdir("/host/w")\n        signal.pause()',
    ],
  ])('%s are gone with their sandbox', async (_what, source) => {
    expect(await inside(sandbox, `${source}\nr = "done"`)).toBe('done');
    await endCleanly();
  });

  it('a file of the attributes that would make it immortal can not be made', async () => {
    const source =
      'import fcntl\nopen("/host/x", "w").close()\nr = attempt(fcntl.ioctl, os.open("/host/x", 0), 0x40086602, struct.pack("L", 0x10))';
    expect(await inside(sandbox, source)).toMatch(/^(EPERM|ENOTTY|EOPNOTSUPP)$/);
    expect(
      await inside(
        sandbox,
        'attempt(os.setxattr, "/host/x", "security.capability", bytes.fromhex("0100000200000000000000000000000000000000"))',
      ),
    ).toMatch(/^(EPERM|EOPNOTSUPP|EACCES)$/);
    await endCleanly();
  });
});

describe('what a handler leaves for people to read', () => {
  it('are a socket, and two outputs that hold no more than they may', async () => {
    await inside(
      sandbox,
      'for _ in range(200):\n    os.write(1, b"x" * 65536) if attempt(os.write, 1, b"y") == "allowed" else None',
    );
    const dir = join(bench().dir, 'handlers/filer', readdirSync(join(bench().dir, 'handlers/filer'))[0]!);
    expect(lstatSync(join(`${dir}/`, 'server_pipe')).isSocket()).toBe(true);
    expect(readFileSync(join(dir, 'stdout')).length).toBeLessThanOrEqual(256 << 10);
    await endCleanly();
  });
});
