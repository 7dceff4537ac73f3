/** What a worker has in the machine, counted; and the one who kills parts of it. Linux, through /proc. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/** Everything of which a worker at rest must not have more than before. Memory in MB. */
export function sizes(workerPid, cluster) {
  const all = tree(workerPid);
  const spawner = spawnerOf(workerPid);
  const dir = join(cluster, 'workers/worker-0');
  return {
    processes: all.length,
    workerFds: fds(workerPid),
    spawnerFds: spawner === undefined ? 0 : fds(spawner),
    workerMb: memoryMb(workerPid),
    spawnerMb: spawner === undefined ? 0 : memoryMb(spawner),
    slots: entries(join(dir, 'slots')),
    handlers: entries(join(dir, 'handlers')),
    snapshots: entries(join(dir, 'code')),
    cgroups: cgroupsOf(spawner === undefined ? [] : tree(spawner)),
  };
}

/** How much more than before is a leak and not how memory is: heaps breathe, a pool may be on its way. */
const TOLERANCE = { workerMb: 60, spawnerMb: 15, processes: 3, workerFds: 12, spawnerFds: 12, slots: 3, cgroups: 6 };

/** One line for everything that has grown. */
export function growth(before, after) {
  return Object.keys(after)
    .filter((name) => after[name] > before[name] + (TOLERANCE[name] ?? 2))
    .map((name) => `${name} grew from ${before[name]} to ${after[name]}`);
}

/** Kills a process of the worker: every tenth time a zygote, every thirtieth the spawner, else any below a zygote. */
export function killOne(workerPid, turn) {
  const spawner = spawnerOf(workerPid);
  if (spawner === undefined) return false;
  const zygotes = childrenOf(spawner);
  const sandboxes = zygotes.flatMap((pid) => tree(pid).slice(1));
  const pool = turn % 30 === 29 ? [spawner] : turn % 10 === 9 ? zygotes : sandboxes;
  const victim = pool[Math.floor(Math.random() * pool.length)];
  if (victim === undefined) return false;
  try {
    process.kill(victim, 'SIGKILL');
  } catch {
    return false; // it has just ended by itself
  }
  return true;
}

/** The worker's one child that is a Python. */
function spawnerOf(workerPid) {
  return childrenOf(workerPid).find((pid) => /python/.test(link(`/proc/${pid}/exe`)));
}

function childrenOf(pid) {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
    );
  } catch {
    return []; // it has just ended
  }
}

function tree(pid) {
  return [pid, ...childrenOf(pid).flatMap(tree)];
}

function fds(pid) {
  return entries(`/proc/${pid}/fd`);
}

function memoryMb(pid) {
  return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024);
}

function cgroupsOf(pids) {
  const marker = pids.map((pid) => /\/isla\/([^/\n]+)/.exec(text(`/proc/${pid}/cgroup`))?.[1]).find(Boolean);
  if (marker === undefined) return 0;
  return ['/sys/fs/cgroup/memory', '/sys/fs/cgroup'].reduce(
    (sum, root) =>
      sum +
      entries(join(root, 'isla', marker), (name) => !/^(cgroup|cpu|memory|pids|io|notify|tasks|hugetlb)/.test(name)),
    0,
  );
}

function entries(dir, wanted = () => true) {
  try {
    return readdirSync(dir).filter(wanted).length;
  } catch {
    return 0;
  }
}

function text(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function link(path) {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
