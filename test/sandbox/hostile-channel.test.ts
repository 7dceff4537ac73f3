/**
 * What a handler can do with descriptor 3, its channel to the worker. Whoever breaks the protocol loses the
 * sandbox and nobody else anything; the worker keeps nothing of what was sent to it.
 */
import { readdirSync, statSync } from 'node:fs';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { ask, resultOf } from './engine-fixture.ts';
import { inside, isAlive, PROBE, useHostileBench } from './hostile-fixture.ts';

const bench = useHostileBench();
let neighbour: Sandbox;
beforeAll(async () => {
  neighbour = await bench().probe('neighbour');
});
afterEach(async () => {
  expect(await inside(neighbour, '1 + 1')).toBe(2);
  expect((await bench().engine.memory()).has(neighbour.id)).toBe(true);
});

/** `frame` makes one of ours, right or wrong; `say` writes bytes to the worker. */
const SPEAKING = `${PROBE}
GOOD = b'{"init_us":0,"run_us":1}'
def frame(body=b"1", meta=GOOD, kind=0x11, length=None, meta_length=None):
    head = struct.pack(">IBH", 2 + len(meta) + len(body) if length is None else length, kind, len(meta) if meta_length is None else meta_length)
    return head + meta + body
def say(data):
    while data:
        data = data[os.write(3, data):]
`;
const speaker = () => bench().sandbox(SPEAKING, 'speaker');

describe('a handler that breaks the protocol ends as lost, with the reason:', () => {
  it.each([
    ['a frame of four gigabytes', 'say(frame(length=0xffffffff))', 'announces 4294967295 bytes'],
    ['a frame one byte longer than the longest', 'say(frame(length=(256 << 10) + (256 << 10) + 1))', 'announces'],
    ['a frame of no bytes', 'say(frame(length=0))', 'announces 0 bytes'],
    ['a frame too short for its own meta', 'say(frame(meta_length=0xffff))', 'meta is 65535 bytes'],
    ['a kind that there is not', 'say(frame(kind=0))', 'frame kind 0'],
    ['a call, as if it were the worker', 'say(frame(kind=1))', 'frame kind 1'],
    ['a meta that is no JSON', 'say(frame(meta=b"{"))', 'no answer'],
    ['a meta that is null', 'say(frame(meta=b"null"))', 'no answer'],
    ['times that are words', `say(frame(meta=b'{"init_us":"a","run_us":[]}'))`, 'no numbers'],
    ['a meta nested 30,000 deep', 'say(frame(meta=b"[" * 30000))', 'no answer'],
    // More than one piece: the worker may have hung up before the last.
    ['random bytes', 'attempt(say, os.urandom(70000))', ''],
    ['HTTP', 'say(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")', 'announces'],
    ['half a frame, and an end', 'say(frame(b"x" * 1000)[:500])\nos.close(3)', 'closed its channel'],
    ['hanging up for writing', 'socket.socket(fileno=os.dup(3)).shutdown(socket.SHUT_WR)', 'closed its channel'],
    ['hanging up both ways', 'socket.socket(fileno=os.dup(3)).shutdown(socket.SHUT_RDWR)', ''],
  ])('%s', async (_what, source, reason) => {
    const sandbox = await speaker();
    await inside(sandbox, '1');
    const pids = bench().pidsOf(sandbox);
    const reply = await ask(sandbox, `${source}\ntime.sleep(600)`);
    expect(reply).toMatchObject({ kind: 'ended', ending: { cause: 'lost', reason: expect.stringContaining(reason) } });
    expect(pids).toHaveLength(1);
    expect(pids.filter(isAlive)).toEqual([]);
    expect(await ask(sandbox, '1')).toMatchObject({ kind: 'ended' });
  });
});

describe('answers nobody asked for', () => {
  it.each([
    ['two at once', 'say(frame(b\'"first"\') + frame(b\'"second"\'))\ntime.sleep(600)', 'first'],
    [
      'ten thousand at once',
      'threading.Thread(target=lambda: say(frame(b\'"first"\') * 10000)).start()\ntime.sleep(600)',
      'first',
    ],
    ['one before its own', 'say(frame(b\'"first"\'))\nr = "second"', 'first'],
  ])('%s: the first is the answer, and the sandbox ends', async (_what, source, answer) => {
    const sandbox = await speaker();
    expect(await resultOf(sandbox, source)).toBe(answer);
    await sandbox.ended;
    expect(await ask(sandbox, '1')).toMatchObject({ kind: 'ended' });
    expect((await bench().engine.memory()).has(sandbox.id)).toBe(false);
  });

  it('a whole one while idle ends the sandbox, so that no later call gets it', async () => {
    const sandbox = await speaker();
    await inside(sandbox, `threading.Timer(0.1, lambda: say(frame(b'"stale"'))).start()`);
    await sandbox.ended;
    expect(await ask(sandbox, '1')).toMatchObject({ kind: 'ended' });
  });
});

