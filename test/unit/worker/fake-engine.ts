/**
 * An engine without processes, to see what the worker does with sandboxes. The event says what the
 * sandbox does: `{"sleep": ms}`, `{"raise": 1}`, `{"exit": n}`, `{"signal": s}`, `{"oom": 1}`,
 * `{"hang": 1}`, `{"gate": 1}` which waits for `openGate`, `{"answer": bytes}`; anything else is echoed.
 */
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Failure } from '../../../src/config/failure.ts';
import type { Loader, LoaderEnding, LoaderSpec } from '../../../src/sandbox/loader.ts';
import type {
  Call,
  Ending,
  Engine,
  EngineFacts,
  EngineStats,
  Loaded,
  Reply,
  Sandbox,
  SandboxSpec,
} from '../../../src/sandbox/sandbox.ts';

const INIT_FAILED = '{"errorType":"X"}';

export class FakeEngine implements Engine {
  readonly made: FakeSandbox[] = [];
  /** Creations take this long. */
  createMs = 0;
  /** So many of the next creations fail. */
  failures = 0;
  /** Whether sandboxes come out of a pool: that they could not get their code is then the reply to the first call. */
  pooled = false;
  /** Memory of each. */
  sandboxBytes = 1_000_000;
  /** Whether there is a common cgroup that counts them all. */
  countsTogether = true;
  /** What comes of loading the code ahead. */
  loading: 'loads' | 'fails' | 'exits' | 'hangs' = 'loads';
  /** How long loading it takes, in microseconds, unless it is a fork of a loader. */
  loadUs = 1000;
  /** What loading it has left behind. */
  found: unknown[] = [];
  readonly loaders: FakeLoader[] = [];
  /** What becomes of loaders, if they do not become ready. */
  loaderEnding: LoaderEnding | undefined;
  /** What comes of loading the code in forks of loaders. */
  forksLoading: 'loads' | 'exits' | 'hangs' = 'loads';
  /** Whether it says that sandboxes can be made. */
  able = true;
  /** The most that ever lived at the same time. */
  peak = 0;

  get live(): FakeSandbox[] {
    return this.made.filter((sandbox) => !sandbox.gone);
  }

  async create(spec: SandboxSpec): Promise<Sandbox> {
    const loading = spec.loader === undefined ? this.loading : this.forksLoading;
    const sandbox = new FakeSandbox(spec, {
      loading,
      loadUs: spec.loader === undefined ? this.loadUs : 0,
      found: this.found,
    });
    this.made.push(sandbox);
    this.peak = Math.max(this.peak, this.live.length);
    if (this.createMs > 0) await delay(this.createMs);
    if (this.failures > 0) {
      this.failures -= 1;
      sandbox.gone = true;
      throw new Failure('sandbox-failed', 'no sandbox today', { step: 'attach code' });
    }
    if (existsSync(spec.codeDir as string)) return sandbox;
    if (!this.pooled) {
      sandbox.gone = true;
      throw new Failure('sandbox-failed', 'ENOENT', { step: 'attach code' });
    }
    sandbox.codeless = true;
    setImmediate(() => sandbox.die({ cause: 'not-started', reason: 'attach code: ENOENT' }));
    return sandbox;
  }

  async load(spec: LoaderSpec): Promise<Loader | LoaderEnding> {
    const loader = new FakeLoader(spec);
    this.loaders.push(loader);
    return this.loaderEnding ?? loader;
  }

  ready(): boolean {
    return this.able;
  }

  facts(): EngineFacts {
    return { engine: 'fake', python: '3.0.0', uses: ['nothing'], weaker: ['nothing is real'] };
  }

  stats(): EngineStats {
    return {
      poolWaiting: 0,
      poolTarget: 0,
      handedOverFromPool: 0,
      handedOverEmpty: this.made.length,
      zygotes: 0,
      forks: 0,
      zygotesRenewed: 0,
    };
  }

  async memory(): Promise<ReadonlyMap<string, number>> {
    return new Map(this.live.map((sandbox) => [sandbox.id, this.sandboxBytes]));
  }

  memoryInUse(): number | undefined {
    return this.countsTogether ? this.live.length * this.sandboxBytes : undefined;
  }

  async close(): Promise<void> {
    await Promise.all(this.live.map((sandbox) => sandbox.destroy()));
  }
}

export class FakeLoader implements Loader {
  readonly spec: LoaderSpec;
  readonly number = 1;
  readonly findings: unknown = [];
  readonly tookUs = 100_000;
  readonly forks = 0;
  readonly bytes = undefined;
  readonly ended: Promise<LoaderEnding>;
  retired = false;
  end!: (ending: LoaderEnding) => void;

