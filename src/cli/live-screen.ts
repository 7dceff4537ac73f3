/**
 * A terminal's other screen, drawn again and again until somebody has seen enough.
 *
 * The terminal is in raw mode meanwhile, so ctrl-C and ctrl-Z arrive as bytes. Whatever ends it (a key, a
 * signal, an error while drawing), the terminal is as it was before anything else is written to it.
 */
import type { ReadStream } from 'node:tty';
import type { Caller, Output } from './caller.ts';

const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l';
const LEAVE = '\x1b[?7h\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const CLEAR_LINE = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';

/** For a terminal that does not know its size. */
const ROWS_WITHOUT_SIZE = 24;

/** q, Q, ctrl-C, ctrl-D. */
const ENOUGH = ['q', 'Q', '\x03', '\x04'];

export interface LiveScreenOptions {
  caller: Caller;
  intervalMs: number;
  /** The lines to show; asked again after each interval. */
  draw: () => Promise<string[]>;
}

/** Resolves with the signal that ended it, if one did. */
export async function showLive({ caller, intervalMs, draw }: LiveScreenOptions): Promise<NodeJS.Signals | undefined> {
  const { stdout } = caller;
  const end = new EndRequest(caller);
  stdout.write(ENTER);
  try {
    while (!end.asked) {
      const lines = await Promise.race([draw(), end.promise]);
      if (lines === undefined) break;
      stdout.write(frameOf(lines, stdout));
      await end.within(intervalMs);
    }
  } finally {
    end.close();
    stdout.write(LEAVE);
  }
  return end.signal;
}

/** No more lines than fit; longer ones are cut by the terminal, which does not wrap here. */
function frameOf(lines: readonly string[], stdout: Output): string {
  const rows = (stdout as { rows?: number }).rows || ROWS_WITHOUT_SIZE;
  const shown = lines.slice(0, rows).map((line) => `${line}${CLEAR_LINE}`);
  return `${HOME}${shown.join('\r\n')}${CLEAR_BELOW}`;
}

/** A key or a signal that says: enough. */
class EndRequest {
  asked = false;
  signal: NodeJS.Signals | undefined;
  /** Resolves when it is asked. */
  readonly promise: Promise<undefined>;
  readonly #stdin: Caller['stdin'];
  readonly #unlisten: () => void;
  #resolve!: (nothing: undefined) => void;

  constructor({ stdin, onSignal }: Caller) {
    this.promise = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#stdin = stdin;
    this.#unlisten = onSignal(['SIGINT', 'SIGTERM', 'SIGHUP'], (signal) => {
      this.signal = signal;
      this.#ask();
    });
    if (stdin.isTTY !== true) return;
    (stdin as ReadStream).setRawMode(true);
    stdin.on('data', this.#onKey);
    stdin.resume();
  }

  /** Resolves after so long, or when it is asked. */
  async within(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
    });
    await Promise.race([over, this.promise]);
    clearTimeout(timer);
  }

  close(): void {
    this.#unlisten();
    if (this.#stdin.isTTY !== true) return;
    this.#stdin.off('data', this.#onKey);
    (this.#stdin as ReadStream).setRawMode(false);
    this.#stdin.pause();
  }

  readonly #onKey = (keys: Buffer | string): void => {
    if (ENOUGH.some((key) => String(keys).includes(key))) this.#ask();
  };

  #ask(): void {
    this.asked = true;
    this.#resolve(undefined);
  }
}
