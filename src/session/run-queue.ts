/**
 * The executions of one session: one has its turn, the others wait in the order in which they came, and those that have
 * finished can be asked for a while longer. It says what the kernel is to do next, and keeps what the kernel says.
 */
import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { Failure } from '../config/failure.ts';
import { assertNever } from '../lib/assert-never.ts';
import type { ConsoleItem, Kernel, KernelEvent, RaisedError, RunRequest } from './kernel.ts';
import { DONE_RUN_CHARS_MAX, DONE_RUNS_MAX, QUEUED_RUNS_MAX } from './limits.ts';
import { Run } from './run.ts';

export interface RunQueueOptions {
  /** Whose turn it is begins; something runs. */
  onBegin(run: Run): void;
  /** The program waits for a line, or has got it. */
  onInput(run: Run): void;
  /** Nothing runs any more, until the next begins. */
  onEnd(run: Run): void;
  onOutput(items: readonly ConsoleItem[]): void;
}

/** What else there was of a run's output than its limit; said once, with the last of it. */
const CUT_NOTE: ConsoleItem = ['stderr', '\n[isla: the rest of the output is cut off: output_kb is the limit]\n'];

export class RunQueue {
  readonly #options: RunQueueOptions;
  #kernel: Pick<Kernel, 'run' | 'input'>;
  /** In the order in which they came; the first that has not finished has its turn. */
  readonly #runs = new Map<string, Run>();
  #current: Run | undefined;
  readonly #queue: Run[] = [];
  #begun = 0;
  /** Another number for each kernel: what a former one says still is nobody's. */
  #era = 0;
  #stopped = false;

  constructor(kernel: Pick<Kernel, 'run' | 'input'>, options: RunQueueOptions) {
    this.#kernel = kernel;
    this.#options = options;
  }

  get current(): Run | undefined {
    return this.#current;
  }

  get queued(): number {
    return this.#queue.length;
  }

  get begun(): number {
    return this.#begun;
  }

  find(id: string): Run | undefined {
    return this.#runs.get(id);
  }

  /**
   * The execution of that id, which may begin now. One that is asked for again before it has finished is the same one:
   * its client has not heard of it. Throws Failure `run-conflict`, `queue-full`.
   */
  submit(id: string | undefined, request: RunRequest): Run {
    const known = id === undefined ? undefined : this.#runs.get(id);
    if (known !== undefined && known.state !== 'finished') {
      if (isDeepStrictEqual(known.request, request)) return known;
      throw new Failure(
        'run-conflict',
        `execution ${id} has not finished, and it is another one; choose another run id`,
      );
    }
    if (this.#queue.length >= QUEUED_RUNS_MAX) {
      throw new Failure('queue-full', `${QUEUED_RUNS_MAX} executions of this session wait already`);
    }
    const run = new Run(id ?? randomBytes(8).toString('hex'), request);
    this.#runs.delete(run.id);
    this.#runs.set(run.id, run);
    this.#queue.push(run);
    this.#next();
    return run;
  }

  /** Undefined: there are no more lines. Throws Failure `run-missing`, `run-conflict`. */
  input(id: string, line: string | undefined): Run {
    const run = this.get(id);
    if (run !== this.#current) {
      const why = run.state === 'finished' ? 'it has finished' : 'it waits for its turn';
      throw new Failure('run-conflict', `execution ${id} takes no input: ${why}`);
    }
    if (run.state === 'waiting-input') {
      run.state = 'running';
      run.log.answered();
      this.#options.onInput(run);
    }
    this.#kernel.input(line);
    return run;
  }

  /** Throws Failure `run-missing`. */
  get(id: string): Run {
    const run = this.#runs.get(id);
    if (run !== undefined) return run;
    throw new Failure(
      'run-missing',
      `there is no execution ${id} in this session; the last ${DONE_RUNS_MAX} that have finished are kept`,
    );
  }

  /** All that runs or waits has finished; what the kernel says of it still counts no more. */
  endAll(exitCode: number, error: RaisedError): void {
    this.#era += 1;
    for (const run of [this.#current, ...this.#queue.splice(0)]) {
      if (run !== undefined) this.#finish(run, exitCode, error);
    }
  }

  /** The current one has taken too long. */
  timeOut(exitCode: number, error: RaisedError): void {
    const run = this.#current;
    if (run === undefined) return;
    this.#era += 1;
    this.#end(run);
    run.mark({ status: 'exec-timeout', exitCode, error });
    this.#options.onEnd(run);
  }

  /** From now on nothing begins. */
  stop(): void {
    this.#stopped = true;
  }

  /** What waits begins, perhaps with another kernel. */
  start(kernel: Pick<Kernel, 'run' | 'input'>): void {
    this.#kernel = kernel;
    this.#stopped = false;
    this.#next();
  }

  #next(): void {
    if (this.#current !== undefined || this.#stopped) return;
    const run = this.#queue.shift();
    if (run === undefined) return;
    this.#current = run;
    run.state = 'running';
    this.#begun += 1;
    this.#options.onBegin(run);
    const era = this.#era;
    this.#kernel.run(run.request, (event) => {
      if (era === this.#era) this.#hear(run, event);
    });
  }

  #hear(run: Run, event: KernelEvent): void {
    switch (event.kind) {
      case 'output':
        this.#said(run, event.cut ? [...event.items, CUT_NOTE] : event.items);
        break;
      case 'display':
        run.log.display({ bundle: event.bundle, execution: event.execution });
        run.changed();
        break;
      case 'waiting-input':
        run.state = 'waiting-input';
        run.mark({ status: 'waiting-input', exitCode: null, isPassword: event.isPassword });
        this.#options.onInput(run);
        break;
      case 'stage':
        run.mark({ status: event.stage, exitCode: event.exitCode });
        break;
      case 'finished':
        this.#finish(run, event.exitCode, event.error);
        this.#next();
        break;
      default:
        assertNever(event);
    }
  }

  #said(run: Run, items: readonly ConsoleItem[]): void {
    for (const item of items) run.log.add(item);
    this.#options.onOutput(items);
    run.changed();
  }

  #finish(run: Run, exitCode: number, error: RaisedError | undefined): void {
    this.#end(run);
    run.mark({ status: 'finished', exitCode, error });
    this.#options.onEnd(run);
  }

  #end(run: Run): void {
    run.state = 'finished';
    if (this.#current === run) this.#current = undefined;
    this.#forgetOld();
  }

  #forgetOld(): void {
    const done = [...this.#runs.values()].filter(({ state }) => state === 'finished');
    for (const run of done.slice(0, -1)) run.log.shrink(DONE_RUN_CHARS_MAX);
    for (const { id } of done.slice(0, -DONE_RUNS_MAX)) this.#runs.delete(id);
  }
}
