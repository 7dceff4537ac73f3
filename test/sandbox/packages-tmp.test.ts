/** What packages write to /tmp when they are imported: their lambdas find it there, whoever has imported them. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { PackageSet } from '../../src/sandbox/sandbox.ts';
import { type Asked, resultOf } from './engine-fixture.ts';
import { type CacheBench, openCache } from './import-cache-fixture.ts';

let opened: CacheBench;
let sets: CacheBench['sets'];
let bench: CacheBench['bench'];
let cache: CacheBench['cache'];

beforeEach(async () => {
  opened = await openCache();
  ({ sets, bench, cache } = opened);
});
afterEach(() => opened.close());

/** Takes 300 ms to import. */
const SLOW = 'import os, time\ntime.sleep(0.3)\nBORN = time.monotonic()\n';
const LOOK = `
def look(place="/tmp"):
    found = {}
    for top, dirs, files in os.walk(place):
        for name in [*dirs, *files]:
            path = os.path.join(top, name)
            content = open(path).read()[:9] if name in files else None
            found[path] = [oct(os.stat(path).st_mode), os.stat(path).st_uid == os.getuid(), content]
    return found
`;
const WRITES = `${SLOW}
import tempfile
OWN = tempfile.mkdtemp(prefix="own-")
os.makedirs("/tmp/.cache/fonts/empty")
with open("/tmp/.cache/fonts/list", "w") as file:
    file.write("a list")
os.chmod("/tmp/.cache/fonts/list", 0o444)
open("/tmp/nothing", "w").close()
with open(OWN + "/count", "w") as file:
    file.write("0")
os.chmod("/tmp/.cache/fonts", 0o555)
${LOOK}`;
const HANDLER = `import writes
def handler(event):
    path = writes.OWN + "/count"
    count = int(open(path).read()) + 1
    open(path, "w").write(str(count))
    return [writes.BORN, count, writes.OWN, writes.look()]
`;

async function run(lambda: string, source: string, packages: PackageSet, asked: Asked = {}): Promise<unknown> {
  const sandbox = await bench.sandbox(source, lambda, { packages, engine: cache, ...asked });
  const result = await resultOf(sandbox);
  await sandbox.destroy();
  return result;
}

/** Starts the lambda until it starts from a zygote with so many packages; what it then says. */
async function runFromZygote(lambda: string, source: string, packages: PackageSet, count = 1, asked: Asked = {}) {
  await expect
    .poll(
      async () => {
        await run(lambda, source, packages, asked);
        return cache.imports().zygotes.map((one) => one.packages.length);
      },
      { timeout: 60_000 },
    )
    .toContain(count);
  const { hits } = cache.imports();
  const said = await run(lambda, source, packages, asked);
  expect(cache.imports().hits).toBe(hits + 1);
  return said as [number, number, string, Record<string, unknown>];
}

it('each has files and directories of its own, as it would have made them', async () => {
  const packages = sets.make({ writes: { writes: WRITES } });
  const [, , , alone] = (await run('a', HANDLER, packages)) as [number, number, string, Record<string, unknown>];
  const withoutOwn = (found: Record<string, unknown>) =>
    Object.entries(found).filter(([path]) => !path.startsWith('/tmp/own-'));
  const [born, count, own, found] = await runFromZygote('a', HANDLER, packages);
  expect(count).toBe(1);
  expect(withoutOwn(found)).toEqual(withoutOwn(alone));
  expect(found).toMatchObject({
    [own]: ['0o40700', true, null],
    '/tmp/.cache/fonts': ['0o40555', true, null],
    '/tmp/.cache/fonts/list': ['0o100444', true, 'a list'],
    '/tmp/nothing': ['0o100644', true, ''],
  });
  // What one has made of them is nobody else's.
  expect(await run('a', HANDLER, packages)).toEqual([born, 1, own, found]);
  expect(await run('a', HANDLER, packages, { limits: { tmp_mb: 1 } })).toEqual([born, 1, own, found]);
});

it('a zygote that is made from another finds what that has written, and adds to it', async () => {
  const after = `${SLOW}
with open("/tmp/.cache/fonts/list") as file:
    READ = file.read()
open("/tmp/added", "w").close()
`;
  const one = sets.make({ writes: { writes: WRITES } });
  const both = sets.make({ writes: { writes: WRITES }, after: { after } });
  await runFromZygote('a', HANDLER, one);
  const source = 'import writes, after\ndef handler(event):\n    return [after.READ, sorted(writes.look())]\n';
  const [read, found] = (await runFromZygote('b', source, both, 2)) as unknown as [string, string[]];
  expect(read).toBe('a list');
  expect(found).toEqual(expect.arrayContaining(['/tmp/.cache/fonts/empty', '/tmp/added', '/tmp/nothing']));
  const [leaf] = cache.imports().zygotes.filter(({ packages }) => packages.length === 2);
  expect(leaf?.added).toEqual(['after==1']);
});

it('there is room for it in the smallest /tmp', async () => {
  const source = `${SLOW}\nopen("/tmp/large", "w").write("x" * 1000_000)\n`;
  const packages = sets.make({ large: { large: source } });
  const handler = 'import large, os\ndef handler(event):\n    return os.stat("/tmp/large").st_size\n';
  const asked = { limits: { tmp_mb: 1 } };
  expect(await runFromZygote('a', handler, packages, 1, asked)).toBe(1_000_000);
});

it.each([
  ['a link', 'os.symlink("/etc/passwd", "/tmp/evil")', /it leaves behind \/tmp\/evil, which is no plain file/],
  ['a file under two names', 'open("/tmp/evil", "w").close()\nos.link("/tmp/evil", "/tmp/too")', /no plain file/],
  ['a fifo', 'os.mkfifo("/tmp/evil")', /\/tmp\/evil, which is no plain file/],
  ['a socket', 'import socket\nsocket.socket(socket.AF_UNIX).bind("/tmp/evil")', /\/tmp\/evil, which is no plain file/],
  ['more than it may', 'open("/tmp/evil", "w").write("x" * (1 << 20) + "x")', /\/tmp holds more than 1024 KiB/],
  ['too many', 'for n in range(65): open(f"/tmp/{n}", "w").close()', /more than 64 files in \/tmp/],
  ['a hole', 'with open("/tmp/evil", "w") as file: file.truncate(1 << 40)', /holds more than 1024 KiB/],
])('a package that leaves %s there is kept out, and the rest is not', async (_what, evil, reason) => {
  const packages = sets.make({ evil: { evil: `${SLOW}${evil}\n` }, writes: { writes: WRITES } });
  const source = 'import evil, writes\ndef handler(event):\n    return [writes.BORN, 1]\n';
  const [, count] = await runFromZygote('a', source, packages);
  expect(count).toBe(1);
  const { zygotes, kept_out } = cache.imports();
  expect(zygotes.map((one) => one.packages)).toEqual([['writes==1']]);
  expect(kept_out).toMatchObject([{ module: 'evil', reason: expect.stringMatching(reason) }]);
});
