/** What package code may take while a zygote imports it: as much as a lambda may at most, children not counted. */
import { existsSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { markerOf } from '../../src/sandbox/worker-marker.ts';
import { cgroupPoints, groupsOf, pidsIn } from './cgroup-view.ts';
import { type Bench, resultOf, startBench } from './engine-fixture.ts';
import { copyProgram, type ProgramCopy } from './program-copy.ts';
import { armFault, disarmFault, plantFault } from './zygote-fault.ts';

const HELLO = 'def handler(e):\n    return "hello"\n';
const CEILINGS = { memory_mb: 192, procs: 40 };

let program: ProgramCopy;
let bench: Bench;
let marker = '';
beforeEach(() => {
  program = copyProgram();
});
afterEach(async () => {
  await bench.close();
  program.remove();
  expect(groupsOf(marker)).toEqual([]);
});

async function start(limitsMax = CEILINGS): Promise<void> {
  bench = await startBench({ programDir: program.dir, poolSize: 0, limitsMax });
  marker = markerOf(bench.dir);
}

function killZygote(): void {
  process.kill(pidsIn(marker, 'zygote-0')[0] as number, 'SIGKILL');
}

describe('a zygote that takes too much when it starts', () => {
  it.each([
    ['memory', 'x = b"x" * (256 << 20)', 'it ran out of memory: it may have 192 MB'],
    [
      'memory, in many processes',
      '[(os.fork() or (bytearray(b"x") * (16 << 20), select.select([], [], []))) for _ in range(20)]; os.wait(); sys.exit(1)',
      'it ran out of memory: it may have 192 MB',
    ],
    [
      'memory, as a file',
      'linux.mount("x", "/tmp", "tmpfs", 0); open("/tmp/x", "wb").write(b"x" * (100 << 20)); open("/tmp/y", "wb").write(b"x" * (100 << 20))',
      'it ran out of memory: it may have 192 MB',
    ],
    ['processes', '[os.fork() or select.select([], [], []) for _ in range(200)]', 'Resource temporarily unavailable'],
  ])('is ended, the reason is told, and the next one serves: %s', async (_what, fault, reason) => {
    plantFault(program, fault);
    await start();
    armFault(bench);
    killZygote();
    const failure = await bench.sandbox(HELLO).catch((error: Error) => error.message);
    expect(failure).toContain(': find a zygote: ');
    expect(failure).toContain(reason);
    await expect.poll(() => bench.logged.join('\n')).toMatch(new RegExp(`a zygote ended .*"zygote":1.*${reason}`));
    disarmFault(bench);
    const served = () => bench.sandbox(HELLO).then(resultOf, () => 'refused');
    await expect.poll(served, { timeout: 30_000 }).toBe('hello');
  });
});

describe('a zygote', () => {
  it('may have as many children as there is room for: what they take of it is not its own', async () => {
    const [memory_mb, children] = [16, 60];
    await start({ ...CEILINGS, memory_mb });
    const limits = { memory_mb };
    const sandboxes = await Promise.all(
      Array.from({ length: children }, () => bench.sandbox(HELLO, 'probe', { limits })),
    );
    for (const sandbox of sandboxes) expect(await resultOf(sandbox)).toBe('hello');
    expect(memoryOf('zygote-0')).toBeGreaterThan(memory_mb << 20);
    expect(bench.logged).toEqual([]);
  });
});

/** Charged to a group, in bytes. */
function memoryOf(group: string): number {
  const files = cgroupPoints()
    .flatMap((point) =>
      ['memory.usage_in_bytes', 'memory.current'].map((name) => `${point}/${marker}/${group}/${name}`),
    )
    .filter((file) => existsSync(file));
  return Number(readFileSync(files[0] as string, 'utf8'));
}
