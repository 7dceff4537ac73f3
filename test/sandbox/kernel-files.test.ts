/** Files of a session, from outside: nothing beyond its working directory is read or changed, whatever links are laid. */
import { Parser, type ReadEntry } from 'tar';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Kernel } from '../../src/session/kernel.ts';
import { type Bench, startBench } from './engine-fixture.ts';
import { run, startOn } from './kernel-fixture.ts';

let bench: Bench;
let kernel: Kernel;
beforeAll(async () => {
  bench = await startBench();
  kernel = await startOn(bench);
});
afterAll(async () => {
  await kernel.destroy();
  await bench.close();
});
beforeEach(() =>
  python(
    'import os, shutil\nfor n in os.listdir("."): shutil.rmtree(n) if os.path.isdir(n) and not os.path.islink(n) else os.unlink(n)',
  ),
);

async function python(code: string): Promise<string> {
  const { stdout, error } = await run(kernel, code);
  expect(error).toBeUndefined();
  return stdout;
}

/** What is in an archive: type, and text or where a link leads, by name. */
async function entriesOf(archive: Buffer): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const reading: Promise<void>[] = [];
  const onReadEntry = (entry: ReadEntry) => {
    reading.push(
      entry.concat().then((bytes) => {
        found[entry.path] = entry.type === 'File' ? bytes.toString() : `${entry.type} ${entry.linkpath ?? ''}`.trim();
      }),
    );
  };
  const parser = new Parser({ onReadEntry, strict: true });
  parser.end(archive);
  await Promise.all(reading);
  return found;
}

