/**
 * What one execution has said, in order: pieces of its console, and marks where it has come to something. Every entry
 * has a number that stays its own, so whoever knows up to where it has everything can go on from there.
 *
 * It holds RUN_CHARS_MAX characters; the oldest go first, and who comes too late for them is told so.
 */
import type { Display, ExecuteResult, ResultStatus } from './host.ts';
import type { ConsoleItem, RaisedError } from './kernel.ts';
import { PIECE_CHARS_LEAST, PIECE_CHARS_MAX, RESULT_CHARS_MAX, RUN_CHARS_MAX } from './limits.ts';

/** Where an execution has come to something. */
export interface Mark {
  status: Exclude<ResultStatus, 'continued'>;
  exitCode: number | null;
  isPassword?: boolean;
  error?: RaisedError | undefined;
}

type Content =
  | { kind: 'item'; item: ConsoleItem; chars: number }
  | { kind: 'display'; display: Display; chars: number }
  | { kind: 'mark'; mark: Mark; chars: number };

/** `before`: what all entries before it counted for, also those that are gone. */
type Entry = Content & { before: number };

type TextType = Exclude<ConsoleItem[0], 'media'>;

export type Taken = Omit<ExecuteResult, 'runId'>;

export class RunLog {
  #entries: Entry[] = [];
  /** Number of the first entry. */
  #base = 0;
  #chars = 0;
  /** What all entries so far have counted for. */
  #total = 0;
  /** Of what has gone because there was no room. */
  #droppedChars = 0;
  /** Numbers below it have been handed out: their entries change no more. */
  #sealed = 0;
  /** Number of the mark at which the program waits for input still. */
  #waitingAt = -1;
  /** Number of the last mark that is told to all, whenever they ask. */
  #markAt = -1;

  get end(): number {
    return this.#base + this.#entries.length;
  }

