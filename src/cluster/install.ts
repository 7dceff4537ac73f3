/** Making the workers of a cluster services of systemd. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../config/failure.ts';
import { writeFileAtomic } from '../lib/atomic-write.ts';
import { errnoOf, errnoWords } from '../lib/errno.ts';
import { readTemplate } from './config-file.ts';
import type { Layout } from './layout.ts';
import type { Program } from './spawn-worker.ts';
import { unitMark, unitText } from './systemd-unit.ts';
import { lastPort, workerSettings, writeWorkerConfig } from './worker-config.ts';

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

export interface Installed {
  unitFile: string;
  /** Whether it was there already, the same. */
  unchanged: boolean;
  /** `isla-x@0.service` and so on. */
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

export function unitOf({ layout, program, user }: Pick<InstallOrder, 'layout' | 'program' | 'user'>): string {
  const graceMs = readTemplate(layout.template).grace_ms;
  const ownerId = statSync(layout.root).uid;
  return unitText({ cluster: layout.root, program, user, ownerId, graceMs });
}

/** Writes the unit and the workers' configurations; nothing is started. Throws Failure `conflict` if a stranger's unit is there. */
export function install(order: InstallOrder): Installed {
  const unitFile = join(order.dir, `${order.name}@.service`);
  const text = unitOf(order);
  const before = readIfThere(unitFile);
  if (before !== undefined && before.split('\n')[0] !== unitMark(order.layout.root)) {
    throw new Failure('conflict', `${unitFile} is there and not of this cluster; choose another name with --name`);
  }
  const settings = readTemplate(order.layout.template);
  const indexes = Array.from({ length: order.count }, (_, index) => index);
  try {
    mkdirSync(order.dir, { recursive: true });
    if (before !== text) writeFileAtomic(unitFile, text);
  } catch (error) {
    const hint = errnoOf(error) === 'EACCES' ? '; run this as root, or with --user for services of your own' : '';
    throw new Failure('machine-unfit', `can not write ${unitFile}: ${errnoWords(error)}${hint}`, { cause: error });
  }
  for (const index of indexes) {
    const name = `worker-${index}`;
    const port = order.port + index;
    if (lastPort(order.layout, name) === port) continue;
    writeWorkerConfig(order.layout, name, workerSettings(order.layout, settings, { name, port }));
  }
  return { unitFile, unchanged: before === text, services: indexes.map((index) => `${order.name}@${index}.service`) };
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
