/** Shows what a session says: text as it is, and of all else what it is. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ConsoleItem, Display } from '../../client/result.ts';
import type { Output } from '../caller.ts';
import { TerminalText } from './terminal-text.ts';

export interface RunOutputOptions {
  stdout: Output;
  stderr: Output;
  /** For text on a terminal. */
  hasColour: boolean;
  /** Where pictures and pages are put; nowhere if it is not given. */
  mediaDir: string | undefined;
}

const EXTENSIONS: Readonly<Record<string, string>> = {
  'image/png': 'png',
  'image/jpeg': 'jpg',
  'image/gif': 'gif',
  'image/svg+xml': 'svg',
  'text/html': 'html',
  'application/json': 'json',
  'application/pdf': 'pdf',
};

export class RunOutput {
  readonly #options: RunOutputOptions;
  readonly #texts: { stdout: TerminalText; stderr: TerminalText };
  /** The last line, as far as it has no end. */
  #tail = '';
  #saved = 0;

  constructor(options: RunOutputOptions) {
    this.#options = options;
    const { hasColour } = options;
    this.#texts = { stdout: new TerminalText(hasColour), stderr: new TerminalText(hasColour) };
  }

  /** The last line, if it has not ended: a prompt, perhaps. */
  get tail(): string {
    return this.#tail;
  }

  show([type, data]: ConsoleItem, display: Display | undefined): void {
    if (type === 'stdout' || type === 'stderr') this.#write(type, data);
    else if (type === 'html') this.#showRich('text/html', Buffer.from(data), display?.bundle['text/plain']);
    else if (type === 'media') this.#showRich(data[0], bytesOf(data), undefined);
    else this.#write('stderr', `${typeof data === 'string' ? data : JSON.stringify(data)}\n`);
  }

  /** The next thing begins on a line of its own. */
  finish(): void {
    for (const stream of ['stdout', 'stderr'] as const) {
      const rest = this.#texts[stream].end();
      if (rest !== '') this.#put(stream, rest);
    }
    if (this.#tail !== '' && this.#options.stdout.isTTY === true) this.#options.stdout.write('\n');
    this.#tail = '';
  }

  /** Text that is typed ended the line. */
  typed(): void {
    this.#tail = '';
  }

  #showRich(mime: string, bytes: Buffer, plain: string | undefined): void {
    const path = this.#save(mime, bytes);
    if (plain !== undefined) this.#write('stdout', plain.endsWith('\n') ? plain : `${plain}\n`);
    if (plain !== undefined && path === undefined) return;
    const where = path === undefined ? '' : `: ${path}`;
    this.#write('stdout', `[${mime}, ${sizeWords(bytes.length)}${where}]\n`);
  }

  #save(mime: string, bytes: Buffer): string | undefined {
    const { mediaDir } = this.#options;
    if (mediaDir === undefined) return undefined;
    mkdirSync(mediaDir, { recursive: true });
    for (;;) {
      this.#saved += 1;
      const path = join(mediaDir, `${this.#saved}.${EXTENSIONS[mime] ?? 'bin'}`);
      try {
        writeFileSync(path, bytes, { flag: 'wx' });
        return path;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
    }
  }

  #write(stream: 'stdout' | 'stderr', text: string): void {
    const shown = this.#options[stream].isTTY === true ? this.#texts[stream].take(text) : text;
    if (shown !== '') this.#put(stream, shown);
  }

  #put(stream: 'stdout' | 'stderr', text: string): void {
    this.#options[stream].write(text);
    const lines = text.split('\n');
    this.#tail = lines.length > 1 ? (lines.at(-1) ?? '') : this.#tail + text;
  }
}

/** Of a `data:` URI in base64, or of text. */
function bytesOf([mime, data]: readonly [string, string]): Buffer {
  const start = `data:${mime};base64,`;
  return data.startsWith(start) ? Buffer.from(data.slice(start.length), 'base64') : Buffer.from(data);
}

/** `12 KB`, as file managers write it. */
export function sizeWords(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${Math.round(bytes / 1_000)} KB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}
