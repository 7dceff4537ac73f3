/**
 * Kernels out of an engine's sandboxes: what runtime/kernel/runner.py says and is told, as seam and types.
 *
 * A sandbox holds the kernel that it was made for, and those that were forked from it, told apart by numbers. The
 * sandbox goes with the last of them. Whatever a sandbox says is a stranger's word: what can not be ends it.
 */
import { Failure } from '../config/failure.ts';
import { asciiJson } from '../lib/ascii-json.ts';
import type { Conversation } from '../sandbox/conversation.ts';
import type { Engine, Sandbox } from '../sandbox/sandbox.ts';
import type {
  Completions,
  Kernel,
  KernelEnding,
  KernelEvent,
  KernelFiles,
  KernelSpec,
  KernelUsage,
  Pty,
  PtySize,
  RunRequest,
} from './kernel.ts';
import { type Ask, filesOf } from './kernel-files.ts';
import { Terminals } from './kernel-terminals.ts';
import { completionsOf, DESTROYED, endingOf, failureOf, OUT_OF_MEMORY, parseEvents } from './kernel-words.ts';
import type { RunnerFacts } from './languages.ts';

const NOTHING = new Uint8Array(0);

/** Exit code of a run whose kernel has ended. */
const CUT_SHORT = 130;

/** Of what a runner has printed, at most. */
const LAST_WORDS_CHARACTERS_MAX = 300;

/**
 * Rejects as Engine.create does. Resolves before the interpreter has started: what is asked of it meanwhile waits.
 * `runs`: of the spec's language.
 */
export async function startKernel(engine: Engine, spec: KernelSpec, runs: RunnerFacts): Promise<Kernel> {
  const { session, env, packages, limits, network, rewindable = false } = spec;
  const kernel = { ...runs, output_bytes_max: limits.output_kb * 1024, rewindable };
  const printed: Buffer[] = [];
  const sandbox = await engine.create({
    lambda: session,
    instance: 1,
    kernel,
    packages,
    limits,
    env,
    network,
    zygote: true,
    secrets: [],
    // Of the runner, which prints nothing unless it fails.
    onOutput: ({ bytes }) => printed.push(bytes),
  });
  return new Runner(engine, sandbox, () => lastLine(printed)).first;
}

interface Asked {
  resolve(answer: { value: unknown; body: Buffer }): void;
  reject(failure: Failure): void;
}

/** One sandbox with its kernels. */
class Runner {
  readonly first: SandboxKernel;
  readonly sandbox: Sandbox;
  readonly #engine: Engine;
  readonly #conversation: Conversation;
  readonly #kernels = new Map<number, SandboxKernel>();
  readonly #asked = new Map<number, Asked>();
  /** Since it has ended, why. */
  #ending: KernelEnding | undefined;
  #questions = 0;
  #forks = 0;

