/**
 * What a cluster has in the machine while it runs: processes, cgroups, mounts, sockets. Looked at
 * from outside, through /proc and /sys, so that a leak is found whoever forgot it.
 *
 * A process belongs to a cluster if it descends from one of its workers, or if its command line,
 * working directory, environment or mounts name the cluster. Pids come back, so a process is its
 * pid and its start time.
 */
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

export interface Process {
  pid: number;
  parent: number;
  /** In clock ticks since boot. */
  started: string;
  state: string;
  name: string;
}

export class Footprint {
  readonly #dir: string;
  readonly #processes = new Map<string, Process>();
  readonly #cgroups = new Set<string>();

  constructor(clusterDir: string) {
    this.#dir = clusterDir;
  }

  /** Looks again and adds what is new; a later `left` judges everything ever seen. */
  look(): this {
    const all = listProcesses();
    const known = new Set([...workerPids(this.#dir), ...[...this.#processes.values()].map((one) => one.pid)]);
    for (const one of all) if (names(one.pid, this.#dir)) known.add(one.pid);
    for (const one of withDescendants(all, known)) {
      this.#processes.set(keyOf(one), one);
      for (const path of cgroupsOf(one.pid)) this.#cgroups.add(path);
    }
    return this;
  }

  get processes(): readonly Process[] {
    return [...this.#processes.values()];
  }

  /** One line for each thing that is still there. */
  left(): string[] {
    this.look();
    return [
      ...this.processes.filter(isAlive).map((one) => `process ${one.pid} (${one.name})`),
      ...[...this.#cgroups].filter(existsSync).map((path) => `cgroup ${path}`),
      ...mountsNaming(this.#dir).map((line) => `mount ${line}`),
      ...socketsBelow(this.#dir).map((path) => `socket ${path}`),
    ];
  }
}

/**
 * Whether this very process is there still. A zombie whose parent is init does not count: it waits
 * for an init that does not reap, as containers have.
 */
export function isAlive(one: Process): boolean {
  const now = readProcess(one.pid);
  return now !== undefined && keyOf(now) === keyOf(one) && !(now.state === 'Z' && now.parent === 1);
}

function keyOf(one: Process): string {
  return `${one.pid}@${one.started}`;
}

export function listProcesses(): Process[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readProcess(Number(name)) ?? []);
}

export function readProcess(pid: number): Process | undefined {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The name stands in brackets and may itself hold brackets and blanks.
  const end = stat.lastIndexOf(')');
  const fields = stat.slice(end + 2).split(' ');
  const name = stat.slice(stat.indexOf('(') + 1, end);
  return { pid, name, state: fields[0] ?? '', parent: Number(fields[1]), started: fields[19] ?? '' };
}

/** These processes and all that descend from them. */
export function withDescendants(all: readonly Process[], roots: ReadonlySet<number>): Process[] {
  const found = new Set(roots);
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const one of all) if (found.has(one.parent)) found.add(one.pid);
  }
  return all.filter((one) => found.has(one.pid));
}

function workerPids(clusterDir: string): number[] {
  const logs = join(clusterDir, 'logs');
  if (!existsSync(logs)) return [];
  return (
    readdirSync(logs)
      .filter((name) => name.endsWith('.pid'))
      .map((name) => Number(read(join(logs, name))))
      // A stale file's number may be anybody's by now: only a process that names the cluster counts.
      .filter((pid) => pid > 0 && names(pid, clusterDir))
  );
}

function names(pid: number, dir: string): boolean {
  if (pid === process.pid || pid === process.ppid) return false;
  const told = ['cmdline', 'environ', 'mountinfo'].map((file) => read(`/proc/${pid}/${file}`) ?? '');
  return [...told, link(`/proc/${pid}/cwd`)].some((text) => text.includes(dir));
}

function cgroupsOf(pid: number): string[] {
  const mine = (read(`/proc/${pid}/cgroup`) ?? '').split('\n').flatMap((line) => {
    const path = line.split(':')[2] ?? '';
    return /^\/.*isla\/[^/]+/.exec(path)?.[0] ?? [];
  });
  return mine.flatMap((path) =>
    cgroupMounts()
      .map((mount) => join(mount, path))
      .filter(existsSync),
  );
}

function cgroupMounts(): string[] {
  return (read('/proc/self/mountinfo') ?? '')
    .split('\n')
    .filter((line) => / - cgroup2? /.test(line))
    .map((line) => line.split(' ')[4] ?? '');
}

function mountsNaming(dir: string): string[] {
  return (read('/proc/self/mountinfo') ?? '').split('\n').filter((line) => line.includes(dir));
}

function socketsBelow(dir: string): string[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { recursive: true })
    .map((name) => join(dir, String(name)))
    .filter((path) => lstatSync(path, { throwIfNoEntry: false })?.isSocket() && isListening(path));
}

/** A socket file whose socket is gone is litter, not a leak. */
function isListening(path: string): boolean {
  return (read('/proc/net/unix') ?? '').split('\n').some((line) => line.endsWith(path));
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined; // it ended between two looks
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