describe('files', () => {
  it('are written, listed, read as an archive, and removed', async () => {
    await kernel.files.write('a/b/über.txt', Buffer.from('text'));
    await kernel.files.write('/home/work/empty', Buffer.alloc(0));
    await kernel.files.write('a/b/über.txt', Buffer.from('newer'));
    expect(await python('print(open("a/b/über.txt").read(), os.path.getsize("empty"))')).toBe('newer 0\n');
    expect((await kernel.files.list('.')).map(({ filename, mode, size }) => [filename, mode, size])).toEqual([
      ['a', 'drwxr-xr-x', expect.any(Number)],
      ['empty', '-rw-r--r--', 0],
    ]);
    expect(await kernel.files.list('a/b/über.txt')).toMatchObject([
      { filename: 'über.txt', size: 5, mode: '-rw-r--r--' },
    ]);
    expect(await entriesOf(await kernel.files.read('a'))).toEqual({
      'a/': 'Directory',
      'a/b/': 'Directory',
      'a/b/über.txt': 'newer',
    });
    expect(await entriesOf(await kernel.files.read('a/b/über.txt'))).toEqual({ 'über.txt': 'newer' });
    await kernel.files.remove('a');
    expect((await kernel.files.list('.')).map(({ filename }) => filename)).toEqual(['empty']);
  });

  it.each(['../x', '/etc/passwd', 'a/../../x', '/home/workshop/x', '/home/work/../x', 'a\0b', 'a\ud800b'])(
    'refuses %j',
    async (path) => {
      await python('os.makedirs("a")');
      const { files } = kernel;
      for (const act of [files.list(path), files.read(path), files.remove(path), files.write(path, Buffer.from('x'))]) {
        await expect(act).rejects.toMatchObject({ code: 'path-invalid' });
      }
    },
  );

  it('are fetched without what would make them run as their new owner', async () => {
    await python('os.makedirs("d"); open("d/p", "w").write("p"); os.chmod("d/p", 0o6755); os.chmod("d", 0o3777)');
    const modes: (number | undefined)[] = [];
    const parser = new Parser({
      onReadEntry: (entry: ReadEntry) => modes.push(entry.mode) && entry.resume(),
      strict: true,
    });
    parser.end(await kernel.files.read('d'));
    expect(modes).toEqual([0o777, 0o755]);
  });

  it('are named when they are missing', async () => {
    await kernel.files.write('file', Buffer.from('x'));
    for (const path of ['none', 'none/below', 'file/below']) {
      for (const act of [kernel.files.list(path), kernel.files.read(path), kernel.files.remove(path)]) {
        await expect(act).rejects.toMatchObject({ code: 'file-missing', message: expect.stringContaining(path) });
      }
    }
  });

  it('are found through links inside, and not through those that lead out', async () => {
    await python(
      'os.makedirs("d/e"); open("d/f", "w").write("f")\n' +
        'for name, goal in {"in": "d", "d/up": "../d/f", "whole": "/home/work/d", "out": "/etc", "far": "d/e/../../../../tmp", "loop": "loop"}.items(): os.symlink(goal, name)',
    );
    expect((await kernel.files.list('in')).map(({ filename }) => filename)).toEqual(['e', 'f', 'up']);
    expect(await entriesOf(await kernel.files.read('d/up'))).toEqual({ up: 'f' });
    expect(await entriesOf(await kernel.files.read('whole/f'))).toEqual({ f: 'f' });
    for (const path of ['out', 'out/passwd', 'far', 'far/x', 'loop']) {
      await expect(kernel.files.read(path)).rejects.toMatchObject({ code: 'path-invalid' });
      await expect(kernel.files.write(path, Buffer.from('x'))).rejects.toMatchObject({ code: 'path-invalid' });
    }
    await expect(kernel.files.remove('out/passwd')).rejects.toMatchObject({ code: 'path-invalid' });
    await kernel.files.remove('out');
    expect(await entriesOf(await kernel.files.read('d'))).toMatchObject({ 'd/f': 'f', 'd/up': 'SymbolicLink ../d/f' });
  });

  it('are safe from who swaps directories for links meanwhile', async () => {
    await python(
      'import threading\nos.makedirs("real"); open("real/f", "w").write("mine"); os.makedirs("/tmp/theirs", exist_ok=True); open("/tmp/theirs/f", "w").write("theirs")\n' +
        'os.symlink("/tmp/theirs", "link"); os.symlink("real", "now"); stop = False\n' +
        'def swap():\n    n = 0\n    while not stop:\n        n += 1\n        os.symlink("real" if n % 2 else "/tmp/theirs", "next"); os.rename("next", "now")\n' +
        'threading.Thread(target=swap, daemon=True).start()',
    );
    const seen = new Set<string>();
    for (let n = 0; n < 200; n += 1) {
      await kernel.files.read('now/f').then(
        async (archive) => seen.add(Object.values(await entriesOf(archive)).join()),
        ({ code }) => seen.add(code),
      );
    }
    await python('stop = True');
    expect([...seen].filter((what) => what !== 'mine' && what !== 'path-invalid')).toEqual([]);
    expect(await python('print(open("/tmp/theirs/f").read())')).toBe('theirs\n');
  });

  it('that are no files do not stop anybody: pipes, sockets, trees without end', async () => {
    await python(
      'import socket\nos.mkfifo("pipe"); s = socket.socket(socket.AF_UNIX); s.bind("sock"); open("f", "w").write("f")\n' +
        'for n in range(3000): os.mkdir("deep"); os.chdir("deep")\nos.chdir("/home/work")',
    );
    await expect(kernel.files.read('.')).rejects.toMatchObject({ code: 'store-full' });
    await kernel.files.remove('deep');
    expect(await entriesOf(await kernel.files.read('.'))).toEqual({ './': 'Directory', './f': 'f' });
    expect((await kernel.files.list('.')).map(({ filename, mode }) => filename + mode[0])).toEqual([
      'f-',
      'pipep',
      'socks',
    ]);
  });

  it('larger than an answer may be are refused, and a full disk says so', async () => {
    await python('open("big", "wb").truncate(1 << 40)');
    await expect(kernel.files.read('big')).rejects.toMatchObject({ code: 'store-full' });
    await python(
      'os.unlink("big"); fd = os.open("fill", os.O_WRONLY | os.O_CREAT)\n' +
        'for size in (1 << 20, 4096):\n    try:\n        while os.write(fd, bytes(size)): pass\n    except OSError: pass\nos.close(fd)',
    );
    await expect(kernel.files.write('more', Buffer.alloc(4_000_000))).rejects.toMatchObject({ code: 'store-full' });
    expect((await kernel.files.list('.')).map(({ filename }) => filename)).toEqual(['fill']);
  });

  it('are at hand while a cell runs', async () => {
    const running = run(kernel, 'import time\nwhile not os.path.exists("go"): time.sleep(0.01)');
    await kernel.files.write('go', Buffer.from(''));
    expect(await running).toMatchObject({ exitCode: 0, error: undefined });
  });
});
