/**
 * Where the groups of sandboxes stand, what is written there, and when. Holds for v1, v2 and machines that
 * mix them alike: each is looked for where its controller is.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { judgeKernel } from '../../src/compose/doctor-kernel.ts';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { markerOf } from '../../src/sandbox/worker-marker.ts';
import { eventually } from '../e2e/eventually.ts';
import { isOfThreads } from './cgroup-view.ts';
import { type Bench, LIMITS, resultOf, startBench } from './engine-fixture.ts';

const execute = promisify(execFile);
const SOURCE = 'def handler(e):\n    return open("/proc/self/status").read()\n';

/** Every hierarchy that is mounted: its mount point, and the controllers that groups below it may have. */
const HIERARCHIES = readFileSync('/proc/self/mountinfo', 'utf8')
  .split('\n')
  .flatMap((line) => {
    const [before, after] = line.split(' - ') as [string, string | undefined];
    const [kind, , options] = after?.split(' ') ?? [];
    const point = before.split(' ')[4]!;
    if (kind === 'cgroup2') {
      const controllers = readFileSync(join(point, 'cgroup.controllers'), 'utf8').trim().split(' ');
      return [{ point, version: 2, controllers }];
    }
    return kind === 'cgroup' ? [{ point, version: 1, controllers: options!.split(',') }] : [];
  });
const has = (controller: string) => HIERARCHIES.find(({ controllers }) => controllers.includes(controller));
/** Those that Isla joins: v2 always, for it freezes and kills. */
const JOINED = HIERARCHIES.filter(
  ({ version, controllers }) => version === 2 || ['memory', 'pids', 'cpu'].some((name) => controllers.includes(name)),
);

let bench: Bench | undefined;
afterEach(async () => {
  await bench?.close();
  bench = undefined;
});

/** The groups of one name, in every hierarchy. */
function groups(of: Bench, name = ''): string[] {
  return JOINED.map(({ point }) => join(point, 'isla', markerOf(of.dir), name));
}

function file(of: Bench, controller: string, name: string, files: readonly [v1: string, v2: string]): string {
  const { point, version } = has(controller)!;
  const path = join(point, 'isla', markerOf(of.dir), name, files[version - 1] as string);
  return readFileSync(path, 'utf8').trim();
}

function limitsOf(of: Bench, { id }: Pick<Sandbox, 'id'>): Record<string, string> {
  const quota = file(of, 'cpu', id, ['cpu.cfs_quota_us', 'cpu.max']).split(' ')[0]!;
  return {
    memory: file(of, 'memory', id, ['memory.limit_in_bytes', 'memory.max']),
    procs: file(of, 'pids', id, ['pids.max', 'pids.max']),
    cpu: quota,
  };
}

const asWritten = (memoryMb: number, procs: number, cpuPercent: number) => ({
  memory: String(memoryMb << 20),
  procs: String(procs),
  cpu: String(cpuPercent * 1000),
});

/** Where a group is of threads, theirs: its processes are those of a group above it. */
const pidsIn = (group: string) =>
  readFileSync(join(group, isOfThreads(group) ? 'cgroup.threads' : 'cgroup.procs'), 'utf8')
    .split('\n')
    .filter(Boolean);

