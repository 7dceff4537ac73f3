/** Lines that were typed into shells, of one language, from one shell to the next. */
import { mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { writeFileAtomic } from '../../lib/atomic-write.ts';
import { errnoOf } from '../../lib/errno.ts';
import type { Caller } from '../caller.ts';

export class HistoryFile {
  readonly #path: string | undefined;

  /** As the XDG base directories have it; without a home there is none. */
  constructor({ XDG_STATE_HOME, HOME }: Caller['env'], language: string) {
    const state = XDG_STATE_HOME || (HOME ? join(HOME, '.local', 'state') : undefined);
    const name = language.replace(/[^\w.-]/g, '_');
    this.#path = state === undefined ? undefined : join(state, 'isla', `history-${name}`);
  }

  /** The last line first. */
  read(): string[] {
    if (this.#path === undefined) return [];
    try {
      return readFileSync(this.#path, 'utf8').split('\n').filter(Boolean).reverse();
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return []; // None yet, or not ours to read: a shell does without.
    }
  }

  write(lines: readonly string[]): void {
    if (this.#path === undefined) return;
    try {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      writeFileAtomic(this.#path, `${[...lines].reverse().join('\n')}\n`, 0o600);
    } catch (error) {
      if (errnoOf(error) === undefined) throw error; // A home that can not be written has no history.
    }
  }
}
