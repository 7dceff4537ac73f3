/**
 * The worker's view of one slot of what makes sandboxes (maker.ts): a sandbox being made, waiting for code, or serving.
 * It becomes a `Sandbox` when code is handed over; before that it belongs to the pool.
 */
import { Failure } from '../config/failure.ts';
import { deferred } from '../lib/deferred.ts';
import { type Answer, Channel, type LoadAnswer } from './channel.ts';
import type { Conversation, Hear } from './conversation.ts';
import { type CountFiles, type GroupCounts, SandboxGroups } from './group-counts.ts';
import { type Making, type SlotEnding, type SlotRequest, startOf } from './maker.ts';
import { OomCount } from './oom-count.ts';
import { OutputTap } from './output-tap.ts';
import type { Call, Ending, EngineLog, Loaded, Reply, Sandbox, SandboxSpec, Timings } from './sandbox.ts';
import { describeEnding } from './slot-ending.ts';
import { type Charged, Usage } from './usage.ts';

/** How long after a channel broke the spawner may take to tell why, before we end the sandbox ourselves. */
const CAUSE_MS_MAX = 250;
/** How long after its end a channel may take to be empty. The kernel closes it with the last process that held it. */
const LAST_WORD_MS_MAX = 250;

export interface SlotContext {
  send(request: SlotRequest): void;
  /** Short path of the worker's directory, for socket names. */
  workerDirPath: string;
  /** Where the kernel counts for a slot's sandbox, or a fork there: see group-counts.ts. */
  countFiles(name: string): CountFiles;
  log: EngineLog;
}

export class Slot implements Sandbox {
  readonly id: string;
  readonly number: number;
  readonly making: Making;
  readonly ended: Promise<Ending>;
  /** Resolves when it waits for code; rejects if it never will. */
  readonly made: Promise<void>;
  /** Resolves when code has been handed over; rejects if it never will be. */
  readonly started: Promise<void>;
  state: 'making' | 'waiting' | 'serving' | 'ended' = 'making';
  /** It ended because what had made it, its zygote or the spawner, did. */
  lost = false;
  readonly #context: SlotContext;
  #channel: Channel | undefined;
  #oomCount: OomCount | undefined;
  #output: OutputTap | undefined;
  #spec: SandboxSpec | undefined;
  readonly #usage: Usage;
  readonly #groups: SandboxGroups;
  #outOfMemory = false;
  #paused = false;
  #isDestroyed = false;
  #conversing = false;
  #handedOver = false;
  /** Who waits for the reply to the call in flight. Not a race of promises: what waits for the end would pile up, call by call. */
  #caller: ((reply: Reply | Loaded) => void) | undefined;
  /** What the caller will be told when the end is known, if it is not just that. */
  #farewell: Reply | Loaded | undefined;
  #brokenReason: string | undefined;
  readonly #made = deferred<void>();
  readonly #started = deferred<void>();
  readonly #ended = deferred<Ending>();

  constructor(number: number, context: SlotContext, making: Making) {
    this.number = number;
    this.making = making;
    this.id = String(number);
    this.#context = context;
    this.#usage = new Usage(() => context.countFiles(this.id).cpu);
    const endFork = (fork: number) => context.send({ op: 'end-fork', slot: number, fork });
    this.#groups = new SandboxGroups(this.id, { countFiles: context.countFiles, endFork });
    this.made = this.#made.promise;
    this.started = this.#started.promise;
    this.ended = this.#ended.promise;
    // A slot of the pool may fail with nobody waiting for it; whoever waits still sees the rejection.
    this.made.catch(() => {});
    this.started.catch(() => {});
    context.send({ op: 'prepare', slot: number, ...making });
  }

  // -- what the spawner tells ---------------------------------------------------------------------