describe('a sandbox', () => {
  it('has its limits where the controller is, and none of the swap', async () => {
    bench = await startBench();
    const usual = await bench.sandbox(SOURCE);
    expect(limitsOf(bench, usual)).toEqual(asWritten(LIMITS.memory_mb, LIMITS.procs, LIMITS.cpu_percent));
    const other = await bench.sandbox(SOURCE, 'other', { limits: { memory_mb: 77, procs: 9, cpu_percent: 50 } });
    await resultOf(other); // it has been handed over by now
    expect(limitsOf(bench, other)).toEqual(asWritten(77, 9, 50));
    for (const sandbox of [usual, other]) {
      const { point, version } = has('memory')!;
      const dir = join(point, 'isla', markerOf(bench.dir), sandbox.id);
      const swap = join(dir, version === 2 ? 'memory.swap.max' : 'memory.memsw.limit_in_bytes');
      const none = version === 2 ? '0' : limitsOf(bench, sandbox).memory;
      if (existsSync(swap)) expect(readFileSync(swap, 'utf8').trim()).toBe(none);
      if (version === 2) expect(readFileSync(join(dir, 'memory.oom.group'), 'utf8')).toBe('1\n');
    }
  });

  it('sits from birth in groups of its own; all that getting code changes there is limits', async () => {
    bench = await startBench({ poolSize: 1 });
    const first = await bench.sandbox(SOURCE);
    await resultOf(first);
    const next = String(Number(first.id) + 1);
    const mine = groups(bench, next);
    await eventually(() => mine.map((group) => expect(pidsIn(group)).toHaveLength(1)));
    const looks = () => mine.map((group) => ({ inode: statSync(group).ino, pids: pidsIn(group) }));
    const before = looks();
    const sandbox = await bench.sandbox(SOURCE, 'other', { limits: { memory_mb: 64 } });
    expect(sandbox.id).toBe(next);
    await resultOf(sandbox);
    expect(looks()).toEqual(before);
    expect(limitsOf(bench, sandbox).memory).toBe(String(64 << 20));
  });
});

describe('a zygote', () => {
  it('has the ceilings of lambdas as its limits, and room for children on top once it has some', async () => {
    const limitsMax = { memory_mb: 512, procs: 100 };
    bench = await startBench({ poolSize: 0, limitsMax });
    const limitsOfZygote = () => limitsOf(bench as Bench, { id: 'zygote-0' });
    const children = 32;
    const childMb = 2 + limitsMax.memory_mb / 512;
    const { cpu: _unlimited, ...own } = asWritten(
      limitsMax.memory_mb + children * childMb,
      limitsMax.procs + children,
      0,
    );
    for (let n = 0; n < 2; n += 1) {
      await bench.sandbox(SOURCE);
      expect(limitsOfZygote()).toMatchObject(own);
      expect(limitsOfZygote().cpu).toMatch(/^(-1|max)$/);
    }
  });
});

describe('a worker that is itself in a group with limits', () => {
  const own = `isla-test-${process.pid}`;
  const places = JOINED.map(({ point }) => ({ leaf: join(point, own), top: point, home: '' }));

  it('has its sandboxes at the top all the same, with theirs', async () => {
    for (const place of places) {
      place.home = homeIn(place.top);
      mkdirSync(place.leaf);
      writeFileSync(join(place.leaf, 'cgroup.procs'), String(process.pid));
    }
    const pids = has('pids')!;
    writeFileSync(join(pids.point, own, 'pids.max'), '64');
    try {
      bench = await startBench({ poolSize: 1 });
      const sandbox = await bench.sandbox(SOURCE, 'many', { limits: { procs: 100 } });
      await resultOf(sandbox);
      expect(limitsOf(bench, sandbox).procs).toBe('100');
      for (const group of groups(bench, sandbox.id)) expect(pidsIn(group)).toHaveLength(1);
      for (const { leaf } of places) expect(pidsIn(leaf)).toContain(String(process.pid));
      await bench.close();
      bench = undefined;
    } finally {
      for (const { leaf, home } of places) {
        writeFileSync(join(home, 'cgroup.procs'), String(process.pid));
        rmdirSync(leaf);
      }
    }
  });

  /** The group in which this process is, in the hierarchy that is mounted there. */
  function homeIn(top: string): string {
    const { version, controllers } = HIERARCHIES.find(({ point }) => point === top)!;
    const line = readFileSync('/proc/self/cgroup', 'utf8')
      .split('\n')
      .find((one) => {
        const names = one.split(':')[1];
        return version === 2 ? names === '' : names?.split(',').some((name) => controllers.includes(name));
      });
    const home = join(top, line!.split(':')[2]!);
    // A container shows its own group as the top, and tells another name for it.
    return existsSync(home) ? home : top;
  }
});

