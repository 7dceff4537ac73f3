/**
 * One container from nothing to gone, as the maker of one slot's sandbox.
 *
 *     making ──says that it waits──▶ waiting (paused) ──code put in, told what to serve──▶ serving
 *        └───────────────── any failure, kill or death ─────────────────────────────▶ gone
 *
 * Docker takes its time for each step, and steps are asked for while others are under way: they are done in order.
 */
import { constants } from 'node:os';
import type Docker from 'dockerode';
import { heapMb, type Making, type SandboxLimits, type SlotEnding, type Start } from '../maker.ts';
import { type CgroupFiles, cgroupFilesOf } from './cgroup-files.ts';
import { containerOptions, type Mount } from './container-options.ts';
import { Control } from './control.ts';
import { isConflict, isMissing, reasonOf } from './docker-error.ts';
import { ALL_PACKAGES_DIR, type House } from './house.ts';
import { imageGone } from './image.ts';
import { ofSlot } from './labels.ts';
import { Place } from './place.ts';
import { dropScratch, makeScratch, type Scratch } from './scratch.ts';
import { putSecrets } from './secrets.ts';

const MAKE_MS_MAX = 30_000;
const SIGNAL_STATUS = 128;
const SIGNALS = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]));

/** Docker can change neither network nor the size of /tmp later. */
export interface ContainerMaking extends Making {
  limits: SandboxLimits;
}

export interface ContainerListener {
  /** The worker may connect to it. */
  listening(): void;
  /** Whether it is the next to be used, and not worth pausing. */
  isNext(): boolean;
  waiting(): void;
  started(): void;
  /** Docker has something of it still. */
  left(error: unknown): void;
  /** The last word. */
  ended(ending: SlotEnding): void;
}

