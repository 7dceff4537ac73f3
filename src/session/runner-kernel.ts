/** One kernel of a sandbox: what its runner says and is told, as seam and types. Whatever comes is a stranger's word. */
import { Failure } from '../config/failure.ts';
import type {
  Completions,
  Kernel,
  KernelEnding,
  KernelEvent,
  KernelFiles,
  KernelUsage,
  Pty,
  PtySize,
  RunRequest,
} from './kernel.ts';
import { type Ask, filesOf } from './kernel-files.ts';
import { Terminals } from './kernel-terminals.ts';
import { completionsOf, parseEvents } from './kernel-words.ts';
import { type Answer, answeredInTime, type RunnerLink } from './runner-link.ts';

/** Exit code of a run whose kernel has ended. */
const CUT_SHORT = 130;

export class RunnerKernel implements Kernel {
  readonly ended: Promise<KernelEnding>;
  readonly files: KernelFiles;
  readonly #runner: RunnerLink;
  readonly #number: number;
  readonly #terminals: Terminals;
  #hearer: ((event: KernelEvent) => void) | undefined;
  #isOver = false;
  #lastUsage: KernelUsage | undefined;
  #end!: (ending: KernelEnding) => void;

  constructor(runner: RunnerLink, number: number) {
    this.#runner = runner;
    this.#number = number;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    const ask: Ask = (meta, body) => this.#ask(meta, body);
    this.files = filesOf(ask);
    this.#terminals = new Terminals(ask, (meta, body) => this.#say(meta, body));
  }

  run(request: RunRequest, hear: (event: KernelEvent) => void): void {
    if (this.#hearer !== undefined) throw new Error('a run is in flight in this kernel already');
    if (this.#isOver) return;
    this.#hearer = hear;
    const { mode } = request;
    const body = mode === 'query' ? request.code : JSON.stringify(request);
    this.#say({ op: 'run', mode }, Buffer.from(body));
  }

  input(line: string | undefined): void {
    if (line === undefined) this.#say({ op: 'input', end: true });
    else this.#say({ op: 'input' }, Buffer.from(line));
  }

  interrupt(): void {
    this.#say({ op: 'interrupt' });
  }

  async complete({ code, cursor }: { code: string; cursor: number }): Promise<Completions> {
    // Python counts characters, and this UTF-16 units.
    const charactersBefore = [...code.slice(0, cursor)].length;
    const { value } = await this.#ask({ op: 'complete', cursor: charactersBefore }, Buffer.from(code));
    return completionsOf(value, code);
  }

  async restart(): Promise<void> {
    await this.#ask({ op: 'restart' });
  }

  async fork(session: string): Promise<Kernel> {
    if (this.#isOver) throw gone();
    return this.#runner.fork(this.#number, session);
  }

  async checkpoint(): Promise<void> {
    await answeredInTime(this.#ask({ op: 'checkpoint' }));
  }

  async rewind(): Promise<void> {
    await answeredInTime(this.#ask({ op: 'rewind' }));
  }

  pty(size: PtySize): Promise<Pty> {
    return this.#terminals.open(size);
  }

  async usage(): Promise<KernelUsage> {
    return this.#lastUsage ?? this.#runner.usage(this.#number);
  }

  async destroy(): Promise<void> {
    await this.#runner.destroy(this.#number);
    await this.ended;
  }

  /** The runner's word. */
  hear(said: Record<string, unknown>, body: Buffer): void {
    if ('pty' in said) this.#terminals.hear(said, body);
    else this.#tell(parseEvents(body));
  }

  /** `usage`: what it has used, if nobody can be asked any more. */
  finish(ending: KernelEnding, usage?: KernelUsage): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#lastUsage = usage;
    // A run that its end has cut short.
    const error = { name: 'SessionEnded', message: ending.reason, traceback: [] };
    this.#tell([{ kind: 'finished', exitCode: CUT_SHORT, error }]);
    this.#terminals.end();
    this.#end(ending);
  }

  #tell(events: readonly KernelEvent[]): void {
    for (const event of events) {
      const hearer = this.#hearer;
      // Free before it is told: it may begin the next run.
      if (event.kind === 'finished') this.#hearer = undefined;
      hearer?.(event);
    }
  }

  #say(meta: Record<string, unknown>, body?: Uint8Array): void {
    if (!this.#isOver) this.#runner.say({ ...meta, session: this.#number }, body);
  }

  #ask(meta: Record<string, unknown>, body?: Uint8Array): Promise<Answer> {
    if (this.#isOver) return Promise.reject(gone());
    return this.#runner.ask({ ...meta, session: this.#number }, body);
  }
}

function gone(): Failure {
  return new Failure('session-missing', 'the kernel has ended');
}
