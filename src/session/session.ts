/**
 * One session of this machine: its kernel, its executions, and the times at which it ends.
 *
 * It is unused while nothing runs, or a program waits for input, and nobody asks anything of it but how it is.
 */
import { Failure } from '../config/failure.ts';
import type { Limits } from '../config/settings.ts';
import { Deadline } from '../lib/deadline.ts';
import { within } from '../lib/within.ts';
import { ConsoleText } from './console-text.ts';
import { causeOf, type EndCause, spanWords } from './endings.ts';
import type { SessionEnding, SessionFacts, SessionSpec, SessionState } from './host.ts';
import type { Kernel, KernelUsage, Pty, PtySize, RaisedError } from './kernel.ts';
import { ENDED_LOG_CHARS_MAX, LOG_CHARS_MAX, LOST_EXIT_CODE, TIMEOUT_EXIT_CODE } from './limits.ts';
import type { Run } from './run.ts';
import { RunQueue } from './run-queue.ts';

export interface SessionOrder {
  spec: SessionSpec;
  /** Id of the language. */
  language: string;
  limits: Readonly<Limits>;
  forkOf: string | null;
  /** Told once, when nothing is left of it. */
  onEnded(session: Session): void;
}

export type EndedFacts = SessionFacts & { ending: SessionEnding };

/** What the last numbers of a sandbox may take to come by, in milliseconds. */
const USAGE_MS_MAX = 500;
const STARTUP_RUN = 'startup';

export class Session {
  readonly id: string;
  readonly queue: RunQueue;
  readonly kernel: Kernel;
  readonly #order: SessionOrder;
  readonly #text = new ConsoleText(LOG_CHARS_MAX);
  readonly #createdAtMs = Date.now();
  readonly #idle: Deadline;
  readonly #life: Deadline;
  readonly #run: Deadline;
  #runLeftMs = 0;
  #runBegunMs = 0;
  #state: SessionState = 'running';
  /** Since when it is unused; undefined while it is not. */
  #idleSinceMs: number | undefined;
  #ending: SessionEnding | null = null;
  #ended: Promise<EndedFacts> | undefined;
  #usage: KernelUsage = { memoryBytes: undefined, peakBytes: undefined, cpuMs: undefined, oomKilled: undefined };

