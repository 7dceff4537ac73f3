/**
 * A Docker daemon of the tests' own, on a socket and with directories of its own, so that nothing of the machine's is
 * touched; and the one image in it, made of this machine's Python. No registry is asked for anything.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, openSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

export const IMAGE = 'isla-test:python';

const IMAGE_SCRIPT = resolve(import.meta.dirname, 'image.sh');
const READY_MS_MAX = 60_000;
const LOOK_MS = 100;
/** Networks are no affair of these tests, and the machine's firewall is not to be touched. */
const APART = [
  '--iptables=false',
  '--ip6tables=false',
  '--ip-forward=false',
  '--ip-masq=false',
  '--bridge=none',
  '--storage-driver=overlay2',
];

export async function setup(): Promise<() => Promise<void>> {
  const dir = mkdtempSync(join(tmpdir(), 'isla-docker-'));
  const socket = join(dir, 'docker.sock');
  const log = join(dir, 'log');
  const out = openSync(log, 'w');
  const places = [
    `--data-root=${dir}/data`,
    `--exec-root=${dir}/exec`,
    `--pidfile=${dir}/pid`,
    '-H',
    `unix://${socket}`,
  ];
  const daemon = spawn('dockerd', [...places, ...APART], { stdio: ['ignore', out, out] });
  const stop = () => end(daemon, dir);
  try {
    await ready(daemon, socket, log);
    process.env.DOCKER_HOST = `unix://${socket}`;
    execFileSync(IMAGE_SCRIPT, [IMAGE], { stdio: ['ignore', 'ignore', 'inherit'] });
  } catch (error) {
    await stop();
    throw error;
  }
  return stop;
}

/** The daemon says nothing when it is ready: its socket is asked. */
async function ready(daemon: ChildProcess, socket: string, log: string): Promise<void> {
  let gone = false;
  daemon.once('error', () => (gone = true)).once('exit', () => (gone = true));
  for (const endMs = Date.now() + READY_MS_MAX; Date.now() < endMs && !gone; ) {
    if (existsSync(socket) && (await answers(socket))) return;
    await wait(LOOK_MS);
  }
  throw new Error(
    `no Docker daemon could be started (Debian has it as docker.io):\n${readFileSync(log, 'utf8').slice(-2_000)}`,
  );
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((tell) => {
    const asked = request({ socketPath, path: '/_ping' }, (answer) => tell(answer.resume().statusCode === 200));
    asked.on('error', () => tell(false)).end();
  });
}

async function end(daemon: ChildProcess, dir: string): Promise<void> {
  if (daemon.exitCode === null && daemon.signalCode === null && daemon.pid !== undefined) {
    daemon.kill('SIGTERM');
    await once(daemon, 'exit');
  }
  for (const point of mountsBelow(dir)) execFileSync('umount', [point]);
  for (const controller of ['cpu', 'memory', 'pids', 'cpuset', 'devices', 'freezer', 'blkio', 'hugetlb', 'unified']) {
    removeEmpty(`/sys/fs/cgroup/${controller}/docker`);
  }
  rmSync(dir, { recursive: true });
}

function mountsBelow(dir: string): string[] {
  const points = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '');
  return points.filter((point) => point.startsWith(`${dir}/`)).reverse();
}

function removeEmpty(group: string): void {
  try {
    rmdirSync(group);
  } catch {
    // It is not there, or the machine's own daemon has containers in it.
  }
}
