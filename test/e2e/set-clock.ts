/** A clock that a test sets, for the programs of one cluster: nobody sets that of the machine. */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { cleanEnvironment } from './admin.ts';

/** Loaded before the program, in each of its threads. What a program measures by the monotonic clock is as it is. */
const SHIFT = `
import { readFileSync } from 'node:fs';
import { threadId } from 'node:worker_threads';
const { now } = Date;
const shiftMs = () => Number(readFileSync(process.env.ISLA_TEST_CLOCK, 'utf8'));
globalThis.Date = class extends Date {
  constructor(...given) {
    if (given.length === 0) super(now() + shiftMs());
    else super(...given);
  }
  static now() {
    return now() + shiftMs();
  }
};
`;

export interface SetClock {
  /** For the programs whose clock it is. */
  readonly env: NodeJS.ProcessEnv;
  /** From now on it is so much later than the machine's; negative for earlier. */
  set(shiftMs: number): void;
}

/** As late as the machine's until it is set. For one test. */
export function setClock(): SetClock {
  const dir = mkdtempSync(join(tmpdir(), 'isla-clock-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const [program, file] = [join(dir, 'shift.mjs'), join(dir, 'shift-ms')];
  writeFileSync(program, SHIFT);
  writeFileSync(file, '0');
  return {
    env: cleanEnvironment({ NODE_OPTIONS: `--import=file://${program}`, ISLA_TEST_CLOCK: file }),
    set: (shiftMs) => {
      // In one step: who reads half of it has another clock.
      writeFileSync(`${file}.next`, String(shiftMs));
      renameSync(`${file}.next`, file);
    },
  };
}
