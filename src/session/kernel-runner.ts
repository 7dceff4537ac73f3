/**
 * The runner of one sandbox (runtime/kernel/runner.py), as the worker has it: the kernel that the sandbox was made for, and
 * those that were forked from it, told apart by numbers. The sandbox goes with the last of them.
 *
 * Nothing that happens in there keeps anybody waiting: who is ended is ended from outside, and who does not answer is given up.
 */
import { Failure } from '../config/failure.ts';
import { asciiJson } from '../lib/ascii-json.ts';
import { within } from '../lib/within.ts';
import type { Conversation } from '../sandbox/conversation.ts';
import { type GroupCounts, NOT_COUNTED } from '../sandbox/group-counts.ts';
import type { Engine, Sandbox } from '../sandbox/sandbox.ts';
import type { Kernel, KernelEnding, KernelUsage } from './kernel.ts';
import { DESTROYED, endingOf, failureOf, kernelEndingOf } from './kernel-words.ts';
import { RunnerKernel } from './runner-kernel.ts';
import { type Answer, answeredInTime, type RunnerLink } from './runner-link.ts';

const NOTHING = new Uint8Array(0);
/** What the end of a fork may take. */
const END_MS_MAX = 5_000;

interface Asked {
  resolve(answer: Answer): void;
  reject(failure: Failure): void;
}

export class KernelRunner implements RunnerLink {
  readonly first: RunnerKernel;
  readonly #sandbox: Sandbox;
  readonly #engine: Engine;
  readonly #conversation: Conversation;
  readonly #kernels = new Map<number, RunnerKernel>();
  /** Those that have been asked to end. */
  readonly #destroying = new Set<number>();
  /** Forks whose groups are being ended. */
  #leaving = 0;
  readonly #asked = new Map<number, Asked>();
  /** Since it has ended, why. */
  #ending: KernelEnding | undefined;
  #questions = 0;
  #forks = 0;

  constructor(engine: Engine, sandbox: Sandbox, lastWords: () => string) {
    this.#engine = engine;
    this.#sandbox = sandbox;
    this.first = this.#add(0);
    this.#conversation = sandbox.converse((meta, body) => this.#hear(JSON.parse(meta.toString('latin1')), body));
    void sandbox.ended.then((ending) => this.#ended(endingOf(ending, lastWords())));
  }

  say(meta: Record<string, unknown>, body: Uint8Array = NOTHING): void {
    this.#conversation.say(asciiJson(meta), body);
  }

  /** Rejects with what the runner refuses it for, or `session-missing` if it ends before it has answered. */
  ask(meta: Record<string, unknown>, body?: Uint8Array): Promise<Answer> {
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
    const asked = this.ask({ op: 'fork', session: from, as: number, name });
    try {
      await answeredInTime(asked);
      return kernel;
    } catch (error) {
      this.#kernels.delete(number);
      this.#destroying.add(number);
      // There may be one all the same, or will be when it has answered.
      void asked.catch(() => {}).then(() => this.#leave(number));
      throw error;
    }
  }

  async usage(number: number): Promise<KernelUsage> {
    const { id, cpuUs, peakBytes } = this.#sandbox;
    const memory = await this.#engine.memory(id);
    const own = number === 0 ? undefined : memory.get(`${id}-${number}`);
    const counts = this.#conversation.counts(own === undefined ? undefined : number);
    const whole = own === undefined ? { peakBytes, cpuUs } : NOT_COUNTED;
    return usageOf(own ?? memory.get(id), {
      peakBytes: counts.peakBytes ?? whole.peakBytes,
      cpuUs: counts.cpuUs ?? whole.cpuUs,
      oomKilled: counts.oomKilled,
    });
  }

  /** The sandbox itself is the quickest end of its last kernel. */
  async destroy(number: number): Promise<void> {
    const kernel = this.#kernels.get(number);
    if (kernel === undefined) return;
    if (this.#kernels.size === 1 && this.#leaving === 0) {
      await this.#sandbox.destroy();
      return;
    }
    this.#destroying.add(number);
    const counts = await this.#leave(number);
    this.#kernels.delete(number);
    kernel.finish({ cause: 'destroyed', reason: DESTROYED }, usageOf(undefined, counts));
    this.#endIfLast();
  }

  /** Ends what there is of a kernel, from inside and from outside. */
  async #leave(number: number): Promise<GroupCounts> {
    this.#leaving += 1;
    const asked = this.ask({ op: 'end', session: number }).then(
      () => {},
      () => {}, // It has ended by itself.
    );
    await within(END_MS_MAX, asked, () => {});
    const counts = await this.#endGroups(number);
    this.#leaving -= 1;
    this.#endIfLast();
    return counts;
  }

  #endGroups(number: number): Promise<GroupCounts> {
    if (number === 0) return Promise.resolve(this.#conversation.counts());
    return within(END_MS_MAX, this.#conversation.endFork(number), () => NOT_COUNTED);
  }

  #endIfLast(): void {
    if (this.#kernels.size === 0 && this.#leaving === 0) void this.#sandbox.destroy();
  }

  #add(number: number): RunnerKernel {
    const kernel = new RunnerKernel(this, number);
    this.#kernels.set(number, kernel);
    return kernel;
  }

  #hear(said: Record<string, unknown>, body: Buffer): void {
    if (typeof said.answer === 'number') this.#answered(said.answer, said, body);
    else if (typeof said.ended === 'number')
      void this.#kernelEnded(said.ended, String(said.cause), String(said.reason));
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

  async #kernelEnded(number: number, cause: string, reason: string): Promise<void> {
    const kernel = this.#kernels.get(number);
    if (kernel === undefined || this.#destroying.has(number)) return;
    this.#kernels.delete(number);
    this.#leaving += 1;
    const counts = number === 0 ? this.#conversation.counts() : await this.#endGroups(number);
    this.#leaving -= 1;
    kernel.finish(kernelEndingOf({ cause, reason, oomKilled: counts.oomKilled }), usageOf(undefined, counts));
    this.#endIfLast();
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

function usageOf(memoryBytes: number | undefined, { peakBytes, cpuUs, oomKilled }: GroupCounts): KernelUsage {
  return { memoryBytes, peakBytes, cpuMs: cpuUs === undefined ? undefined : cpuUs / 1000, oomKilled };
}
