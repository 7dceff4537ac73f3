/** A stream that may be a terminal. */
export type Output = NodeJS.WritableStream & { readonly isTTY?: boolean };

/** Whoever started the program: what it gave us to read and where our words go. The program is a function of this. */
export interface Caller {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** How to run this program again: its Node and its file. */
  readonly program: { readonly node: string; readonly main: string; readonly singleFile?: string | undefined };
  /** Listens to signals instead of being ended by them; returns what stops the listening. */
  onSignal(signals: readonly NodeJS.Signals[], listener: (signal: NodeJS.Signals) => void): () => void;
}

/** A signal ended the command, which has cleaned up after itself. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  readonly signal: NodeJS.Signals;

  constructor(signal: NodeJS.Signals) {
    super(`ended by ${signal}`);
    this.signal = signal;
  }
}
