/** What else starts Python apart from others on this machine, from nothing to the end of `pass`, with gaps. */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { floorTimes, pause, ROOT, run } from '../bed.mjs';
import { withDocker } from './docker.mjs';

const GROUP = 'start of a process, by whom';
const COUNT = 20;
const GAP_MS = 150;
const FLOOR = 'python3';
const PYTHON = ['/usr/bin/python3', '-I', '-S', '-c', 'pass'];
const PEERS = join(ROOT, 'bench/.peers/debian');
/** Where those of unpacked packages lie. */
const LIBRARIES = {
  ...process.env,
  LD_LIBRARY_PATH: join(PEERS, `usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`),
};
const BWRAP = ['--ro-bind', '/', '/', '--proc', '/proc', '--dev', '/dev', '--unshare-all', '--die-with-parent'];

export async function measureProcesses(figures) {
  figures.add(GROUP, FLOOR, await timesOf(PYTHON));
  figures.add(GROUP, 'fork into namespaces', await floorTimes(COUNT, GAP_MS), { floor: FLOOR });
  await peer(figures, 'bubblewrap', { program: 'bwrap', packages: ['bubblewrap'] }, (name, file) =>
    measureOne(figures, name, [file, ...BWRAP, ...PYTHON]),
  );
  await peer(figures, 'crun', { program: 'crun', packages: ['crun', 'libyajl2'] }, (name, file) =>
    measureRuntime(figures, name, file),
  );
  await peer(figures, 'runc', { program: 'runc', packages: ['runc'] }, (name, file) =>
    measureRuntime(figures, name, file),
  );
  await peer(figures, 'docker run', { program: 'dockerd' }, (name) =>
    withDocker(async ({ env, image }) => {
      const command = ['docker', 'run', '--rm', '--network=none', image, 'python3', '-I', '-S', '-c', 'pass'];
      await measureOne(figures, name, command, env);
    }),
  );
}

/** Containers have names, and no two at a time have the same. */
function measureRuntime(figures, name, file) {
  return withBundle(async (dir) => {
    const times = [];
    for (let turn = 0; turn <= COUNT; turn += 1) {
      await pause(GAP_MS);
      const took = await timeOf([file, 'run', '--bundle', dir, `isla-bench-${process.pid}-${turn}`], LIBRARIES);
      if (turn > 0) times.push(took);
    }
    figures.add(GROUP, name, times, { floor: FLOOR });
  });
}

async function measureOne(figures, name, command, env) {
  figures.add(GROUP, name, await timesOf(command, env), { floor: FLOOR });
}

/**
 * What is not there, or does not work here, is told by name. `packages`: Debian's that have it, which are unpacked below
 * bench/.peers where it is not installed.
 */
async function peer(figures, name, { program, packages = [] }, measure) {
  try {
    await measure(name, await findProgram(program, packages));
  } catch (error) {
    figures.lacks(name, String(error.message).trim().split('\n').slice(0, 3).join(' '));
  }
}

async function findProgram(program, packages) {
  const unpacked = join(PEERS, 'usr/bin', program);
  const look = () => run('/bin/sh', ['-c', `command -v ${program} || command -v ${unpacked}`]);
  const found = await look().catch(() => undefined);
  if (found !== undefined) return found.stdout.trim();
  if (packages.length === 0) throw new Error(`${program} is not installed`);
  mkdirSync(PEERS, { recursive: true });
  for (const name of packages) await run('apt-get', ['download', name], { cwd: PEERS });
  for (const file of readdirSync(PEERS).filter((one) => one.endsWith('.deb'))) {
    await run('dpkg-deb', ['-x', join(PEERS, file), PEERS]);
  }
  return (await look()).stdout.trim();
}

async function timesOf(command, env) {
  await timeOf(command, env);
  const times = [];
  for (let turn = 0; turn < COUNT; turn += 1) {
    await pause(GAP_MS);
    times.push(await timeOf(command, env));
  }
  return times;
}

function timeOf([file, ...args], env = process.env) {
  const began = performance.now();
  const child = spawn(file, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (piece) => {
    said += piece;
  });
  return new Promise((done, fail) => {
    child.once('error', fail);
    child.once('close', (status) => {
      if (status === 0) done(performance.now() - began);
      else fail(new Error(`${file} ended with ${status}: ${said}`));
    });
  });
}

/** This machine's system, read-only, as a container of the Open Container Initiative's. */
async function withBundle(use) {
  const dir = mkdtempSync(join(tmpdir(), 'isla-bench-bundle-'));
  try {
    mkdirSync(join(dir, 'rootfs'));
    writeFileSync(join(dir, 'config.json'), JSON.stringify(bundle()));
    await use(dir);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function bundle() {
  const mounts = ['usr', 'lib', 'lib64', 'bin', 'etc'].map((name) => ({
    destination: `/${name}`,
    source: `/${name}`,
    type: 'none',
    options: ['rbind', 'ro'],
  }));
  return {
    ociVersion: '1.0.2',
    process: {
      user: { uid: 0, gid: 0 },
      args: PYTHON,
      env: ['PATH=/usr/bin:/bin'],
      cwd: '/',
      noNewPrivileges: true,
      capabilities: { bounding: [], effective: [], permitted: [] },
    },
    root: { path: 'rootfs' },
    hostname: 'bench',
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs' },
      ...mounts,
    ],
    linux: { namespaces: ['pid', 'network', 'ipc', 'uts', 'mount', 'cgroup'].map((type) => ({ type })) },
  };
}
