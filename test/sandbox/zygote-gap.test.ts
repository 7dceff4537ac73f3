/** Between the end of a zygote and its successor: whoever needs one waits, and is refused only if there will be none. */
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { markerOf } from '../../src/sandbox/worker-marker.ts';
import { groupsOf, pidsIn, spawnerOf } from './cgroup-view.ts';
import { ask, type Bench, resultOf, startBench } from './engine-fixture.ts';
import { copyProgram, type ProgramCopy } from './program-copy.ts';
import { armFault, disarmFault, plantFault } from './zygote-fault.ts';

const HELLO = 'def handler(e):\n    return "hello"\n';
const CLIENTS = 8;
const KILLS = 12;

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

async function start(poolSize: number): Promise<void> {
  bench = await startBench({ programDir: program.dir, poolSize });
  marker = markerOf(bench.dir);
}

describe('a zygote that is killed again and again under concurrent cold calls', () => {
  it.each([0, 4])(
    'costs no call that had not begun (pool of %i)',
    async (poolSize) => {
      await start(poolSize);
      const spawner = spawnerOf(marker);
      const killed = new Set<number>();
      let answered = 0;
      const client = async () => {
        while (killed.size < KILLS) {
          const sandbox = await bench.sandbox(HELLO);
          const reply = await ask(sandbox);
          if (reply.kind === 'result') answered += 1;
          else expect(NOT_BEGUN_OR_LOST).toContainEqual(reply);
          // In the middle of what the others do, at another point of it each time.
          if (answered % (CLIENTS + 1) === 0) killZygoteOf(sandbox.id, killed);
          await sandbox.destroy();
        }
      };
      await Promise.all(Array.from({ length: CLIENTS }, client));
      expect(await resultOf(await bench.sandbox(HELLO))).toBe('hello');
      await expect.poll(() => bench.logged.length).toBe(KILLS);
      expect(bench.logged.filter((line) => !/^a zygote ended .*"it died"/.test(line))).toEqual([]);
      expect(spawnerOf(marker)).toBe(spawner);
    },
    120_000,
  );
});

/** What is told of an event that has not begun, which the worker sends to another sandbox, and of one that may have. */
const NOT_BEGUN_OR_LOST = ['not-started', 'lost'].map((cause) => ({
  kind: 'ended',
  ending: { cause, reason: 'its zygote died' },
}));

/** It is ready, or there were no such sandbox. */
function killZygoteOf(sandbox: string, killed: Set<number>): void {
  const zygote = zygoteOf(sandbox);
  if (zygote === undefined || killed.has(zygote)) return;
  killed.add(zygote);
  process.kill(zygote, 'SIGKILL');
}

/** Undefined if the sandbox ends just now. */
function zygoteOf(sandbox: string): number | undefined {
  try {
    const status = readFileSync(`/proc/${pidsIn(marker, sandbox)[0]}/status`, 'utf8');
    return Number(/^PPid:\s+(\d+)/m.exec(status)?.[1]) || undefined;
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toMatch(/^(ENOENT|ENODEV|ESRCH)$/);
    return undefined;
  }
}

describe('a zygote that does not start', () => {
  it.each([
    ['because it ends', 'sys.exit("injected into the start")', 'injected into the start'],
    ['nor end', 'select.select([], [], [])', 'the zygote was not ready after 20 s'],
  ])(
    'is told to all who wait for it, and they are served again when one does: %s',
    async (_why, fault, reason) => {
      plantFault(program, fault);
      await start(0);
      armFault(bench);
      process.kill(pidsIn(marker, 'zygote-0')[0] as number, 'SIGKILL');
      const said = await Promise.all(
        Array.from({ length: CLIENTS }, () => bench.sandbox(HELLO).catch((error: Error) => error.message)),
      );
      expect(said).toEqual(said.map(() => expect.stringContaining(`: find a zygote: ${reason}`)));
      disarmFault(bench);
      const served = () => bench.sandbox(HELLO).then(resultOf, () => 'refused');
      await expect.poll(served, { timeout: 30_000 }).toBe('hello');
    },
    60_000,
  );
});
