/**
 * The sock engine: sandboxes out of Linux namespaces, forked from zygotes by the spawner.
 *
 * This side keeps a pool of waiting sandboxes, hands code to one when an instance is asked for, and starts
 * the spawner again when it dies. It makes no privileged call itself.
 */
import { closeSync, constants, openSync } from 'node:fs';
import { Failure } from '../../config/failure.ts';
import type { Loader, LoaderEnding, LoaderSpec } from '../loader.ts';
import { heapMb, type Making } from '../maker.ts';
import type {
  EngineFacts,
  EngineStats,
  Sandbox,
  SandboxSpec,
  Zygote,
  ZygoteEnding,
  ZygoteEngine,
  ZygoteSpec,
} from '../sandbox.ts';
import type { Slot, SlotContext } from '../slot.ts';
import { startedOrAnother } from '../started.ts';
import { countFilesOf } from './count-files.ts';
import { type MemoryFiles, memoryInUse } from './memory-count.ts';
import { nodeMaking } from './node-pools.ts';
import { reclaimSock } from './reclaim.ts';
import { Slots } from './slots.ts';
import { type SockEngineOptions, spawnerConfig } from './spawner-config.ts';
import { type SpawnerEvent, SpawnerProcess, unfit } from './spawner-process.ts';
import { ZygoteCounts } from './zygote-counts.ts';

const LIVED_MS_MIN = 1_000;
/** Between tries that nobody's call has made, in milliseconds. */
const RETRY_MS = 5_000;

export async function startSockEngine(options: SockEngineOptions): Promise<ZygoteEngine> {
  const engine = new SockEngine(options);
  try {
    await engine.begin();
  } catch (error) {
    await engine.close();
    throw error;
  }
  return engine;
}

class SockEngine implements ZygoteEngine {
  readonly #options: SockEngineOptions;
  readonly #context: SlotContext;
  readonly #workerDirFd: number;
  readonly #slots: Slots;
  onRenewed: () => void = () => {};
  #spawner: SpawnerProcess | undefined;
  /** The spawner's start; undefined after one failed, so that the next call is the next try. */
  #running: Promise<void> | undefined;
  #facts: EngineFacts = { engine: 'sock', python: '', uses: [], weaker: [] };
  readonly #zygotes = new ZygoteCounts();
  #onReady: () => void = () => {};
  #onUnfit: (failure: Failure) => void = () => {};
  #countFiles = countFilesOf({ oom_file: null, cpu_file: null, peak_file: null });
  #memoryFiles: MemoryFiles | undefined;
  #memoryWaiters: ((slots: Record<string, number>) => void)[] = [];
  /** The spawner lives and its first zygote is ready. */
  #ready = false;
  /** When the last try to start the spawner began. */
  #triedMs = 0;
  #closed = false;

