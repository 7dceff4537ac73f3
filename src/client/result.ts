/** What an execution says and what becomes of it. */

/** Text, or something to look at: `media` of a text type is the text itself, other data are a `data:` URI. */
export type ConsoleItem =
  | readonly ['stdout' | 'stderr' | 'html', string]
  | readonly ['log', unknown]
  | readonly ['media', readonly [mime: string, data: string]];

/** Something that was displayed, in all the forms that it has. */
export interface Display {
  /** By MIME type; base64 where those are no text. */
  bundle: Readonly<Record<string, string>>;
  /** It is the value of the last expression. */
  execution: boolean;
}

/** What the code raised. */
export interface RaisedError {
  name: string;
  message: string;
  /** As it was printed, line by line. */
  traceback: readonly string[];
}

/** One message of a stream: what was new at that time. */
export interface Frame {
  status: 'continued' | 'waiting-input' | 'clean-finished' | 'build-finished' | 'finished' | 'exec-timeout';
  runId: string;
  exitCode: number | null;
  options: { is_password?: boolean } | null;
  console: readonly ConsoleItem[];
  /** Where the next message begins. */
  next?: number;
  error?: RaisedError;
  displays?: readonly Display[];
}

export interface RunResult {
  runId: string;
  /** 130 if the session was lost meanwhile. An exception is 0, with `error`. */
  exitCode: number;
  /** The code took longer than it may: its session has ended with it. */
  timedOut: boolean;
  stdout: string;
  stderr: string;
  /** All that the console shows, in order. */
  items: readonly ConsoleItem[];
  /** All that was displayed, in order; the value of the last expression has `execution`. */
  displays: readonly Display[];
  /** Of the stages of a batch, those that have finished. */
  stages: { clean?: number; build?: number };
  error?: RaisedError;
}

/** Collects frames until there is a result. */
export class ResultSoFar {
  readonly items: ConsoleItem[] = [];
  readonly #displays: Display[] = [];
  readonly #stages: RunResult['stages'] = {};
  #error: RaisedError | undefined;

  add(frame: Frame): void {
    this.items.push(...frame.console);
    this.#displays.push(...(frame.displays ?? []));
    this.#error = frame.error ?? this.#error;
    if (frame.status === 'clean-finished') this.#stages.clean = frame.exitCode ?? 0;
    if (frame.status === 'build-finished') this.#stages.build = frame.exitCode ?? 0;
  }

  /** With the last frame, which has been added. */
  finish({ runId, exitCode, status }: Frame): RunResult {
    return {
      runId,
      exitCode: exitCode ?? (status === 'exec-timeout' ? TIMEOUT_EXIT_CODE : 0),
      timedOut: status === 'exec-timeout',
      stdout: textOf(this.items, 'stdout'),
      stderr: textOf(this.items, 'stderr'),
      items: this.items,
      displays: this.#displays,
      stages: this.#stages,
      ...(this.#error && { error: this.#error }),
    };
  }
}

/** As timeout(1) has it. */
const TIMEOUT_EXIT_CODE = 124;

function textOf(items: readonly ConsoleItem[], type: 'stdout' | 'stderr'): string {
  return items.map(([of, data]) => (of === type ? data : '')).join('');
}