  constructor(engine: Engine, sandbox: Sandbox, lastWords: () => string) {
    this.#engine = engine;
    this.sandbox = sandbox;
    this.first = this.#add(0);
    this.#conversation = sandbox.converse((meta, body) => this.#hear(JSON.parse(meta.toString('latin1')), body));
    void sandbox.ended.then((ending) => this.#ended(endingOf(ending, lastWords())));
  }

  say(meta: Record<string, unknown>, body: Uint8Array = NOTHING): void {
    this.#conversation.say(asciiJson(meta), body);
  }

  /** Rejects with what the runner refuses it for, or `session-missing` if it ends before it has answered. */
  ask(meta: Record<string, unknown>, body?: Uint8Array): Promise<{ value: unknown; body: Buffer }> {
    if (this.#ending !== undefined) return Promise.reject(new Failure('session-missing', this.#ending.reason));
    this.#questions += 1;
    const id = this.#questions;
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { resolve, reject });
      this.say({ ...meta, id }, body);
    });
  }

  async fork(from: number, name: string): Promise<Kernel> {
    this.#forks += 1;
    const number = this.#forks;
    // Before the answer: its end may follow at once.
    const kernel = this.#add(number);
    try {
      await this.ask({ op: 'fork', session: from, as: number, name });
      return kernel;
    } catch (error) {
      this.#kernels.delete(number);
      throw error;
    }
  }

  async usage(): Promise<KernelUsage> {
    const memory = await this.#engine.memory(this.sandbox.id);
    const { cpuUs } = this.sandbox;
    return { memoryBytes: memory.get(this.sandbox.id), cpuMs: cpuUs === undefined ? undefined : cpuUs / 1000 };
  }

  /** The sandbox itself is the quickest end of its last kernel. */
  async destroy(number: number): Promise<void> {
    if (!this.#kernels.has(number)) return;
    if (this.#kernels.size === 1) await this.sandbox.destroy();
    else await this.ask({ op: 'end', session: number }).catch(() => {});
  }

  #add(number: number): SandboxKernel {
    const kernel = new SandboxKernel(this, number);
    this.#kernels.set(number, kernel);
    return kernel;
  }

  #hear(said: Record<string, unknown>, body: Buffer): void {
    if (typeof said.answer === 'number') this.#answered(said.answer, said, body);
    else if (typeof said.ended === 'number') this.#kernelEnded(said.ended, String(said.cause), String(said.reason));
    else this.#kernels.get(Number(said.session))?.hear(said, body);
  }

  #answered(id: number, { value, error }: Record<string, unknown>, body: Buffer): void {
    const asked = this.#asked.get(id);
    // An answer that can not be ends the sandbox: whoever waits for it is told so then.
    const failure = error === undefined ? undefined : failureOf(error);
    this.#asked.delete(id);
    if (failure === undefined) asked?.resolve({ value, body });
    else asked?.reject(failure);
  }

  #kernelEnded(number: number, cause: string, reason: string): void {
    const kernel = this.#kernels.get(number);
    this.#kernels.delete(number);
    kernel?.finish(this.#causeOf(cause, reason));
    if (this.#kernels.size === 0) void this.sandbox.destroy();
  }

  #causeOf(cause: string, reason: string): KernelEnding {
    if (cause === 'destroyed') return { cause, reason: DESTROYED };
    // Whoever else may have sent it SIGKILL: that the kernel has killed for memory is known.
    if (cause === 'signal' && this.#conversation.outOfMemory())
      return { cause: 'out-of-memory', reason: OUT_OF_MEMORY };
    return { cause: cause === 'signal' ? 'signal' : 'exit', reason: `the kernel has ended: ${reason}` };
  }

  #ended(ending: KernelEnding): void {
    this.#ending = ending;
    const kernels = [...this.#kernels.values()];
    this.#kernels.clear();
    for (const kernel of kernels) kernel.finish(ending);
    const failure = new Failure('session-missing', ending.reason);
    for (const { reject } of this.#asked.values()) reject(failure);
    this.#asked.clear();
  }
}

class SandboxKernel implements Kernel {
  readonly ended: Promise<KernelEnding>;
  readonly files: KernelFiles;
  readonly #runner: Runner;
  readonly #number: number;
  readonly #terminals: Terminals;
  #hearer: ((event: KernelEvent) => void) | undefined;
  #isOver = false;
  #end!: (ending: KernelEnding) => void;

  constructor(runner: Runner, number: number) {
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

  input(line: string): void {
    this.#say({ op: 'input' }, Buffer.from(line));
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
    await this.#ask({ op: 'checkpoint' });
  }

  async rewind(): Promise<void> {
    await this.#ask({ op: 'rewind' });
  }

  pty(size: PtySize): Promise<Pty> {
    return this.#terminals.open(size);
  }

  usage(): Promise<KernelUsage> {
    return this.#runner.usage();
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

  finish(ending: KernelEnding): void {
    if (this.#isOver) return;
    this.#isOver = true;
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

  #ask(meta: Record<string, unknown>, body?: Uint8Array): Promise<{ value: unknown; body: Buffer }> {
    if (this.#isOver) return Promise.reject(gone());
    return this.#runner.ask({ ...meta, session: this.#number }, body);
  }
}

function gone(): Failure {
  return new Failure('session-missing', 'the kernel has ended');
}

function lastLine(printed: readonly Buffer[]): string {
  const text = Buffer.concat(printed).toString().trim();
  return text.slice(text.lastIndexOf('\n') + 1).slice(0, LAST_WORDS_CHARACTERS_MAX);
}
