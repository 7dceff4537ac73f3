/**
 * What is typed on a terminal, for a shell: lines with editing and history, secrets without echo, and ctrl-C at any time.
 *
 * The terminal is in raw mode throughout, so that ctrl-C arrives as a byte and what is typed while a cell runs is not
 * echoed into its output: it is held back until the next line is asked for, and handed to readline up to the end of one
 * line, never more. Text that is pasted comes between marks (terminals that know them are asked for them); a line that
 * ends within them was not sent by anybody, which is how a pasted function with empty lines in it stays one cell.
 */
import readline from 'node:readline';
import { Readable } from 'node:stream';
import type { Output } from '../caller.ts';
import { PastedText } from './pasted-text.ts';
import { SecretLine } from './secret-line.ts';

export type Typed =
  /** `pasted`: its end is not the enter key. */
  | { kind: 'line'; text: string; pasted: boolean }
  /** Ctrl-C; what had been typed is gone. */
  | { kind: 'interrupt'; hadText: boolean }
  /** Ctrl-D on an empty line, or the terminal is gone. */
  | { kind: 'end' };

export interface KeyboardOptions {
  stdin: NodeJS.ReadableStream & { setRawMode?(raw: boolean): void };
  stdout: Output;
  complete(line: string): Promise<{ words: readonly string[]; replaced: string }>;
  /** The last one first. */
  history: string[];
  /** While nobody asks for a line. */
  onInterrupt(): void;
  /** Ctrl-backslash, while nobody asks for a line. */
  onQuit(): void;
}

const PASTES_ON = '\x1b[?2004h';
const PASTES_OFF = '\x1b[?2004l';
const CTRL_C = '\x03';
const CTRL_D = '\x04';
const CTRL_BACKSLASH = '\x1c';
/** What readline has drawn again. */
const CLEAR_PROMPT = '\r\x1b[J';
const HISTORY_LINES_MAX = 1_000;

export class Keyboard {
  readonly #options: KeyboardOptions;
  readonly #editor: readline.Interface;
  readonly #feed: Readable;
  readonly #pasted = new PastedText();
  #held = '';
  #reader: { take(character: string): void; end(): void } | undefined;
  #linePasted = false;
  #gone = false;

  constructor(options: KeyboardOptions) {
    this.#options = options;
    const { stdin, stdout } = options;
    this.#feed = Object.assign(new Readable({ read: () => {} }), {
      setRawMode: (raw: boolean) => stdin.setRawMode?.(raw),
    });
    this.#editor = readline.createInterface({
      input: this.#feed,
      output: stdout,
      terminal: true,
      history: options.history,
      historySize: HISTORY_LINES_MAX,
      removeHistoryDuplicates: true,
      crlfDelay: Number.POSITIVE_INFINITY,
      completer: (line: string, answer: CompleterAnswer) => this.#complete(line, answer),
    });
    stdin.setEncoding('utf8');
    stdin.on('data', this.#onData);
    stdin.on('end', this.#onEnd);
    stdout.write(PASTES_ON);
  }

  /** A line behind this prompt; `remember` puts it into the history. One at a time. */
  line(prompt: string, remember = true): Promise<Typed> {
    return new Promise((resolve) => {
      const done = (typed: Typed) => {
        this.#reader = undefined;
        this.#editor.off('line', onLine).off('SIGINT', onInterrupt).off('history', onHistory);
        resolve(typed);
      };
      const onLine = (text: string) => done({ kind: 'line', text, pasted: this.#linePasted });
      const onInterrupt = () => done({ kind: 'interrupt', hadText: this.#dropLine() });
      const onHistory = (history: string[]) => {
        if (!remember) history.shift();
      };
      this.#editor.once('line', onLine).once('SIGINT', onInterrupt).once('history', onHistory);
      this.#editor.setPrompt(prompt);
      this.#editor.prompt();
      const end = () => done({ kind: 'end' });
      const take = (character: string) => {
        if (character === CTRL_D && this.#editor.line === '') return end();
        this.#linePasted = this.#pasted.isInside;
        // Not pushed, which readline would hear of later: what comes next may be for somebody else.
        this.#feed.emit('data', character === '\n' ? '\r' : character);
      };
      this.#read({ take, end });
    });
  }

  /** A line of which nothing is shown. */
  async secret(): Promise<Typed> {
    const secret = new SecretLine();
    const typed = await new Promise<Typed>((resolve) => {
      const done = (kind: Typed) => {
        this.#reader = undefined;
        resolve(kind);
      };
      const take = (character: string) => {
        const end = secret.take(character);
        if (end === 'line') done({ kind: 'line', text: secret.text, pasted: false });
        else if (end === 'interrupt') done({ kind: 'interrupt', hadText: true });
        else if (end === 'end') done({ kind: 'end' });
      };
      this.#read({ take, end: () => done({ kind: 'end' }) });
    });
    this.#options.stdout.write('\n');
    return typed;
  }

  /** Whoever asked for a line asks no more. */
  giveUp(): void {
    this.#reader?.end();
  }

  /** The last line first. */
  get history(): readonly string[] {
    return (this.#editor as unknown as { history: string[] }).history;
  }

  /** The terminal is as it was. */
  close(): void {
    const { stdin, stdout } = this.#options;
    stdin.off('data', this.#onData);
    stdin.off('end', this.#onEnd);
    this.#editor.close();
    stdout.write(PASTES_OFF);
    stdin.pause();
  }

  #read(reader: { take(character: string): void; end(): void }): void {
    this.#reader = reader;
    this.#pump();
    if (this.#gone && this.#reader !== undefined) reader.end();
  }

  /** One character at a time: what follows the end of a line is for whoever asks next. */
  #pump(): void {
    while (this.#reader !== undefined && this.#held !== '') {
      const [character = ''] = this.#held;
      this.#held = this.#held.slice(character.length);
      const meant = this.#pasted.take(character);
      for (const one of meant) this.#reader?.take(one);
    }
  }

  readonly #onData = (text: Buffer | string): void => {
    this.#held += text;
    if (this.#reader === undefined) this.#obey();
    this.#pump();
  };

  readonly #onEnd = (): void => {
    this.#gone = true;
    this.#reader?.end();
  };

  /** Ctrl-C throws away what was typed before it, as terminals do. */
  #obey(): void {
    const at = Math.max(this.#held.lastIndexOf(CTRL_C), this.#held.lastIndexOf(CTRL_BACKSLASH));
    if (at === -1) return;
    const key = this.#held[at];
    this.#held = this.#held.slice(at + 1);
    if (key === CTRL_C) this.#options.onInterrupt();
    else this.#options.onQuit();
  }

  /** Whether there was anything in it. */
  #dropLine(): boolean {
    const hadText = this.#editor.line !== '';
    this.#editor.write(null, { ctrl: true, name: 'e' });
    this.#options.stdout.write('^C\r\n');
    this.#editor.write(null, { ctrl: true, name: 'u' });
    this.#options.stdout.write(CLEAR_PROMPT);
    return hadText;
  }

  #complete(line: string, answer: CompleterAnswer): void {
    // At the begin of a line, tab indents.
    if (line.trim() === '') answer(null, [['    '], '']);
    else this.#ask(line, answer);
  }

  #ask(line: string, answer: CompleterAnswer): void {
    this.#options.complete(line).then(
      ({ words, replaced }) => answer(null, [[...words], replaced]),
      () => answer(null, [[], line]), // Whoever presses tab is not to read why there is nothing.
    );
  }
}

type CompleterAnswer = (error: null, found: [string[], string]) => void;