  constructor(options: SockEngineOptions) {
    this.#options = options;
    this.#workerDirFd = openSync(options.workerDir, constants.O_RDONLY | constants.O_DIRECTORY);
    this.#context = {
      // What is said to a spawner that died is lost with it: its slots end all the same.
      send: (request) => this.#spawner?.send(request),
      // A socket's name longer than 107 bytes is silently cut: go through the descriptor instead.
      workerDirPath: `/proc/self/fd/${this.#workerDirFd}`,
      countFiles: (name) => this.#countFiles(name),
      log: options.log,
    };
    this.#slots = new Slots({
      ...options,
      context: this.#context,
      send: (request) => this.#spawner?.send(request),
      able: () => !this.#closed && this.#ready,
    });
  }

  begin(): Promise<void> {
    this.#running = this.#start();
    return this.#running;
  }

  async #start(): Promise<void> {
    this.#triedMs = performance.now();
    const { programDir, hostPython } = this.#options;
    const ready = new Promise<void>((resolve, reject) => {
      this.#onReady = resolve;
      this.#onUnfit = reject;
    });
    ready.catch(() => {});
    const spawner = new SpawnerProcess(hostPython, programDir, (event) => this.#hear(event));
    this.#spawner = spawner;
    await spawner.start(spawnerConfig(this.#options), ready);
    this.#ready = true;
    const bornMs = performance.now();
    spawner.exited.then((said) => {
      if (this.#spawner === spawner && this.#ready) this.#spawnerDied(said, performance.now() - bornMs);
    });
    await this.#proveOne();
    this.#slots.tend();
  }

  facts(): EngineFacts {
    return this.#facts;
  }

  ready(): boolean {
    if (this.#ready || this.#closed) return this.#ready && !this.#closed;
    // Whoever sends calls only to those who are ready would never send the one that makes the next try.
    if (this.#running === undefined && performance.now() - this.#triedMs >= RETRY_MS) this.#restart();
    return false;
  }

  stats(): EngineStats {
    return {
      ...this.#slots.counts(),
      zygotes: this.#zygotes.alive,
      zygotesRenewed: this.#zygotes.renewed,
    };
  }

  async create(spec: SandboxSpec, zygote?: Zygote): Promise<Sandbox> {
    if (this.#closed) throw new Failure('stopping', 'the engine is closed');
    await (this.#running ?? this.#restart());
    const isNode = spec.node !== undefined;
    if (spec.network.mode === 'host' || !(spec.zygote || isNode)) return this.#createApart(spec);
    const slot = isNode ? this.#slots.takeNode(heapMb(spec.limits)) : this.#slots.take(spec, zygote);
    const waited = slot.state === 'waiting';
    slot.handOver(spec);
    this.#slots.poolOf(slot)?.tend();
    // Before its network is there it has not started, and whether it will be there is not for a call to find out.
    if (!waited || spec.network.mode !== 'none') return startedOrAnother(slot, () => this.#another(spec));
    return slot;
  }

  expect({ node, limits, network }: Pick<SandboxSpec, 'node' | 'limits' | 'network'>): void {
    if (node === undefined || network.mode === 'host' || this.#closed) return;
    this.#slots.nodePools.expect(heapMb(limits)).tend();
  }

  expectSessions(): void {
    this.#slots.kernels.expect();
  }

  grow(spec: ZygoteSpec): Promise<Zygote | ZygoteEnding> {
    if (!this.#closed && this.#ready) return this.#slots.branches.grow(spec);
    return Promise.resolve({ cause: 'lost', reason: 'there is no spawner at the moment' });
  }

  load(spec: LoaderSpec): Promise<Loader | LoaderEnding> {
    if (!this.#closed && this.#ready) return this.#slots.load(spec);
    return Promise.resolve({ cause: 'lost', reason: 'there is no spawner at the moment' });
  }

  async measure(): Promise<ReadonlyMap<Zygote, number>> {
    return this.#closed || !this.#ready ? new Map() : this.#slots.branches.measure();
  }

  /** Made from nothing for this lambda alone: none wait, and the pool of the others is not touched. */
  #createApart(spec: SandboxSpec): Promise<Sandbox> {
    return startedOrAnother(this.#makeFor(spec), () => this.#another(spec));
  }

  async #another(spec: SandboxSpec): Promise<Slot> {
    await (this.#running ?? this.#restart());
    return this.#makeFor(spec);
  }

  #makeFor(spec: SandboxSpec): Slot {
    const slot = this.#slots.prepare(makingOf(spec));
    slot.handOver(spec);
    return slot;
  }

  async memory(only?: string): Promise<ReadonlyMap<string, number>> {
    if (this.#closed || !this.#ready) return new Map();
    const slots = await new Promise<Record<string, number>>((resolve) => {
      this.#memoryWaiters.push(resolve);
      this.#spawner?.send({ op: 'memory', slot: only === undefined ? null : Number(only) });
    });
    return new Map(Object.entries(slots));
  }

  memoryInUse(): number | undefined {
    return this.#memoryFiles && memoryInUse(this.#memoryFiles);
  }

  async close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      await this.#running?.catch(() => {});
      const clean = (await this.#spawner?.close()) ?? false;
      this.#loseAll('the worker stops');
      if (!clean) await reclaimSock(this.#options.workerDir, this.#options.hostPython, this.#options.programDir);
      this.#slots.nodePools.close();
      closeSync(this.#workerDirFd);
    }
  }

  /** Ready means that a sandbox has been made, not that one might be. The first goes to the pool. */
  async #proveOne(): Promise<void> {
    const slot = this.#slots.prepare();
    if (this.#options.poolSize > 0) this.#slots.pool.add(slot);
    await slot.made;
    if (this.#options.poolSize === 0) await slot.destroy();
  }

  // -- the spawner --------------------------------------------------------------------------------

  #hear(event: SpawnerEvent): void {
    switch (event.ev) {
      case 'ready':
        this.#facts = { engine: 'sock', python: event.python, uses: event.uses, weaker: event.weaker };
        this.#countFiles = countFilesOf(event);
        this.#memoryFiles = event.memory_files ?? undefined;
        this.#onReady();
        break;
      case 'unfit':
        this.#onUnfit(unfit(event.reason));
        break;
      case 'memory':
        this.#memoryWaiters.shift()?.(event.slots);
        break;
      case 'left':
        this.#options.log('warn', 'a scratch directory could not be removed yet', {
          path: event.path,
          reason: event.reason,
        });
        break;
      case 'zygote':
        this.#zygotes.hear(event, this.#options.log);
        if (event.state !== 'retired') break;
        this.#slots.kernels.renew();
        this.onRenewed();
        break;
      case 'branch':
      case 'measured':
        this.#slots.hearOfZygote(event);
        break;
      default:
        this.#slots.hear(event);
    }
  }

  #spawnerDied(said: string, livedMs: number): void {
    if (this.#closed) return;
    this.#options.log('error', 'the spawner died', { said, livedMs: Math.round(livedMs) });
    this.#ready = false;
    this.#loseAll('the spawner died');
    // One that dies at once would die again: then only a call makes the next try.
    this.#running = undefined;
    if (livedMs >= LIVED_MS_MIN) this.#restart();
  }

  /** Those who wait for it see the failure; the worker goes on, and the next call is the next try. */
  #restart(): Promise<void> {
    const running = this.#tryStart();
    running.catch(() => {});
    this.#running = running;
    return running;
  }

  async #tryStart(): Promise<void> {
    try {
      await this.#start();
    } catch (error) {
      this.#options.log('error', 'the spawner could not be started again', { reason: (error as Error).message });
      this.#ready = false;
      this.#loseAll('the spawner could not be started again');
      await this.#spawner?.close();
      this.#running = undefined;
      throw error;
    }
  }

  #loseAll(reason: string): void {
    this.#slots.lose(reason);
    this.#zygotes.lose();
    for (const waiter of this.#memoryWaiters.splice(0)) waiter({});
  }
}

function makingOf({ node, zygote, network, limits }: SandboxSpec): Making {
  const hostNetwork = network.mode === 'host';
  if (node !== undefined) return nodeMaking(heapMb(limits), hostNetwork);
  return { program: zygote ? 'fork' : 'python', host_network: hostNetwork, branch: null };
}