describe('an answer', () => {
  it('that comes byte by byte is as good as any', async () => {
    const sandbox = await speaker();
    expect(await resultOf(sandbox, 'for byte in frame(b\'"slow"\'):\n    say(bytes([byte]))\ntime.sleep(600)')).toBe(
      'slow',
    );
    await sandbox.destroy();
  });

  it('that never becomes whole is cut with the call', async () => {
    const sandbox = await speaker();
    const inFlight = ask(sandbox, 'say(frame(b"x" * 1000)[:500])\ntime.sleep(600)');
    const raced = await Promise.race([inFlight, bench().engine.memory()]);
    expect(raced).toBeInstanceOf(Map);
    await sandbox.destroy();
    expect(await inFlight).toEqual({ kind: 'ended', ending: { cause: 'destroyed' } });
  });

  it('that brings descriptors along leaves none in the worker', async () => {
    const sandbox = await speaker();
    // Only what was sent: the pool opens and closes channels of its own meanwhile.
    const nothing = statSync('/dev/null').rdev;
    const open = () =>
      readdirSync('/proc/self/fd').filter(
        (fd) => statSync(`/proc/self/fd/${fd}`, { throwIfNoEntry: false })?.rdev === nothing,
      ).length;
    await resultOf(sandbox, '1');
    const before = open();
    const source =
      'socket.send_fds(socket.socket(fileno=os.dup(3)), [frame(b\'"sent"\')], [os.open("/dev/null", 0) for _ in range(200)])\ntime.sleep(600)';
    expect(await resultOf(sandbox, source)).toBe('sent');
    expect(open()).toBe(before);
    await sandbox.destroy();
  });

  it('goes to whom it belongs when two sandboxes answer at once', async () => {
    const many = await Promise.all([speaker(), speaker(), speaker(), speaker()]);
    for (let round = 0; round < 20; round += 1) {
      const answers = await Promise.all(
        many.map((sandbox, n) => resultOf(sandbox, `time.sleep(0.002)\nr = ${n} * 1000 + ${round}`)),
      );
      expect(answers).toEqual(many.map((_sandbox, n) => n * 1000 + round));
    }
    await Promise.all(many.map((sandbox) => sandbox.destroy()));
  });
});

describe('a process that outlives its call', () => {
  it('has no channel if it is another program: nobody answers or holds the line for its sandbox', async () => {
    const sandbox = await speaker();
    const source =
      'os.system("(ls -l /proc/self/fd > /host/seen; exec sleep 600) &")\nwhile not os.path.exists("/host/seen") or not read("/host/seen"):\n    time.sleep(0.01)\nr = read("/host/seen")';
    const seen = (await resultOf(sandbox, source)) as string;
    expect(seen).toMatch(/ 2 -> /);
    expect(seen).not.toMatch(/socket:/);
    await sandbox.destroy();
  });

  it('can, as a fork, take an event of its own instance and answer it, and of no other', async () => {
    const sandbox = await speaker();
    const other = await bench().sandbox(SPEAKING, 'speaker');
    // The thief reads in the place of the first process, which is stopped from reading by a lock of its own.
    const steal =
      'pid = os.fork()\nif pid == 0:\n    while True:\n        os.read(3, 1 << 20)\n        say(frame(b\'"from a child"\'))\nsys.modules["isla_runtime.frames"].Channel.read = lambda self: time.sleep(600)';
    expect(await resultOf(sandbox, steal)).toBe(null);
    expect(await resultOf(other, '"from its own"')).toBe('from its own');
    expect(await resultOf(sandbox, '"never run"')).toBe('from a child');
    expect(await resultOf(other, '"from its own"')).toBe('from its own');
    await Promise.all([sandbox.destroy(), other.destroy()]);
  });
});