export class Container {
  readonly name: string;
  /** Undefined where the daemon's groups can not be seen, and until it runs. */
  cgroup: CgroupFiles | undefined;
  readonly #house: House;
  readonly #listener: ContainerListener;
  readonly #place: Place;
  readonly #slot: number;
  #container: Docker.Container | undefined;
  #control: Control | undefined;
  #scratch: Scratch | undefined;
  #state: 'making' | 'waiting' | 'serving' | 'gone' = 'making';
  #step = 'make directories';
  #paused = false;
  /** Code is to be handed over: it is not worth pausing any more. */
  #wanted = false;
  #died: (status: number) => void = () => {};
  readonly #death = new Promise<number>((resolve) => {
    this.#died = resolve;
  });
  #ending: Promise<void> | undefined;
  #work: Promise<void> = Promise.resolve();

  constructor(house: House, slot: number, listener: ContainerListener) {
    this.#house = house;
    this.#slot = slot;
    this.#listener = listener;
    this.#place = new Place(house.workerDirPath, slot);
    this.name = `isla-${house.marker}-${slot}`;
  }

  /** The daemon says that its first process has ended, with the status that a shell would see. */
  died(status: number): void {
    this.#died(status);
    this.#end();
  }

  make(making: ContainerMaking): void {
    this.#do(() => this.#make(making));
  }

  start(start: Start): void {
    this.#wanted = true;
    this.#do(() => this.#start(start));
  }

  pause(): void {
    this.#do(() => this.#setPaused(true));
  }

  resume(): void {
    this.#do(() => this.#setPaused(false));
  }

  kill(): void {
    this.#end({ cause: 'destroyed' });
  }

  /** The daemon is gone. */
  lose(reason: string): void {
    this.#end({ cause: 'lost', reason });
  }

  // -- steps --------------------------------------------------------------------------------------

  async #make({ host_network: hostNetwork, limits }: ContainerMaking): Promise<void> {
    const house = this.#house;
    const userId = house.userId(this.#slot);
    this.#place.make(userId);
    this.#control = await Control.listen(`${this.#place.control}/socket`);
    this.#step = 'make scratch';
    const labels = ofSlot(house.labels, this.#slot);
    this.#scratch = await makeScratch(house, { name: this.name, place: this.#place, userId, limits, labels });
    this.#step = 'create the container';
    const options = containerOptions({
      name: this.name,
      imageId: house.image.id,
      labels,
      userId,
      limits,
      hostNetwork,
      mounts: this.#mounts(this.#scratch),
      imageVolumes: house.image.volumes,
    });
    this.#container = await house.docker.createContainer(options).catch((error: unknown) => {
      throw isMissing(error) ? imageGone(house.image) : error;
    });
    this.#step = 'start the container';
    await this.#container.start();
    const looked = this.#container.inspect();
    looked.catch(() => {}); // told below, if it gets that far
    await this.#waits();
    this.#step = 'look at the container';
    this.cgroup = cgroupFilesOf((await looked).State.Pid);
    await this.#scratch.link(this.#place);
    this.#listener.listening();
    if (!this.#wanted && !this.#listener.isNext()) await this.#setPaused(true);
    this.#state = 'waiting';
    this.#listener.waiting();
  }

  #mounts({ source, volume }: Scratch): Mount[] {
    const { runtimeDir, nodeRuntimeDir, insideDir, packagesDir } = this.#house;
    const readOnly = (from: string, to: string): Mount => ({ kind: 'bind', from, to, writable: false });
    return [
      readOnly(runtimeDir, '/runtime/isla_runtime'),
      readOnly(nodeRuntimeDir, '/runtime/isla_node'),
      readOnly(insideDir, '/runtime/isla_container'),
      readOnly(this.#house.onHost(this.#place.handler), '/handler'),
      readOnly(this.#house.onHost(this.#place.packages), '/packages'),
      readOnly(packagesDir, ALL_PACKAGES_DIR),
      readOnly(this.#house.onHost(this.#place.secrets), '/run/secrets'),
      readOnly(this.#house.onHost(this.#place.control), '/control'),
      readOnly(this.#house.onHost(this.#place.passwd), '/etc/passwd'),
      readOnly(this.#house.onHost(this.#place.group), '/etc/group'),
      { kind: volume === undefined ? 'bind' : 'volume', from: source, to: '/host', writable: true },
    ];
  }

  async #waits(): Promise<void> {
    this.#step = 'wait for the container';
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not ready after ${MAKE_MS_MAX / 1000} s`)), MAKE_MS_MAX);
    });
    const dead = this.#death.then((status) => {
      throw new Error(`it ended with status ${status} before it was ready`);
    });
    dead.catch(() => {});
    await Promise.race([(this.#control as Control).waits, dead, late]).finally(() => clearTimeout(timer));
  }

  async #start({ code, packages, secrets, description }: Start): Promise<void> {
    this.#step = 'hand over the code';
    if (code !== null) this.#place.putCode(code);
    if (packages !== null) this.#place.putPackages(packages, this.#house.insidePackages(packages));
    const lambda = description.lambda as string;
    const owner = this.#house.userId(this.#slot);
    putSecrets({ lambda, names: secrets, from: this.#house.secretsDir, into: this.#place.secrets, owner });
    this.#place.linkInstance(lambda, description.instance as number);
    await this.#setPaused(false);
    this.#state = 'serving';
    this.#control?.tell({ ...description, node_flags: nodeFlags(description.memory_mb as number) });
    this.#listener.started();
    // Docker has no ~ in names.
    this.#rename(`${this.name}-${lambda.replace('~', '.')}-${description.instance}`);
  }

  /** For people who look with Docker's own tools: nobody waits for it, and nothing depends on it. */
  #rename(name: string): void {
    this.#container?.rename({ name }).catch((error: unknown) => {
      if (this.#state === 'serving') this.#house.log('warn', 'a container could not be renamed', { name, err: error });
    });
  }

  async #setPaused(paused: boolean): Promise<void> {
    if (this.#paused === paused) return;
    this.#step = paused ? 'pause the container' : 'resume the container';
    await (paused ? this.#container?.pause() : this.#container?.unpause());
    this.#paused = paused;
  }

  // -- order and end ------------------------------------------------------------------------------

  #do(step: () => Promise<void>): void {
    this.#work = this.#work.then(async () => {
      if (this.#ending !== undefined || this.#state === 'gone') return;
      try {
        await step();
      } catch (error) {
        this.#end({ cause: 'failed', step: this.#step, reason: reasonOf(error) });
      }
    });
  }

  /** After what is under way. Undefined: whatever it died of. The first cause counts. */
  #end(cause?: SlotEnding): void {
    this.#ending ??= this.#work.then(() => this.#finish(cause));
  }

  async #finish(cause: SlotEnding | undefined): Promise<void> {
    const lost = cause?.cause === 'lost';
    const ending = this.#state === 'serving' && !lost ? await this.#endingOf(cause) : cause;
    this.#state = 'gone';
    this.#control?.close();
    this.#place.unlinkInstance();
    await this.#remove();
    this.#listener.ended(ending ?? { cause: 'lost', reason: 'Docker does not say how it ended' });
  }

  /** On a busy machine the worker asks for the end of one that has crashed already, and its caller should hear of that. */
  async #endingOf(cause: SlotEnding | undefined): Promise<SlotEnding | undefined> {
    try {
      const { State: state } = await (this.#container as Docker.Container).inspect();
      // Who ends it hangs up first, and then it may end by itself, with status 0.
      if (state.Running || (cause !== undefined && state.ExitCode === 0)) return cause;
      if (state.OOMKilled) return { cause: 'out-of-memory' };
      return endingOf(state.ExitCode);
    } catch (error) {
      return { cause: 'lost', reason: `its container can not be looked at: ${reasonOf(error)}` };
    }
  }

  async #remove(): Promise<void> {
    try {
      await this.#container?.remove({ force: true, v: true });
    } catch (error) {
      if (!isMissing(error) && !isConflict(error)) this.#listener.left(error);
    }
    try {
      if (this.#scratch !== undefined) await dropScratch(this.#house, this.#scratch);
    } catch (error) {
      if (!isMissing(error)) this.#listener.left(error);
    }
    try {
      this.#place.remove();
    } catch (error) {
      this.#house.log('error', 'directories of a container could not be removed', { name: this.name, err: error });
    }
  }
}

const YOUNG_MB_MAX = 16;
const YOUNG_PART = 32;

/** What Node is started with, as in a sandbox of namespaces: see sock/spawner/program.py. */
function nodeFlags(memoryMb: number): string[] {
  const heap = heapMb({ memory_mb: memoryMb });
  const young = Math.max(1, Math.min(YOUNG_MB_MAX, Math.floor(heap / YOUNG_PART)));
  const old = Math.max(1, heap - 3 * young);
  return ['--v8-pool-size=1', `--max-old-space-size=${old}`, `--max-semi-space-size=${young}`];
}

/** Docker tells a signal as a shell does: a process that ends by itself with such a status looks the same. */
function endingOf(status: number): SlotEnding {
  if (status > SIGNAL_STATUS)
    return { cause: 'signal', signal: SIGNALS.get(status - SIGNAL_STATUS) ?? `signal ${status - SIGNAL_STATUS}` };
  return { cause: 'exit', status };
}
