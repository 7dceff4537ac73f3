/** How far long work is: one line that is written over and over, where somebody sees it. */
import type { Caller, Output } from './caller.ts';
import { mebibytes } from './terminal.ts';

/** On a terminal, and not where its output is a record: in CI, on a dumb one, or for whoever wants plain text. */
export function wantsProgress(stream: Output, env: Caller['env']): boolean {
  if (stream.isTTY !== true || env.TERM === 'dumb') return false;
  return !isSet(env.NO_COLOR) && (!isSet(env.CI) || env.CI === 'false');
}

export class Progress {
  readonly #stream: Output;
  /** Whether somebody sees it. */
  readonly wanted: boolean;
  #shown = '';

  constructor({ stderr, env }: Pick<Caller, 'stderr' | 'env'>) {
    this.#stream = stderr;
    this.wanted = wantsProgress(stderr, env);
  }

  show(line: string): void {
    if (!this.wanted || line === this.#shown) return;
    this.#shown = line;
    this.#stream.write(`\r${line}\x1b[K`);
  }

  clear(): void {
    if (this.#shown !== '') this.#stream.write('\r\x1b[K');
    this.#shown = '';
  }
}

/** How many bytes are there, and of how many if anybody knows. */
export function howMuch(bytes: number, of: number | undefined): string {
  return of === undefined ? mebibytes(bytes) : `${mebibytes(bytes)} of ${mebibytes(of)}`;
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '';
}
