/** Packages that do harm where a zygote imports them: the import cache does without, and nobody else notices. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PackageSet } from '../../src/sandbox/sandbox.ts';
import { resultOf } from './engine-fixture.ts';
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

const SLOW = 'import time\ntime.sleep(0.3)\nBORN = time.monotonic()\n';
/** A sandbox has code. */
const IN_ZYGOTE = 'import os, socket, signal\nIN_ZYGOTE = not os.listdir("/handler")\n';
/** On the channel between a zygote and the spawner. */
const say = (word: string) =>
  `if IN_ZYGOTE:\n    channel = socket.socket(fileno=os.dup(10))\n    channel.send(b'${word}')\n    channel.close()\n`;
const atFork = (what: string) => `if IN_ZYGOTE:\n    os.register_at_fork(after_in_child=lambda: ${what})\n`;
const USES = 'import good, evil\ndef handler(e):\n    return [good.BORN, evil.BORN]\n';
const OTHER = 'import good\ndef handler(e):\n    return good.BORN\n';

async function run(lambda: string, source: string, packages: PackageSet): Promise<unknown> {
  const sandbox = await bench.sandbox(source, lambda, { packages, engine: cache });
  const result = await resultOf(sandbox);
  await sandbox.destroy();
  return result;
}

describe('a package that a zygote can not be trusted with is kept out, and nobody else notices: one that', () => {
  it.each([
    ['leaves a process', 'if os.fork() == 0:\n    time.sleep(99)\n', /leaves behind process/],
    [
      'hides a process',
      'import sys\nsys.modules["isla_runtime.findings"].unforkable = lambda files: []\nif os.fork() == 0:\n    time.sleep(99)\n',
      /its cgroup in .* holds \[\d+, \d+\]/,
    ],
    [
      'hides a thread',
      'import sys, threading\nsys.modules["isla_runtime.findings"].unforkable = lambda files: []\nif IN_ZYGOTE:\n    threading.Thread(target=time.sleep, args=[99], daemon=True).start()\n',
      /Threads is 2 instead of 1/,
    ],
    ['has its forks end', atFork('os._exit(1)'), /of its forks: .*it ended before it was ready/],
    ['has its forks hang', atFork('time.sleep(99)'), /of its forks: .*not ready after 10 s/],
    ['has its forks speak', atFork("os.write(10, b'5')"), /JSON that is no object/],
    [
      'makes no forks',
      'if IN_ZYGOTE:\n    os.register_at_fork(before=lambda: time.sleep(99))\n    import sys\n    sys.modules["isla_zygote.linux"].clone = lambda flags: time.sleep(99)\n',
      /did not answer for 10 s/,
    ],
    ['breaks what a zygote needs', 'if IN_ZYGOTE:\n    socket.socket.send = None\n', /TypeError: 'NoneType'/],
    [
      'tells the end of children that are not its own',
      `${Array.from({ length: 40 }, (_, slot) => say(`{"reaped": ${slot}, "status": 0}`)).join('')}`,
      /it said 'reaped' of/,
    ],
    ['tells the end of another zygote', say('{"reaped": "zygote-1", "status": 0}'), /it said 'reaped' of another/],
    ['says that it is ready, and goes on', say('{"ready": "3.11.2"}'), /descriptors is|a second time/],
    ['says what is no word', say('{"rejoice": 1}'), /'rejoice' is no word/],
    ['says what has no end', say('[[[[[[[['), /Expecting/],
    [
      'blames another',
      `${say('{"failed": "it is broken", "module": "good"}')}if IN_ZYGOTE:\n    time.sleep(99)\n`,
      /it is broken/,
    ],
    [
      'stops all that it sees',
      'if IN_ZYGOTE:\n    try:\n        os.kill(-1, signal.SIGKILL)\n    except ProcessLookupError:\n        os._exit(0)\n',
      /it died/,
    ],
  ])(
    '%s',
    async (_what, evil, reason) => {
      const good = sets.make({ good: { good: SLOW } });
      const both = sets.make({ good: { good: SLOW }, evil: { evil: `${SLOW}${IN_ZYGOTE}${evil}` } });
      const reasons = () =>
        cache
          .imports()
          .kept_out.map((one) => one.reason)
          .join('\n');
      await expect
        .poll(
          async () => {
            expect(await run('evil', USES, both)).toEqual([expect.any(Number), expect.any(Number)]);
            expect(await run('other', OTHER, good)).toEqual(expect.any(Number));
            return reasons();
          },
          { timeout: 60_000 },
        )
        .toMatch(reason);
      await expect
        .poll(
          async () => {
            const born = await run('other', OTHER, good);
            return born === (await run('other', OTHER, good));
          },
          { timeout: 30_000 },
        )
        .toBe(true);
      expect(await run('evil', USES, both)).toEqual([expect.any(Number), expect.any(Number)]);
      expect(cache.imports().zygotes.flatMap(({ packages }) => packages)).not.toContain('evil==1');
      expect(bench.logged.join()).not.toContain('the spawner died');
    },
    120_000,
  );
});

it('that no longer makes sandboxes is not started from any more', async () => {
  // As long as nobody looks: three sandboxes.
  const fading = `${SLOW}${IN_ZYGOTE}import sys\nlinux = sys.modules["isla_zygote.linux"]\nplain, made = linux.clone, []\n
def clone(flags):
    made.append(1)
    pid, pidfd = plain(flags)
    if pid == 0 and len(made) > 3:
        os._exit(1)
    return pid, pidfd\n
if IN_ZYGOTE:\n    linux.clone = clone\n`;
  const packages = sets.make({ evil: { evil: fading } });
  const uses = 'import evil\ndef handler(e):\n    return evil.BORN\n';
  await expect
    .poll(
      async () => {
        expect(await run('evil', uses, packages)).toEqual(expect.any(Number));
        return cache.imports().kept_out.map(({ reason }) => reason);
      },
      { timeout: 60_000 },
    )
    .toEqual([expect.stringMatching(/^of its forks: /)]);
  expect(cache.imports().zygotes).toEqual([]);
  await expect.poll(() => bench.engine.stats().zygotes, { timeout: 20_000 }).toBe(1);
});