  /** Opens and connects while no user code exists in the sandbox: later its owner could have put anything there. */
  listening(): void {
    const dirPath = `${this.#context.workerDirPath}/slots/${this.number}`;
    this.#output = OutputTap.open(dirPath, this.#context.log);
    const { oom } = this.#context.countFiles(this.id);
    if (oom !== undefined) this.#oomCount = new OomCount(oom);
    this.#channel = new Channel(`${dirPath}/server_pipe`, {
      onBroken: (reason) => this.#broke(reason),
      onPrintedBefore: (before) => this.#output?.printedBefore(before),
    });
    // Code may have been handed over already.
    if (this.#spec !== undefined) this.#expect(this.#spec);
  }

  waiting(): void {
    // Code may have been handed over while this word was under way.
    if (this.state === 'making') this.state = 'waiting';
    this.#made.resolve();
  }

  handedOver(): void {
    this.#handedOver = true;
    this.#started.resolve();
  }

  forkEnded(fork: number, counts: GroupCounts): void {
    this.#groups.ended(fork, counts);
  }

  /** It has ended, in the spawner's own words, which come after `started` if code was handed over. */
  gone(ending: SlotEnding, charged: Charged): void {
    this.#usage.ended(charged, this.#caller !== undefined || this.#conversing);
    this.#finish(
      ending,
      this.#handedOver ? this.#endingOf(ending) : { cause: 'not-started', reason: describeEnding(ending) },
    );
  }

  /** It has ended with the spawner, which can not be asked any more whether code had been handed over. */
  lose(reason: string): void {
    this.#finish({ cause: 'lost', reason }, { cause: 'lost', reason });
  }

  #finish(ending: SlotEnding, told: Ending): void {
    if (this.state === 'ended') return;
    this.state = 'ended';
    this.lost = ending.cause === 'lost';
    const failure = new Failure('sandbox-failed', `the sandbox could not be made: ${describeEnding(ending)}`, {
      step: ending.cause === 'failed' ? ending.step : 'make a sandbox',
    });
    this.#made.reject(failure);
    this.#started.reject(failure);
    void this.#close(told);
  }

  async #close(told: Ending): Promise<void> {
    // The end is told on another socket than answers: an answer that was sent before it may be read after it.
    if (told.cause === 'out-of-memory') this.#channel?.close();
    else await this.#channel?.hearOut(LAST_WORD_MS_MAX);
    this.#oomCount?.close();
    this.#groups.close();
    this.#output?.drain();
    this.#output?.close();
    this.#ended.resolve(told);
    if (this.#caller !== undefined) this.#tell(this.#farewell ?? { kind: 'ended', ending: told });
  }

  // -- the pool's and the engine's ----------------------------------------------------------------

  handOver(spec: SandboxSpec): void {
    this.state = 'serving';
    this.#spec = spec;
    this.#expect(spec);
    this.#context.send({ op: 'start', slot: this.number, ...startOf(spec), network: spec.network });
  }

  #expect({ limits, onOutput }: SandboxSpec): void {
    this.#channel?.expect(limits.response_kb * 1024);
    this.#output?.listen(limits.output_kb, onOutput);
  }

  // -- Sandbox ------------------------------------------------------------------------------------

  get peakBytes(): number | undefined {
    return this.#usage.peakBytes;
  }

  get cpuUs(): number | undefined {
    const isUnderWay = this.state !== 'ended' && (this.#caller !== undefined || this.#conversing);
    return isUnderWay ? this.#usage.cpuUsSoFar() : this.#usage.cpuUs;
  }

  call(call: Call): Promise<Reply> {
    return this.#ask<Answer>(call.requestId, (channel, hear) => channel.send(call, hear));
  }

  load(): Promise<Loaded> {
    return this.#ask<LoadAnswer>(undefined, (channel, hear) => channel.load(hear));
  }

  #ask<T extends Answer | LoadAnswer>(
    requestId: string | undefined,
    send: (channel: Channel, hear: (answer: T) => void) => void,
  ): Promise<T | Ended> {
    const channel = this.#channel;
    if (this.#brokenReason !== undefined || channel === undefined || this.state === 'ended') {
      return this.ended.then((ending) => ({ kind: 'ended', ending }));
    }
    this.#thaw();
    return new Promise((resolve) => {
      const sentMs = performance.now();
      this.#output?.begin(requestId);
      send(channel, (answer) => this.#hear(answer, sentMs));
      this.#caller = resolve as (reply: Reply | Loaded) => void;
    });
  }

  converse(hear: Hear): Conversation {
    const channel = this.#channel;
    this.#conversing = true;
    channel?.converse(hear);
    return {
      say: (meta, body) => {
        if (this.state === 'ended') return;
        this.#thaw();
        channel?.say(meta, body);
      },
      counts: (fork) => this.#groups.counts(fork),
      endFork: (fork) => this.#groups.end(fork),
    };
  }

  #thaw(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#context.send({ op: 'resume', slot: this.number });
  }

  #hear(answer: Answer | LoadAnswer, sentMs: number): void {
    const passedUs = (performance.now() - sentMs) * 1000;
    this.#usage.answered(answer, passedUs);
    if (answer.imported !== undefined) this.#spec?.onLoaded?.(answer.imported);
    this.#output?.answered(answer.printed);
    if (this.#oomCount?.killedBy(answer, passedUs)) {
      // Whoever died in there, and whatever the handler made of it: what is left is not whole.
      this.#outOfMemory = true;
      this.#farewell = { kind: 'ended', ending: { cause: 'out-of-memory' } };
      void this.destroy();
      return;
    }
    const reply = { ...answer, timings: possible(answer.timings, passedUs) };
    // Whoever gets the answer knows of the end by then, and sends no other event.
    if (this.state === 'ended') this.#farewell = reply;
    else this.#tell(reply);
  }

  #tell(reply: Reply | Loaded): void {
    const caller = this.#caller;
    this.#caller = undefined;
    caller?.(reply);
  }

  async pause(): Promise<void> {
    if (this.state !== 'serving' || this.#paused) return;
    this.#paused = true;
    // What threads and children have printed since the answer; nobody may call for a long time.
    this.#output?.drain();
    this.#context.send({ op: 'pause', slot: this.number });
  }

  async destroy(): Promise<void> {
    if (this.state !== 'ended') {
      this.#isDestroyed = true;
      this.#channel?.close();
      // A call that takes too long has its output told before its outcome.
      this.#output?.drain();
      this.#context.send({ op: 'kill', slot: this.number });
    }
    await this.ended;
  }

  /** The other side hung up or misbehaved. If it died, the spawner says how in a moment; if not, it ends now. */
  #broke(reason: string): void {
    this.#brokenReason = reason;
    if (this.state === 'ended') return;
    const timer = setTimeout(() => this.#context.send({ op: 'kill', slot: this.number }), CAUSE_MS_MAX);
    this.ended.then(() => clearTimeout(timer));
  }

  #endingOf(ending: SlotEnding): Ending {
    if (this.#outOfMemory || (ending.cause === 'signal' && this.#output?.saysHeapIsFull()))
      return { cause: 'out-of-memory' };
    // It may have seen its channel go before it was killed.
    if (this.#isDestroyed && ending.cause === 'exit') return { cause: 'destroyed' };
    if (ending.cause === 'failed') return { cause: 'lost', reason: describeEnding(ending) };
    if (ending.cause === 'destroyed' && this.#brokenReason !== undefined) {
      return { cause: 'lost', reason: this.#brokenReason };
    }
    return ending;
  }
}

/**
 * Its own word for how long it took, as far as that can be true. A handler that answered with 1e999 and then
 * -1e999 made the lambda's typical time no number, and no instance was started for its callers ever again.
 */
function possible({ initUs, runUs }: Timings, passedUs: number): Timings {
  const within = (us: number) => Math.min(Math.max(us, 0), passedUs);
  return { initUs: within(initUs), runUs: within(runUs) };
}

interface Ended {
  kind: 'ended';
  ending: Ending;
}