  constructor(order: SessionOrder, kernel: Kernel) {
    const { spec } = order;
    this.id = spec.id;
    this.kernel = kernel;
    this.#order = order;
    this.#idle = new Deadline(() =>
      this.#endBy('idle-timeout', `Nobody used it for ${spanWords(spec.idleTimeoutMs)}.`),
    );
    this.#life = new Deadline(() =>
      this.#endBy('lifetime', `It lived for ${spanWords(spec.lifetimeMs)}, as it might.`),
    );
    this.#run = new Deadline(() => this.#timeOut());
    this.queue = new RunQueue(kernel, {
      onBegin: () => this.#begun(),
      onInput: (run) => this.#inputTurn(run),
      onEnd: (run) => this.#runEnded(run),
      onOutput: (items) => this.#text.add(items),
    });
    this.#rest();
    if (spec.lifetimeMs > 0) this.#life.set(spec.lifetimeMs);
    void kernel.ended.then((ending) => this.end(causeOf(ending)));
    if (spec.startupCommand !== undefined) {
      this.queue.submit(STARTUP_RUN, { mode: 'batch', clean: '', build: '', exec: spec.startupCommand });
    }
  }

  get state(): SessionState {
    return this.#state;
  }

  get language(): string {
    return this.#order.language;
  }

  get limits(): Readonly<Limits> {
    return this.#order.limits;
  }

  get spec(): SessionSpec {
    return this.#order.spec;
  }

  get ending(): SessionEnding | null {
    return this.#ending;
  }

  /** Somebody has asked something of it. */
  touch(): void {
    if (this.#idleSinceMs !== undefined) this.#rest();
  }

  logs(): string {
    return this.#text.toString();
  }

  /** What runs or waits has finished; the files stay. */
  async restart(): Promise<void> {
    this.refuseUnless('running');
    this.#state = 'restarting';
    this.queue.stop();
    this.queue.endAll(LOST_EXIT_CODE, fault('SessionRestarted', 'The session was restarted.'));
    try {
      await this.kernel.restart();
    } finally {
      // A kernel that does not come back has ended, which is told by itself; or says so to whoever runs something.
      if (this.#state === 'restarting') {
        this.#state = 'running';
        this.queue.start(this.kernel);
      }
    }
    this.touch();
  }

  /** As long as data go either way, it is in use. */
  async pty(size: PtySize): Promise<Pty> {
    const pty = await this.kernel.pty(size);
    return {
      write: (bytes) => {
        this.touch();
        pty.write(bytes);
      },
      resize: (to) => pty.resize(to),
      pause: () => pty.pause(),
      resume: () => pty.resume(),
      onData: (hear) =>
        pty.onData((bytes) => {
          this.touch();
          hear(bytes);
        }),
      close: () => pty.close(),
      ended: pty.ended,
    };
  }

  /** Throws Failure `session-missing` if it is ending, `session-invalid` if it is in another state. */
  refuseUnless(state: SessionState): void {
    if (this.#state === state) return;
    if (this.#ending !== null) throw missing(this.id, this.#ending.detail);
    throw new Failure('session-invalid', `session ${this.id} is ${this.#state}; try again when it is ${state}`);
  }

  async facts(): Promise<SessionFacts> {
    if (this.#ending === null) await this.#measure();
    return this.factsNow();
  }

  /** Resolves when nothing is left of it. Idempotent: the first cause counts. */
  end(cause: EndCause): Promise<EndedFacts> {
    this.#ended ??= this.#end(cause);
    return this.#ended;
  }

  #endBy(reason: EndCause['reason'], detail: string): void {
    void this.end({ reason, detail });
  }

  async #end({ reason, detail, exitCode }: EndCause): Promise<EndedFacts> {
    const ending = { reason, detail, exitCode: exitCode ?? null, endedMs: Date.now() };
    this.#ending = ending;
    this.#state = 'ending';
    for (const deadline of [this.#idle, this.#life, this.#run]) deadline.close();
    this.queue.stop();
    this.queue.endAll(LOST_EXIT_CODE, fault('SessionEnded', detail));
    await this.#measure();
    await this.kernel.destroy();
    this.#state = 'ended';
    this.#text.shrink(ENDED_LOG_CHARS_MAX);
    this.#order.onEnded(this);
    return { ...this.factsNow(), ending };
  }

  // -- time ------------------------------------------------------------------------------------------

  #begun(): void {
    this.#idleSinceMs = undefined;
    this.#idle.lift();
    this.#runLeftMs = this.#order.spec.runTimeoutMs ?? 0;
    this.#startClock();
  }

  #inputTurn(run: Run): void {
    if (run.state === 'waiting-input') {
      this.#stopClock();
      this.#rest();
    } else {
      this.#idleSinceMs = undefined;
      this.#idle.lift();
      this.#startClock();
    }
  }

  #runEnded(run: Run): void {
    this.#run.lift();
    if (this.#ending !== null) return;
    if (this.queue.current === undefined) this.#rest();
    if (run.id === STARTUP_RUN && this.#order.spec.startupCommand !== undefined) this.#taskEnded(run);
  }

  #taskEnded(run: Run): void {
    const { exitCode } = run.log.take(run.log.end - 1);
    const detail = `Its start-up command has ended with exit code ${exitCode}.`;
    void this.end({ reason: 'task-finished', detail, exitCode: exitCode ?? undefined });
  }

  #rest(): void {
    this.#idleSinceMs = Date.now();
    const { idleTimeoutMs } = this.#order.spec;
    if (idleTimeoutMs > 0) this.#idle.set(idleTimeoutMs);
  }

  #startClock(): void {
    if (this.#runLeftMs <= 0) return;
    this.#runBegunMs = performance.now();
    this.#run.set(this.#runLeftMs);
  }

  /** Somebody who is asked for input may take his time. */
  #stopClock(): void {
    if (this.#runLeftMs <= 0) return;
    this.#run.lift();
    this.#runLeftMs = Math.max(1, this.#runLeftMs - (performance.now() - this.#runBegunMs));
  }

  #timeOut(): void {
    const detail = `An execution took longer than ${spanWords(this.#order.spec.runTimeoutMs ?? 0)}.`;
    this.queue.timeOut(TIMEOUT_EXIT_CODE, fault('ExecutionTimeout', detail));
    this.#endBy('exec-timeout', detail);
  }

  // -- numbers ---------------------------------------------------------------------------------------

  /** They are nice to have: a sandbox that does not say keeps nobody waiting. */
  async #measure(): Promise<void> {
    const asked = this.kernel.usage().then(
      (usage) => {
        this.#usage = usage;
      },
      () => {}, // It has ended: what is known is what was known.
    );
    await within(USAGE_MS_MAX, asked, () => {});
  }

  /** Memory and CPU time are those that were last asked for. */
  factsNow(): SessionFacts {
    const { spec, language, limits, forkOf } = this.#order;
    const nowMs = Date.now();
    const idleSinceMs = this.#ending === null ? (this.#idleSinceMs ?? null) : null;
    return {
      id: this.id,
      language,
      state: this.#state,
      createdAtMs: this.#createdAtMs,
      executions: this.queue.begun,
      runId: this.queue.current?.id ?? null,
      queued: this.queue.queued,
      idleSinceMs,
      idleTimeoutMs: spec.idleTimeoutMs,
      idleLeftMs: leftOf(spec.idleTimeoutMs, idleSinceMs, nowMs),
      lifetimeMs: spec.lifetimeMs,
      lifetimeLeftMs: leftOf(spec.lifetimeMs, this.#createdAtMs, nowMs),
      memoryBytes: this.#usage.memoryBytes ?? null,
      memoryPeakBytes: this.#usage.peakBytes ?? null,
      oomKilled: this.#usage.oomKilled ?? null,
      cpuMs: this.#usage.cpuMs ?? null,
      limits,
      network: spec.network?.mode ?? 'none',
      forkOf,
      ending: this.#ending,
    };
  }
}

export function missing(id: string, detail: string | undefined): Failure {
  const why = detail === undefined ? 'there is no such session here' : `it has ended: ${detail}`;
  return new Failure('session-missing', `session ${id}: ${why}`);
}

function leftOf(spanMs: number, sinceMs: number | null, nowMs: number): number | null {
  return spanMs === 0 || sinceMs === null ? null : Math.max(0, sinceMs + spanMs - nowMs);
}

function fault(name: string, message: string): RaisedError {
  return { name, message, traceback: [] };
}
