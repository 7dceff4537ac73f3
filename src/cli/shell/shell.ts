/** A session's shell on a terminal: cells are typed and run, and what they say is shown as it comes. */
import { ProblemError } from '../../client/problem.ts';
import type { Run } from '../../client/run.ts';
import type { Session } from '../../client/session.ts';
import { Failure } from '../../config/failure.ts';
import { plainText } from '../../lib/plain-text.ts';
import type { Caller } from '../caller.ts';
import { problemWords } from '../problem-words.ts';
import type { Paint } from '../terminal.ts';
import { isWholeCell } from './cell-end.ts';
import { Keyboard, type Typed } from './keyboard.ts';
import type { RunOutput } from './run-output.ts';

export interface ShellOptions {
  caller: Caller;
  paint: Paint;
  session: Session;
  /** Its id, such as `python`. */
  language: string;
  /** The last line first. */
  history: string[];
  output: RunOutput;
}

const MORE = '... ';
const WORDS_TO_LEAVE = new Set(['exit', 'quit', 'exit()', 'quit()']);

export class Shell {
  readonly #options: ShellOptions;
  readonly #keyboard: Keyboard;
  readonly #output: RunOutput;
  readonly #prompt: string;
  /** Of the cell that is being typed. */
  #lines: string[] = [];
  #run: Run | undefined;
  /** How often the run at hand was interrupted. */
  #interrupts = 0;
  #leaves = new AbortController();

  constructor(options: ShellOptions) {
    this.#options = options;
    const { caller, language, history } = options;
    const { stdin, stdout } = caller;
    this.#prompt = language === 'python' ? '>>> ' : `${plainText(language)}> `;
    this.#output = options.output;
    this.#keyboard = new Keyboard({
      stdin,
      stdout,
      history,
      complete: (line) => this.#complete(line),
      onInterrupt: () => this.#interrupt(),
      onQuit: () => this.#leaves.abort(LEFT),
    });
  }

  /** Until whoever types leaves, or the session is no more. Resolves to what was typed, for the history. */
  async run(): Promise<readonly string[]> {
    try {
      for (;;) {
        const cell = await this.#readCell();
        if (cell === undefined || WORDS_TO_LEAVE.has(cell.trim())) break;
        if (cell.trim() !== '' && !(await this.#runCell(cell))) break;
      }
      return this.#keyboard.history;
    } finally {
      this.#keyboard.close();
    }
  }

  /** From outside, such as by a signal. What runs goes on. */
  leave(): void {
    this.#leaves.abort(LEFT);
    this.#keyboard.giveUp();
  }

  async #readCell(): Promise<string | undefined> {
    this.#lines = [];
    for (;;) {
      const isFirst = this.#lines.length === 0;
      const typed = await this.#keyboard.line(isFirst ? this.#prompt : MORE);
      if (typed.kind === 'end') {
        this.#options.caller.stdout.write('\n');
        return undefined;
      }
      if (typed.kind === 'interrupt') {
        if (isFirst && !typed.hadText) this.#say('ctrl-D leaves the shell');
        this.#lines = [];
        continue;
      }
      this.#lines.push(typed.text);
      if (!typed.pasted && isWholeCell(this.#options.language, this.#lines)) return this.#lines.join('\n');
    }
  }

  /** False if there is no point in another one. */
  async #runCell(code: string): Promise<boolean> {
    this.#interrupts = 0;
    this.#run = this.#options.session.start(code, {
      signal: this.#leaves.signal,
      onItem: (item, display) => this.#output.show(item, display),
      onInput: (request) => this.#input(request),
      onConnection: (state) => this.#say(state === 'lost' ? 'the connection broke; trying again' : 'connected again'),
    });
    try {
      const { exitCode } = await this.#run.result;
      this.#output.finish();
      return exitCode === 0 || (await this.#isThere());
    } catch (error) {
      this.#output.finish();
      if (error === LEFT) return false;
      if (!(error instanceof ProblemError) && !(error instanceof Failure)) throw error;
      if (!(await this.#isThere())) return false;
      this.#say(error instanceof ProblemError ? problemWords(error) : plainText(error.message));
      return true;
    } finally {
      this.#run = undefined;
      this.#keyboard.giveUp();
    }
  }

  /** Whether the session is; if not, that is said, and why. */
  async #isThere(): Promise<boolean> {
    try {
      await this.#options.session.info();
      return true;
    } catch (error) {
      if (!(error instanceof ProblemError) || error.status !== 404) return true; // Nobody knows; the next cell will tell.
      this.#say(problemWords(error));
      return false;
    }
  }

  /** What was written on the line at hand is what asks. */
  async #input({ isPassword }: { isPassword: boolean }): Promise<string | null | undefined> {
    const typed: Typed = isPassword
      ? await this.#keyboard.secret()
      : await this.#keyboard.line(this.#output.tail, false);
    this.#output.typed();
    if (typed.kind === 'line') return typed.text;
    return typed.kind === 'end' ? null : undefined;
  }

  async #complete(line: string): Promise<{ words: readonly string[]; replaced: string }> {
    const before = this.#lines.map((one) => `${one}\n`).join('');
    const { completions, start } = await this.#options.session.complete(before + line);
    return { words: completions.map(plainText), replaced: line.slice(Math.max(0, start - before.length)) };
  }

  #interrupt(): void {
    this.#interrupts += 1;
    if (this.#interrupts === 2) this.#say('it was interrupted already; ctrl-\\ leaves the shell and lets it run');
    // If it does not arrive, the run says why: it is at the same gateway.
    this.#run?.interrupt().catch((error: Error) => {
      this.#say(error instanceof ProblemError ? problemWords(error) : plainText(error.message));
    });
  }

  #say(words: string): void {
    const { caller, paint } = this.#options;
    caller.stdout.write(`${paint('dim', `[${words}]`)}\n`);
  }
}

const LEFT = new Error('the shell was left');
