/** Making the workers of a cluster services of systemd. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../config/failure.ts';
import { writeFileAtomic } from '../lib/atomic-write.ts';
import { errnoOf, errnoWords } from '../lib/errno.ts';
import { readTemplate } from './config-file.ts';
import { readFleetWorker } from './fleet.ts';
import type { Layout } from './layout.ts';
import type { Program } from './spawn-worker.ts';
import { unitMark, unitText } from './systemd-unit.ts';

export interface InstallOrder {
  layout: Layout;
  program: Program;
  user: boolean;
  /** Name of the unit, without `@.service`. */
  name: string;
  /** Directory for the unit. */
  dir: string;
  /** How many workers, and the port of the first. */
  count: number;
  port: number;
}

type UnitOrder = Pick<InstallOrder, 'layout' | 'program' | 'user' | 'port'>;

export interface Installed {
  unitFile: string;
  /** Whether it was there already, the same. */
  unchanged: boolean;
  services: string[];
}

/** Where systemd looks for units of the administrator, or of a user. */
export function unitDir(user: boolean, env: Readonly<Record<string, string | undefined>>): string {
  if (!user) return '/etc/systemd/system';
  const config = env.XDG_CONFIG_HOME?.startsWith('/') ? env.XDG_CONFIG_HOME : join(env.HOME ?? '/', '.config');
  return join(config, 'systemd/user');
}

/** Throws Failure `machine-unfit` unless this machine was booted with systemd and, for `user`, has one for this user. */
export function needSystemd(user: boolean, env: Readonly<Record<string, string | undefined>>): void {
  if (!existsSync('/run/systemd/system')) {
    throw new Failure(
      'machine-unfit',
      'this machine does not run systemd, as many containers do not; `admin worker-exec --cluster=DIR` runs a worker below any other service manager, and --print or --dir make the unit for another machine',
    );
  }
  if (user && !existsSync(join(env.XDG_RUNTIME_DIR ?? '/', 'systemd'))) {
    throw new Failure('machine-unfit', 'there is no systemd for this user: log in as the user, not by su or sudo');
  }
}

/** Throws Failure `conflict` while a worker that the services would run serves on another port than theirs. */
export function refuseOtherPorts({ layout, count, port }: Pick<InstallOrder, 'layout' | 'count' | 'port'>): void {
  const problems = Array.from({ length: count }, (_, index) => {
    const { name, state, address } = readFleetWorker(layout, `worker-${index}`);
    if (state.kind !== 'running' || address?.port === port + index) return [];
    return [`${name}: pid ${state.pid}, port ${address?.port ?? 'unknown'}; its service would have ${port + index}`];
  }).flat();
  if (problems.length === 0) return;
  throw new Failure('conflict', 'workers run on other ports; stop them with `admin kill` first, or choose --port', {
    problems,
  });
}

/** The text of the unit. */
export function unitOf({ layout, program, user, port }: UnitOrder): string {
  const graceMs = readTemplate(layout.template).grace_ms;
  const ownerId = statSync(layout.root).uid;
  return unitText({ cluster: layout.root, program, user, ownerId, graceMs, firstPort: port });
}

/** Where the unit lies, or must be put. */
export function unitFileOf({ dir, name }: Pick<InstallOrder, 'dir' | 'name'>): string {
  return join(dir, `${name}@.service`);
}

/** Writes the unit; nothing of the cluster changes and nothing is started. Throws Failure `conflict` if a stranger's unit is there. */
export function install(order: InstallOrder): Installed {
  const unitFile = unitFileOf(order);
  const text = unitOf(order);
  const before = readIfThere(unitFile);
  if (before !== undefined && before.split('\n')[0] !== unitMark(order.layout.root)) {
    throw new Failure('conflict', `${unitFile} is there and not of this cluster; choose another name with --name`);
  }
  try {
    mkdirSync(order.dir, { recursive: true });
    if (before !== text) writeFileAtomic(unitFile, text);
  } catch (error) {
    const hint = errnoOf(error) === 'EACCES' ? '; run this as root, or with --user for services of your own' : '';
    throw new Failure('machine-unfit', `can not write ${unitFile}: ${errnoWords(error)}${hint}`, { cause: error });
  }
  return { unitFile, unchanged: before === text, services: servicesOf(order) };
}

/** `isla-x@0.service` and so on. */
export function servicesOf({ name, count }: Pick<InstallOrder, 'name' | 'count'>): string[] {
  return Array.from({ length: count }, (_, index) => `${name}@${index}.service`);
}

/** What makes systemd read the unit and start the services, now and with the machine. */
export function startCommands(user: boolean, services: readonly string[]): string[][] {
  const systemctl = user ? ['systemctl', '--user'] : ['systemctl'];
  return [
    [...systemctl, 'daemon-reload'],
    [...systemctl, 'enable', '--now', ...services],
  ];
}

/** Throws Failure with what the command said if it did not work. */
export function runCommand([file = '', ...args]: readonly string[]): void {
  const done = spawnSync(file, args, { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' });
  if (done.error !== undefined) throw new Failure('machine-unfit', `${file}: ${done.error.message}`);
  if (done.status === 0) return;
  const problems = done.stderr.trim().split('\n');
  throw new Failure('worker-failed', `\`${[file, ...args].join(' ')}\` failed (${done.signal ?? done.status})`, {
    problems,
  });
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw new Failure('machine-unfit', `can not read ${path}: ${errnoWords(error)}`, { cause: error });
  }
}