  constructor(spec: LoaderSpec) {
    this.spec = spec;
    this.ended = new Promise((resolve) => {
      this.end = resolve;
    });
  }

  retire(): void {
    this.retired = true;
    this.end({ cause: 'retired' });
  }
}

interface Loading {
  loading: FakeEngine['loading'];
  loadUs: number;
  found: unknown[];
}

export class FakeSandbox implements Sandbox {
  readonly spec: SandboxSpec;
  readonly id: string;
  readonly ended: Promise<Ending>;
  readonly events: string[] = [];
  peakBytes: number | undefined;
  cpuUs: number | undefined;
  gone = false;
  paused = false;
  pauses = 0;
  /** It was never given any code: calls wait for its end. */
  codeless = false;
  /** Whether its code was loaded ahead of any call. */
  loaded = false;
  readonly #loading: FakeEngine['loading'];
  readonly #load: Loading;
  openGate!: () => void;
  readonly #gate = new Promise<void>((resolve) => {
    this.openGate = resolve;
  });
  #busy = false;
  #end!: (ending: Ending) => void;

  constructor(spec: SandboxSpec, load: Loading) {
    this.#loading = load.loading;
    this.#load = load;
    this.spec = spec;
    this.id = `${spec.lambda}/${spec.instance}`;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  async call({ event }: Call): Promise<Reply> {
    if (this.codeless) return { kind: 'ended', ending: await this.ended };
    if (this.#busy) throw new Error('two calls at once');
    this.#busy = true;
    this.paused = false;
    const text = Buffer.from(event).toString();
    this.events.push(text);
    const ended = this.ended.then((ending): Reply => ({ kind: 'ended', ending }));
    const reply = await Promise.race([this.#react(text, Buffer.from(event)), ended]);
    this.#busy = false;
    return reply;
  }

  converse(): never {
    throw new Error('this one runs lambdas only');
  }

  async load(): Promise<Loaded> {
    if (this.codeless) return { kind: 'ended', ending: await this.ended };
    this.loaded = true;
    if (this.#loading === 'exits') this.die({ cause: 'exit', status: 1 });
    if (this.#loading === 'hangs' || this.#loading === 'exits') return { kind: 'ended', ending: await this.ended };
    const timings = { initUs: this.#load.loadUs, runUs: 0 };
    const body = Buffer.from(JSON.stringify(this.#load.found));
    if (this.#loading === 'loads') return { kind: 'loaded', body, timings };
    return { kind: 'init-failed', body: Buffer.from(INIT_FAILED), timings };
  }

  async #react(text: string, body: Buffer): Promise<Reply> {
    const timings = { initUs: this.events.length === 1 && !this.loaded ? 1000 : 0, runUs: 20 };
    if (this.loaded && this.#loading === 'fails')
      return { kind: 'init-failed', body: Buffer.from(INIT_FAILED), timings };
    let event: Record<string, unknown> | null;
    try {
      event = JSON.parse(text);
    } catch {
      return { kind: 'event-invalid', body: Buffer.from('{"errorType":"Runtime.UnmarshalError"}'), timings };
    }
    if (event?.exit !== undefined) this.die({ cause: 'exit', status: Number(event.exit) });
    if (event?.signal !== undefined) this.die({ cause: 'signal', signal: String(event.signal) });
    if (event?.oom !== undefined) this.die({ cause: 'out-of-memory' });
    if (
      event?.hang !== undefined ||
      event?.exit !== undefined ||
      event?.signal !== undefined ||
      event?.oom !== undefined
    ) {
      await new Promise(() => {});
    }
    if (event?.answer !== undefined) {
      return { kind: 'result', body: Buffer.alloc(Number(event.answer), 0x20), timings };
    }
    if (event?.raise !== undefined) return { kind: 'raised', body: Buffer.from('{"errorType":"ValueError"}'), timings };
    if (event?.init !== undefined) return { kind: 'init-failed', body: Buffer.from(INIT_FAILED), timings };
    if (event?.gate !== undefined) await this.#gate;
    if (event?.sleep !== undefined) {
      await delay(Number(event.sleep));
      timings.runUs += Number(event.sleep) * 1000;
    }
    return { kind: 'result', body, timings };
  }

  async pause(): Promise<void> {
    if (this.#busy) throw new Error('paused while busy');
    this.paused = true;
    this.pauses += 1;
  }

  /** Ends by itself, as a process does. */
  die(ending: Ending): void {
    this.#end(ending);
  }

  async destroy(): Promise<void> {
    this.#end({ cause: 'destroyed' });
    await delay(1);
    this.gone = true;
  }
}
