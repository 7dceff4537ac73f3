/**
 * A Docker daemon of the tests' own, on a socket and with directories of its own, so that nothing of the machine's is
 * touched; and an image in it, made of this machine's Python. No registry is asked for anything.
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

export class Dockerd {
  readonly dir = mkdtempSync(join(tmpdir(), 'isla-docker-'));
  #daemon: ChildProcess | undefined;

  /** With the image. Leaves nothing if it fails. */
  static async start(): Promise<Dockerd> {
    const dockerd = new Dockerd();
    try {
      await dockerd.start();
      execFileSync(IMAGE_SCRIPT, [IMAGE], { env: dockerd.env, stdio: ['ignore', 'ignore', 'inherit'] });
    } catch (error) {
      await dockerd.dispose();
      throw error;
    }
    return dockerd;
  }

  get socket(): string {
    return join(this.dir, 'docker.sock');
  }

  get host(): string {
    return `unix://${this.socket}`;
  }

  /** For programs that are to talk to it. */
  get env(): NodeJS.ProcessEnv {
    return { ...process.env, DOCKER_HOST: this.host };
  }

  get #runs(): boolean {
    const daemon = this.#daemon;
    return daemon?.pid !== undefined && daemon.exitCode === null && daemon.signalCode === null;
  }

  /** Also after `end`, with what it had; does nothing if it runs. */
  async start(): Promise<void> {
    if (this.#runs) return;
    const { dir } = this;
    const log = join(dir, 'log');
    const out = openSync(log, 'w');
    const places = [`--data-root=${dir}/data`, `--exec-root=${dir}/exec`, `--pidfile=${dir}/pid`, '-H', this.host];
    this.#daemon = spawn('dockerd', [...places, ...APART], { stdio: ['ignore', out, out] });
    await ready(this.#daemon, this.socket, log);
  }

  /** What it runs is ended with it if it is asked to stop, and runs on if it is not. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const daemon = this.#daemon;
    if (daemon === undefined || !this.#runs) return;
    daemon.kill(signal);
    await once(daemon, 'exit');
    // One that had no time to leaves files that say it runs, and containerd, which is killed with it: where nobody
    // reaps the dead, the next daemon would wait for them.
    for (const file of ['pid', 'exec/containerd/containerd.pid']) rmSync(join(this.dir, file), { force: true });
  }

  /** It answers nothing until the returned function is called. */
  hang(): () => void {
    this.#daemon?.kill('SIGSTOP');
    return () => void this.#daemon?.kill('SIGCONT');
  }

  async dispose(): Promise<void> {
    await this.end('SIGTERM');
    for (const point of mountsBelow(this.dir)) execFileSync('umount', [point]);
    for (const controller of ['cpu', 'memory', 'pids', 'cpuset', 'devices', 'freezer', 'blkio', 'hugetlb', 'unified']) {
      removeEmpty(`/sys/fs/cgroup/${controller}/docker`);
    }
    rmSync(this.dir, { recursive: true });
  }
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