const V2 = HIERARCHIES.find(({ version, controllers }) => version === 2 && controllers.includes('memory'));

/** Makes a group as a worker does and puts a process into it; tells what is limited there. */
const JOIN = `import json, os, sys
sys.path.insert(0, "src/sandbox/sock")
from spawner import hierarchies
from spawner.cgroups import CONTROLLERS, Cgroups
from spawner.limits import Limits
cgroups = Cgroups("joined", hierarchies.find(True))
cgroups.open()
fds = cgroups.make("1", Limits(memory_mb=64, procs=8, cpu_percent=100, tmp_mb=16, scratch_mb=16, output_kb=64), True)
pid = os.fork()
if pid == 0:
    for fd in fds:
        os.write(fd, b"0")
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
assert cgroups.remove_all()
print(json.dumps({"limited": [name for name in CONTROLLERS if cgroups.has(name)], "lack": cgroups.lack}))
`;

// A container on v2 is shown a group as the top of all, in which its own processes are.
it('where the top holds processes, doctor says why no limit holds, and what mends it', async ({ skip }) => {
  if (V2 === undefined) return skip('this machine has no controllers on cgroup v2');
  const { point } = V2;
  const group = join(point, `isla-test-top-${process.pid}`);
  mkdirSync(group);
  writeFileSync(join(point, 'cgroup.subtree_control'), '+memory +pids +cpu');
  const inContainer = async (mend: string, command: string) => {
    const inside = `umount -l "$POINT" && mount -t cgroup2 none "$POINT" && eval "$MEND" && ${command}`;
    const script = `echo $$ > ${group}/cgroup.procs && exec unshare --cgroup --mount sh -c '${inside}'`;
    const env = { ...process.env, POINT: point, MEND: mend, JOIN };
    return JSON.parse((await execute('sh', ['-c', script], { env })).stdout);
  };
  const doctor = async (mend: string) => {
    const probe = await inContainer(mend, '/usr/bin/python3 -I -S src/sandbox/sock/spawner/probe.py');
    return judgeKernel(probe).filter(({ name }) => name.startsWith('limit on'));
  };
  const joined = (mend: string) => inContainer(mend, '/usr/bin/python3 -B -c "$JOIN"');
  try {
    const before = await doctor(':');
    expect(before.map(({ state }) => state)).toEqual(['weaker', 'weaker', 'weaker']);
    for (const { found } of before) expect(found).toContain(`${point}: there are processes in it`);
    const mend = before[0]!.mend!;
    const without = await joined(':');
    expect(without).toEqual({ limited: [], lack: expect.stringContaining('there are processes in it') });
    const after = await doctor(mend);
    expect(after.map(({ found }) => found)).toEqual(Array(3).fill(`cgroup v2 at ${point}/isla`));
    rmdirSync(join(group, 'rest'));
    // The last, for now the top hands controllers down, and nothing more can be put into it.
    expect(await joined(mend)).toMatchObject({ limited: ['memory', 'pids', 'cpu'] });
  } finally {
    await execute('find', [group, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', '+']);
  }
});

it('workers that start and end at the same time do not take the ground from under each other', async () => {
  const script = `import sys; sys.path.insert(0, sys.argv[1])
from spawner import hierarchies
from spawner.cgroups import Cgroups
for _ in range(200):
    cgroups = Cgroups(sys.argv[2], hierarchies.find(True))
    cgroups.open()
    for name in ('memory', 'pids', 'cpu'):
        assert cgroups.has(name), cgroups.lack
    assert cgroups.remove_all()
`;
  const run = (name: string) => execute('/usr/bin/python3', ['-B', '-c', script, 'src/sandbox/sock', name]);
  await Promise.all([run(`test-${process.pid}-a`), run(`test-${process.pid}-b`)]);
});
