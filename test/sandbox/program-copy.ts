/** A copy of the sandbox's side of the program that a test may falsify, file by file. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const SRC = resolve(import.meta.dirname, '../../src');

export interface ProgramCopy {
  dir: string;
  /** Replaces a piece of text that must be there, in a file below src/. */
  falsify(file: string, before: string, after: string): void;
  remove(): void;
}

export function copyProgram(): ProgramCopy {
  const dir = mkdtempSync(join(tmpdir(), 'isla-program-'));
  for (const name of ['sandbox/sock', 'runtime']) cpSync(join(SRC, name), join(dir, name), { recursive: true });
  return {
    dir,
    falsify(file, before, after) {
      const text = readFileSync(join(dir, file), 'utf8');
      if (!text.includes(before)) throw new Error(`${file} does not hold: ${before}`);
      writeFileSync(join(dir, file), text.replaceAll(before, after));
    },
    remove: () => rmSync(dir, { recursive: true }),
  };
}
