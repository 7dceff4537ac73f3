/** What `admin dev` shows: saves, calls and what they print, as they come. */
import { plainText } from '../lib/plain-text.ts';
import type { Output } from './caller.ts';
import type { Paint } from './terminal.ts';

/** What became of a call, as far as it is shown. */
export interface ShownCall {
  lambda: string;
  outcome: string;
  durationMs: number;
  errorType: string | undefined;
  run: { cold: boolean; initMs: number } | undefined;
}

/** What became of code that was saved. */
export interface ShownLoad {
  lambda: string;
  /** Undefined if it loads. */
  errorType: string | undefined;
  /** Why not, unless the code has printed that itself. */
  message: string | undefined;
}

export interface ShownOutput {
  lambda: string;
  stream: 'stdout' | 'stderr';
  bytes: Buffer;
  cut: boolean;
}

export class DevConsole {
  readonly #stdout: Output;
  readonly #paint: Paint;

  constructor(stdout: Output, paint: Paint) {
    this.#stdout = stdout;
    this.#paint = paint;
  }

  onCall({ lambda, outcome, durationMs, errorType, run }: ShownCall): void {
    const good = outcome === 'result';
    const cold = run?.cold ? `, cold: ${run.initMs.toFixed(1)} ms to load` : '';
    const words = `${errorType ?? outcome} in ${durationMs.toFixed(1)} ms${cold}`;
    this.#say(lambda, this.#paint(good ? 'green' : 'red', words));
  }

  onOutput({ lambda, stream, bytes, cut }: ShownOutput): void {
    const lines = bytes.toString('utf8').replace(/\n$/, '').split('\n').map(plainText);
    for (const line of lines) this.#say(lambda, stream === 'stderr' ? this.#paint('yellow', `| ${line}`) : `| ${line}`);
    if (cut) this.#say(lambda, this.#paint('dim', '| (cut here: more than output_kb was printed)'));
  }

  onLoad({ lambda, errorType, message }: ShownLoad): void {
    if (errorType === undefined) this.#say(lambda, 'saved: it loads');
    else {
      const why = message === undefined ? errorType : `${errorType}: ${plainText(message)}`;
      this.#say(lambda, this.#paint('red', `saved: it does not load: ${why}`));
    }
  }

  #say(lambda: string, words: string): void {
    const time = new Date().toTimeString().slice(0, 8);
    this.#stdout.write(`${this.#paint('dim', `${time} ${lambda}`)} ${words}\n`);
  }
}
