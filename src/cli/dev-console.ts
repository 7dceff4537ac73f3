/** What `admin dev` shows: saves, calls and what they print, as they come. */
import { plainText } from '../lib/plain-text.ts';
import type { Output } from './caller.ts';
import type { Paint } from './terminal.ts';

/** A call that begins, as far as it is shown. */
export interface ShownStart {
  lambda: string;
}

/** What became of a call, as far as it is shown. */
export interface ShownCall {
  lambda: string;
  outcome: string;
  durationMs: number;
  errorType: string | undefined;
  run: { cold: boolean; initMs: number | undefined } | undefined;
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
  /** Lambdas that were there before, until it is known whether they load. */
  readonly #atStart: Set<string>;

  constructor(stdout: Output, { paint, atStart }: { paint: Paint; atStart: readonly string[] }) {
    this.#stdout = stdout;
    this.#paint = paint;
    this.#atStart = new Set(atStart);
  }

  onStart({ lambda }: ShownStart): void {
    this.#say(lambda, this.#paint('dim', 'called'));
  }

  onCall({ lambda, outcome, durationMs, errorType, run }: ShownCall): void {
    const good = outcome === 'result';
    const words = `${errorType ?? outcome} in ${durationMs.toFixed(1)} ms${coldWords(run)}`;
    this.#say(lambda, this.#paint(good ? 'green' : 'red', words));
  }

  onOutput({ lambda, stream, bytes, cut }: ShownOutput): void {
    const lines = bytes.toString('utf8').replace(/\n$/, '').split('\n').map(plainText);
    for (const line of lines) this.#say(lambda, stream === 'stderr' ? this.#paint('yellow', `| ${line}`) : `| ${line}`);
    if (cut) this.#say(lambda, this.#paint('dim', '| (cut here: more than output_kb was printed)'));
  }

  onLoad({ lambda, errorType, message }: ShownLoad): void {
    const saved = this.#atStart.delete(lambda) ? '' : 'saved: ';
    if (errorType === 'Lambda.NotFound') this.#say(lambda, 'deleted');
    else if (errorType === undefined) this.#say(lambda, `${saved}it loads`);
    else {
      const why = message === undefined ? errorType : `${errorType}: ${plainText(message)}`;
      this.#say(lambda, this.#paint('red', `${saved}it does not load: ${why}`));
    }
  }

  #say(lambda: string, words: string): void {
    const time = new Date().toTimeString().slice(0, 8);
    this.#stdout.write(`${this.#paint('dim', `${time} ${lambda}`)} ${words}\n`);
  }
}

function coldWords(run: ShownCall['run']): string {
  if (!run?.cold) return '';
  return run.initMs === undefined ? ', cold' : `, cold: ${run.initMs.toFixed(1)} ms to load`;
}