  add(item: ConsoleItem): void {
    const [type, said] = item;
    if (typeof said !== 'string') {
      this.#push({ kind: 'item', item, chars: said[0].length + said[1].length });
      return;
    }
    if ((type === 'stdout' || type === 'stderr') && this.#append(type, said)) return;
    for (let start = 0; start < said.length; ) {
      const end = pieceEnd(said, start);
      this.#push({ kind: 'item', item: [type as TextType, said.slice(start, end)], chars: end - start });
      start = end;
    }
  }

  display(display: Display): void {
    let chars = 0;
    for (const [mime, data] of Object.entries(display.bundle)) chars += mime.length + data.length;
    this.#push({ kind: 'display', display, chars });
  }

  mark(mark: Mark): void {
    const isWaiting = mark.status === 'waiting-input';
    this.#waitingAt = isWaiting ? this.end : -1;
    if (!isWaiting) this.#markAt = this.end;
    this.#push({ kind: 'mark', mark, chars: 0 });
  }

  /** It has its input: only who looks back sees that it waited. */
  answered(): void {
    this.#waitingAt = -1;
  }

  /**
   * Whether there is something that should not wait: a mark, or a whole result. Asked at every piece of output, so it
   * takes as long however many there are.
   */
  isDue(after: number): boolean {
    const at = this.#indexOf(after);
    const first = this.#entries[at];
    if (first === undefined) return false;
    const isMarked = Math.max(this.#markAt, this.#waitingAt) >= this.#base + at;
    return isMarked || this.#total - first.before >= RESULT_CHARS_MAX;
  }

  /** What comes behind `after`, up to the next mark, or as much as one result holds. */
  take(after: number): Taken {
    const taking = new Taking();
    let at = this.#indexOf(after);
    if (after < this.#base && this.#droppedChars > 0) taking.say(['stderr', droppedNote(this.#droppedChars)]);
    let mark: Mark | undefined;
    for (; at < this.#entries.length && mark === undefined; at += 1) {
      const entry = this.#entries[at] as Entry;
      if (entry.kind === 'mark') mark = this.#isAnswered(entry.mark, at) ? undefined : entry.mark;
      else if (!taking.fits(entry.chars)) break;
      else if (entry.kind === 'item') taking.say(entry.item);
      else taking.displays.push(entry.display);
    }
    const next = this.#base + at;
    this.#sealed = Math.max(this.#sealed, next);
    return resultOf(taking, mark, next);
  }

  /** Keeps the last of it only. */
  shrink(charsMax: number): void {
    let gone = 0;
    // The last mark says how it ended.
    while (this.#chars > charsMax && gone < this.#entries.length - 1) {
      const { chars } = this.#entries[gone] as Entry;
      this.#chars -= weightOf(chars);
      this.#droppedChars += chars;
      gone += 1;
    }
    if (gone === 0) return;
    this.#entries = this.#entries.slice(gone);
    this.#base += gone;
  }

  /** Who has everything of one that has finished is told its end again. */
  #indexOf(after: number): number {
    const last = this.#entries.at(-1);
    const isOver = last?.kind === 'mark' && (last.mark.status === 'finished' || last.mark.status === 'exec-timeout');
    return Math.max(0, Math.min(after - this.#base, this.#entries.length - (isOver ? 1 : 0)));
  }

  /** To the last piece, if nobody has been given that. */
  #append(type: 'stdout' | 'stderr', text: string): boolean {
    const last = this.#entries.at(-1);
    if (last?.kind !== 'item' || last.item[0] !== type || this.#sealed >= this.end) return false;
    if (last.chars + text.length > PIECE_CHARS_MAX) return false;
    const grown = weightOf(last.chars + text.length) - weightOf(last.chars);
    this.#chars += grown;
    this.#total += grown;
    last.item = [type, (last.item[1] as string) + text];
    last.chars += text.length;
    return true;
  }

  #push(content: Content): void {
    this.#entries.push({ ...content, before: this.#total });
    const weight = weightOf(content.chars);
    this.#chars += weight;
    this.#total += weight;
    // By an eighth at a time: to move what is left costs as much as there is.
    if (this.#chars > RUN_CHARS_MAX) this.shrink(RUN_CHARS_MAX - RUN_CHARS_MAX / 8);
  }

  #isAnswered({ status }: Mark, at: number): boolean {
    return status === 'waiting-input' && this.#base + at !== this.#waitingAt;
  }
}

/** One result in the making. */
class Taking {
  readonly console: ConsoleItem[] = [];
  readonly displays: Display[] = [];
  #chars = 0;

  /** The first piece always does, however large it is. */
  fits(chars: number): boolean {
    const weight = weightOf(chars);
    if (this.#chars > 0 && this.#chars + weight > RESULT_CHARS_MAX) return false;
    this.#chars += weight;
    return true;
  }

  say(item: ConsoleItem): void {
    const last = this.console.at(-1);
    const [type, said] = item;
    if (last !== undefined && last[0] === type && (type === 'stdout' || type === 'stderr')) {
      this.console[this.console.length - 1] = [type, (last[1] as string) + said];
    } else this.console.push(item);
  }
}

function resultOf({ console, displays }: Taking, mark: Mark | undefined, next: number): Taken {
  const isPassword = mark?.status === 'waiting-input' ? (mark.isPassword ?? false) : undefined;
  return {
    status: mark?.status ?? 'continued',
    exitCode: mark?.exitCode ?? null,
    options: isPassword === undefined ? null : { is_password: isPassword },
    files: [],
    console,
    next,
    ...(mark?.error === undefined ? {} : { error: mark.error }),
    ...(displays.length === 0 ? {} : { displays }),
  };
}

function weightOf(chars: number): number {
  return Math.max(chars, PIECE_CHARS_LEAST);
}

/** Never between the two halves of a character. */
function pieceEnd(text: string, start: number): number {
  const end = Math.min(text.length, start + PIECE_CHARS_MAX);
  if (end === text.length) return end;
  const unit = text.charCodeAt(end - 1);
  return unit >= 0xd800 && unit <= 0xdbff ? end - 1 : end;
}

function droppedNote(chars: number): string {
  return `\n[isla: the first ${chars} characters of the output are lost: nobody took them in time]\n`;
}
