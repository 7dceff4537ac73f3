/**
 * The docker engine: sandboxes that are containers of one image, made ahead and paused.
 *
 * A container takes a tenth of a second to start, and nothing can be mounted into one that runs. So each has a
 * directory of its own for code, empty until it is handed over; those that wait have the limits that most lambdas
 * have, or that some lambda has asked for.
 */
import { closeSync, constants, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../../config/failure.ts';
import type { Limits } from '../../config/settings.ts';
import { NOT_COUNTED } from '../group-counts.ts';
import { type SlotRequest, sandboxLimits } from '../maker.ts';
import type { Engine, EngineFacts, EngineLog, EngineStats, Sandbox, SandboxSpec } from '../sandbox.ts';
import type { Slot, SlotContext } from '../slot.ts';
import { SlotTable } from '../slot-table.ts';
import { usedBytes } from './cgroup-files.ts';
import { Container, type ContainerMaking } from './container.ts';
import { type Daemon, openDaemon } from './daemon.ts';
import { reasonOf } from './docker-error.ts';
import { DockerEvents } from './events.ts';
import { Hearing } from './hearing.ts';
import { House } from './house.ts';
import { type Image, NODE_OLDEST, readyImage, runsNode } from './image.ts';
import { ofWorker } from './labels.ts';
import { Pools } from './pools.ts';
import { CONTAINERS_DIR, removeAll, removeUnknown } from './reclaim.ts';
import { weakerWalls } from './walls.ts';

export interface DockerEngineOptions {
  workerDir: string;
  /** Name of the image. */
  image: string;
  packagesDir: string;
  secretsDir: string;
  programDir: string;
  limits: Limits;
  poolSize: number;
  poolMax: number;
  log: EngineLog;
}

/** Until what Docker still has of containers that are no more is looked for again, in milliseconds. */
const SWEEP_MS = 2_000;
const NO_FILES = { oom: undefined, cpu: undefined, peak: undefined };
/** The kernel's counts go with the container's group, before anybody here knows of its end. */
const NOT_CHARGED = { peakBytes: undefined, cpuUs: undefined };

export async function startDockerEngine(options: DockerEngineOptions): Promise<Engine> {
  const daemon = await openDaemon();
  const image = await readyImage(daemon, options.image);
  await removeAll(daemon.docker, options.workerDir);
  for (const name of ['slots', 'handlers', CONTAINERS_DIR]) {
    mkdirSync(join(options.workerDir, name), { recursive: true, mode: 0o711 });
  }
  const engine = new DockerEngine(options, daemon, image);
  await engine.begin();
  return engine;
}

class DockerEngine implements Engine {
  readonly #options: DockerEngineOptions;
  readonly #house: House;
  readonly #workerDirFd: number;
  readonly #slots: SlotTable;
  readonly #containers = new Map<number, Container>();
  readonly #pools: Pools;
  readonly #preset: ContainerMaking;
  readonly #hearing: Hearing;
  #sweeping: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: DockerEngineOptions, daemon: Daemon, image: Image) {
    this.#options = options;
    this.#workerDirFd = openSync(options.workerDir, constants.O_RDONLY | constants.O_DIRECTORY);
    // A socket's name longer than 107 bytes is silently cut: go through the descriptor instead.
    const house = new House({ ...options, daemon, image, workerDirPath: `/proc/self/fd/${this.#workerDirFd}` });
    this.#house = house;
    this.#preset = { program: 'python', host_network: false, branch: null, limits: sandboxLimits(options.limits) };
    this.#pools = new Pools({
      size: options.poolSize,
      max: options.poolMax,
      preset: this.#preset,
      prepare: (making) => (this.ready() ? this.#slots.prepare(making) : undefined),
    });
    const context: SlotContext = {
      send: (request) => this.#obey(request),
      workerDirPath: house.workerDirPath,
      countFiles: (slot) => this.#containers.get(Number(slot))?.cgroup ?? NO_FILES,
      log: options.log,
    };
    const poolOf = (slot: Slot) => this.#pools.find(slot.making as ContainerMaking);
    this.#slots = new SlotTable({ context, poolOf, log: options.log });
    this.#hearing = new Hearing({
      open: (lost) => this.#listen(lost),
      onLost: (reason) => this.#lost(reason),
      onBack: () => this.#back(),
    });
  }

  /** Ready means that a sandbox has been made, not that one might be. The first goes to the pool. */
  async begin(): Promise<void> {
    try {
      await this.#hearing.open();
      const slot = this.#slots.prepare(this.#preset);
      if (this.#options.poolSize > 0) this.#pools.preset.add(slot);
      await slot.made;
      if (this.#options.poolSize === 0) await slot.destroy();
      this.#pools.preset.tend();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  facts(): EngineFacts {
    const { image, daemon } = this.#house;
    const uses = [`Docker ${daemon.version}`, `image ${image.name}`];
    return { engine: 'docker', python: image.python, uses, weaker: weakerWalls(this.#house) };
  }

  ready(): boolean {
    return this.#hearing.heard && !this.#closed;
  }

  stats(): EngineStats {
    return { ...this.#pools.counts(), zygotes: 0, forks: this.#slots.made, zygotesRenewed: 0 };
  }

  async create(spec: SandboxSpec): Promise<Sandbox> {
    if (this.#closed) throw new Failure('stopping', 'the engine is closed');
    if (spec.network.mode === 'outbound') {
      const reason =
        'the docker engine has no network that keeps this machine out of reach; set "sandbox" to "sock" for it';
      throw notMade('connect its network', reason);
    }
    if (spec.node !== undefined && !runsNode(this.#house.image)) {
      const { name, node = 'no Node' } = this.#house.image;
      const reason = `the image ${name} has ${node}, and handlers in JavaScript need Node ${NODE_OLDEST} or newer beside Python`;
      throw notMade(
        'start Node',
        `${reason}; set a docker.image that has both, or "sandbox" to "sock", with \`admin setconf\``,
      );
    }
    if (spec.kernel !== undefined) {
      throw notMade('start a kernel', 'the docker engine runs no sessions; set "sandbox" to "sock" for them');
    }
    await this.#hearing.open().catch((error: unknown) => {
      throw notMade('reach the Docker daemon', reasonOf(error), error);
    });
    const making = makingOf(spec);
    const slot = this.#pools.take(making) ?? this.#slots.prepare(making);
    const waited = slot.state === 'waiting';
    slot.handOver(spec);
    this.#pools.find(making)?.tend();
    this.#wakeNext(making);
    if (!waited) await slot.started;
    return slot;
  }

  async memory(only?: string): Promise<ReadonlyMap<string, number>> {
    const used = new Map<string, number>();
    for (const [slot, { cgroup }] of this.#containers) {
      if (only !== undefined && only !== String(slot)) continue;
      const bytes = cgroup && usedBytes(cgroup);
      if (bytes !== undefined) used.set(String(slot), bytes);
    }
    return used;
  }

  memoryInUse(): number | undefined {
    return undefined;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#pools.clear();
    clearTimeout(this.#sweeping);
    await Promise.all(this.#slots.all.map((slot) => slot.destroy()));
    this.#hearing.close();
    closeSync(this.#workerDirFd);
    await removeAll(this.#house.docker, this.#house.workerDir);
  }

  // -- the daemon ---------------------------------------------------------------------------------

  async #listen(lost: (reason: string) => void): Promise<DockerEvents> {
    const { patient } = await openDaemon();
    return DockerEvents.open(patient, ofWorker(this.#house.workerDir).label, {
      died: (slot, status) => this.#containers.get(slot)?.died(status),
      lost,
    });
  }

  /** A daemon that stops takes its containers along, or leaves them where nobody knows what becomes of them. */
  #lost(reason: string): void {
    this.#options.log('error', 'the Docker daemon is gone', { reason });
    this.#pools.clear();
    for (const container of this.#containers.values()) container.lose(reason);
    this.#slots.lose(reason);
  }

  #back(): void {
    this.#options.log('info', 'the Docker daemon is there again');
    this.#sweep();
    this.#pools.preset.tend();
  }

  /** Removes what Docker has of containers that are no more here. */
  #sweep(): void {
    this.#sweeping = undefined;
    const { docker, workerDir } = this.#house;
    removeUnknown(docker, workerDir, (slot) => this.#containers.has(slot)).catch((error: unknown) => {
      this.#options.log('error', 'something of a container could not be removed', { reason: reasonOf(error) });
      this.#sweepLater();
    });
  }

  #sweepLater(): void {
    if (!this.ready()) return; // when the daemon is back
    this.#sweeping ??= setTimeout(() => this.#sweep(), SWEEP_MS);
  }

  /** One waits awake, which costs nothing: to resume a container takes Docker longer than all the rest of a cold start. */
  #wakeNext(making: ContainerMaking): void {
    const next = this.#pools.find(making)?.next;
    if (next?.state === 'waiting') this.#containers.get(next.number)?.resume();
  }

  #obey(request: SlotRequest): void {
    const { slot: number } = request;
    if (request.op === 'prepare') {
      this.#make(number, request as ContainerMaking);
      return;
    }
    const container = this.#containers.get(number);
    if (container === undefined) return;
    if (request.op === 'start') container.start(request);
    // Forks are in the container's groups, and in no others.
    else if (request.op === 'end-fork') this.#slots.forkEnded(number, request.fork, NOT_COUNTED);
    else container[request.op]();
  }

  #make(number: number, making: ContainerMaking): void {
    const container = new Container(this.#house, number, {
      listening: () => this.#slots.listening(number),
      isNext: () => this.#pools.find(making)?.next?.number === number,
      waiting: () => {
        this.#slots.waiting(number);
        this.#wakeNext(making);
      },
      started: () => this.#slots.started(number),
      left: () => this.#sweepLater(),
      ended: (ending) => {
        this.#containers.delete(number);
        this.#slots.ended(number, ending, NOT_CHARGED);
        this.#wakeNext(making);
      },
    });
    this.#containers.set(number, container);
    // Its slot is known only when its own constructor has returned.
    container.make(making);
  }
}

function makingOf({ limits, network }: SandboxSpec): ContainerMaking {
  return { program: 'python', host_network: network.mode === 'host', branch: null, limits: sandboxLimits(limits) };
}

function notMade(step: string, reason: string, cause?: unknown): Failure {
  return new Failure('sandbox-failed', `the sandbox could not be made: ${step}: ${reason}`, { step, cause });
}
