/**
 * The docker engine: sandboxes that are containers of one image, made ahead and paused.
 *
 * A container takes a tenth of a second to start, and nothing can be mounted into one that runs. So each has a
 * directory of its own for code, empty until it is handed over; those that wait have the limits that most lambdas
 * have, and for others one is made when it is asked for.
 */
import { closeSync, constants, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../../config/failure.ts';
import type { Limits } from '../../config/settings.ts';
import { type SandboxLimits, type SlotEnding, type SlotRequest, sandboxLimits } from '../maker.ts';
import { Pool } from '../pool.ts';
import type { Engine, EngineFacts, EngineLog, EngineStats, Sandbox, SandboxSpec } from '../sandbox.ts';
import { Slot, type SlotContext } from '../slot.ts';
import { usedBytes } from './cgroup-files.ts';
import { Container, type ContainerMaking } from './container.ts';
import { type Daemon, openDaemon } from './daemon.ts';
import { DockerEvents } from './events.ts';
import { House } from './house.ts';
import { readyImage } from './image.ts';
import { ofWorker } from './labels.ts';
import { CONTAINERS_DIR, removeAll } from './reclaim.ts';
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

const NOT_COUNTED = { oom: undefined, cpu: undefined };

export async function startDockerEngine(options: DockerEngineOptions): Promise<Engine> {
  const daemon = await openDaemon();
  const workerDirFd = openSync(options.workerDir, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const image = await readyImage(daemon, options.image);
    await removeAll(daemon.docker, options.workerDir);
    for (const name of ['slots', 'handlers', CONTAINERS_DIR]) {
      mkdirSync(join(options.workerDir, name), { recursive: true, mode: 0o711 });
    }
    // A socket's name longer than 107 bytes is silently cut: go through the descriptor instead.
    const house = new House({
      ...options,
      docker: daemon.docker,
      image,
      workerDirPath: `/proc/self/fd/${workerDirFd}`,
    });
    const engine = new DockerEngine(options, daemon, house);
    await engine.begin();
    return engine;
  } catch (error) {
    closeSync(workerDirFd);
    throw error;
  }
}

class DockerEngine implements Engine {
  readonly #options: DockerEngineOptions;
  readonly #daemon: Daemon;
  readonly #house: House;
  readonly #context: SlotContext;
  readonly #slots = new Map<number, Slot>();
  readonly #containers = new Map<number, Container>();
  readonly #pool: Pool;
  readonly #preset: SandboxLimits;
  #nextSlot = 0;
  #events: DockerEvents | undefined;
  /** The daemon's word reaches us; undefined after it did not, so that the next call is the next try. */
  #hearing: Promise<void> | undefined;
  #made = 0;
  #closed = false;

  constructor(options: DockerEngineOptions, daemon: Daemon, house: House) {
    this.#options = options;
    this.#daemon = daemon;
    this.#house = house;
    this.#preset = sandboxLimits(options.limits);
    this.#pool = new Pool({
      size: options.poolSize,
      max: options.poolMax,
      prepare: () => (this.ready() ? this.#prepare(this.#preset, false) : undefined),
    });
    this.#context = {
      send: (request) => this.#obey(request),
      workerDirPath: house.workerDirPath,
      countFiles: (slot) => this.#containers.get(Number(slot))?.cgroup ?? NOT_COUNTED,
      log: options.log,
    };
  }

  /** Ready means that a sandbox has been made, not that one might be. The first goes to the pool. */
  async begin(): Promise<void> {
    try {
      await this.#listen();
      const slot = this.#prepare(this.#preset, false);
      if (this.#options.poolSize > 0) this.#pool.add(slot);
      await slot.made;
      if (this.#options.poolSize === 0) await slot.destroy();
      this.#pool.tend();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  facts(): EngineFacts {
    const { image } = this.#house;
    const uses = [`Docker ${this.#daemon.version}`, `image ${image.name}`];
    return { engine: 'docker', python: image.python, uses, weaker: weakerWalls(this.#house) };
  }

  ready(): boolean {
    return this.#events !== undefined && !this.#closed;
  }

  stats(): EngineStats {
    return {
      poolWaiting: this.#pool.waiting,
      poolTarget: this.#pool.target,
      handedOverFromPool: this.#pool.taken.waiting,
      handedOverEmpty: this.#pool.taken.unfinished,
      zygotes: 0,
      forks: this.#made,
      zygotesRenewed: 0,
    };
  }

  async create(spec: SandboxSpec): Promise<Sandbox> {
    if (this.#closed) throw new Failure('stopping', 'the engine is closed');
    if (spec.network.mode === 'outbound') {
      const reason =
        'the docker engine has no network that keeps this machine out of reach; set "sandbox" to "sock" for it';
      throw new Failure('sandbox-failed', `the sandbox could not be made: connect its network: ${reason}`, {
        step: 'connect its network',
      });
    }
    await (this.#hearing ?? this.#listen());
    const limits = sandboxLimits(spec.limits);
    const hostNetwork = spec.network.mode === 'host';
    const slot =
      (this.#suitsPool(limits, hostNetwork) ? this.#pool.take() : undefined) ?? this.#prepare(limits, hostNetwork);
    const waited = slot.state === 'waiting';
    slot.handOver(spec);
    this.#pool.tend();
    if (!waited) await slot.started;
    return slot;
  }

  async memory(): Promise<ReadonlyMap<string, number>> {
    const used = new Map<string, number>();
    for (const [slot, { cgroup }] of this.#containers) {
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
    this.#pool.clear();
    await Promise.all([...this.#slots.values()].map((slot) => slot.destroy()));
    this.#events?.close();
    await removeAll(this.#daemon.docker, this.#house.workerDir);
  }

  /** The limits of a container stay as they were made, as far as sizes go. */
  #suitsPool(limits: SandboxLimits, hostNetwork: boolean): boolean {
    const same = (Object.keys(limits) as (keyof SandboxLimits)[]).every((key) => limits[key] === this.#preset[key]);
    return same && !hostNetwork;
  }

  #prepare(limits: SandboxLimits, hostNetwork: boolean): Slot {
    const slot = new Slot(this.#nextSlot++, this.#context, {
      fresh: true,
      host_network: hostNetwork,
      branch: null,
      limits,
    });
    this.#slots.set(slot.number, slot);
    return slot;
  }

  // -- the daemon ---------------------------------------------------------------------------------

  #listen(): Promise<void> {
    const hearing = this.#tryListen();
    hearing.catch(() => {
      this.#hearing = undefined;
    });
    this.#hearing = hearing;
    return hearing;
  }

  async #tryListen(): Promise<void> {
    const { docker } = await openDaemon();
    this.#events = await DockerEvents.open(docker, ofWorker(this.#house.workerDir).label, {
      died: (slot, status) => this.#containers.get(slot)?.died(status),
      lost: (reason) => this.#lost(reason),
    });
  }

  /** A daemon that stops takes its containers along, or leaves them where nobody knows what becomes of them. */
  #lost(reason: string): void {
    if (this.#closed) return;
    this.#options.log('error', 'the Docker daemon is gone', { reason });
    this.#events = undefined;
    this.#hearing = undefined;
    this.#pool.clear();
    const slots = [...this.#slots.values()];
    this.#slots.clear();
    this.#containers.clear();
    for (const slot of slots) slot.lose(reason);
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
    else container[request.op]();
  }

  #make(number: number, making: ContainerMaking): void {
    const slot = () => this.#slots.get(number);
    const container = new Container(this.#house, number, {
      listening: () => {
        this.#made += 1;
        slot()?.listening();
      },
      waiting: () => {
        slot()?.waiting();
        this.#pool.made();
      },
      started: () => slot()?.handedOver(),
      ended: (ending) => this.#ended(number, ending),
    });
    this.#containers.set(number, container);
    // Its slot is known only when its own constructor has returned.
    container.make(making);
  }

  #ended(number: number, ending: SlotEnding): void {
    this.#containers.delete(number);
    const slot = this.#slots.get(number);
    if (slot === undefined) return;
    this.#slots.delete(number);
    slot.gone(ending, { peakBytes: undefined, cpuUs: undefined });
    const failed = ending.cause === 'failed';
    if (failed) this.#options.log('error', 'a sandbox could not be made', { step: ending.step, reason: ending.reason });
    this.#pool.ended(slot, failed);
  }
}
