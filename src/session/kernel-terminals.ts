/** Terminals beside a kernel, as its runner opens them (runtime/kernel/terminal.py): told apart by numbers of ours. */
import { deferred } from '../lib/deferred.ts';
import type { Pty, PtySize } from './kernel.ts';
import type { Ask } from './kernel-files.ts';

export type Say = (meta: Record<string, unknown>, body?: Uint8Array) => void;

/** Of a shell whose kernel has ended. */
const CUT_SHORT = 130;

export class Terminals {
  readonly #ask: Ask;
  readonly #say: Say;
  readonly #open = new Map<number, Terminal>();
  #numbers = 0;

  /** For the operations `pty-open`, and `pty-write`, `pty-resize`, `pty-hold` and `pty-close`. */
  constructor(ask: Ask, say: Say) {
    this.#ask = ask;
    this.#say = say;
  }

  async open({ rows, columns }: PtySize): Promise<Pty> {
    this.#numbers += 1;
    const number = this.#numbers;
    const terminal = new Terminal((op, meta, body) => this.#say({ op, pty: number, ...meta }, body));
    // Before the answer, which what it prints may overtake.
    this.#open.set(number, terminal);
    try {
      await this.#ask({ op: 'pty-open', pty: number, rows, columns });
    } catch (error) {
      this.#open.delete(number);
      throw error;
    }
    return terminal;
  }

  /** The runner's word: bytes of a terminal, or its exit code. */
  hear({ pty, exitCode }: Record<string, unknown>, bytes: Buffer): void {
    const terminal = this.#open.get(Number(pty));
    if (typeof exitCode !== 'number') {
      terminal?.hear(bytes);
      return;
    }
    this.#open.delete(Number(pty));
    terminal?.end(exitCode);
  }

  /** With their kernel. */
  end(): void {
    for (const terminal of this.#open.values()) terminal.end(CUT_SHORT);
    this.#open.clear();
  }
}

class Terminal implements Pty {
  readonly #say: (op: string, meta: Record<string, unknown>, body?: Uint8Array) => void;
  readonly #ended = deferred<number>();
  readonly ended = this.#ended.promise;
  #heard: Buffer[] = [];
  #hear: ((bytes: Buffer) => void) | undefined;

  constructor(say: (op: string, meta: Record<string, unknown>, body?: Uint8Array) => void) {
    this.#say = say;
  }

  write(bytes: Uint8Array): void {
    this.#say('pty-write', {}, bytes);
  }

  resize({ rows, columns }: PtySize): void {
    this.#say('pty-resize', { rows, columns });
  }

  onData(hear: (bytes: Buffer) => void): void {
    this.#hear = hear;
    for (const bytes of this.#heard.splice(0)) hear(bytes);
  }

  pause(): void {
    this.#say('pty-hold', { held: true });
  }

  resume(): void {
    this.#say('pty-hold', { held: false });
  }

  close(): void {
    this.#say('pty-close', {});
  }

  hear(bytes: Buffer): void {
    if (this.#hear === undefined) this.#heard.push(bytes);
    else this.#hear(bytes);
  }

  end(exitCode: number): void {
    this.#ended.resolve(exitCode);
  }
}
