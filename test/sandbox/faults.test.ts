/** Making a sandbox with the N-th step failing, for every N: the error names the step, and nothing is left. */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SecretStore } from '../../src/cluster/secret-store.ts';
import { Failure } from '../../src/config/failure.ts';
import { markerOf } from '../../src/sandbox/worker-marker.ts';
import { cgroupPoints } from './cgroup-view.ts';
import { type Bench, resultOf, startBench } from './engine-fixture.ts';
import { nodeSandbox } from './node-fixture.ts';

const HELLO = 'def handler(e):\n    return "hello"\n';
const HELLO_NODE = 'export const handler = () => "hello";\n';
const STEPS_MAX = 150;
/** Steps of a child's own set-up, each made to fail in a zygote of its own. */
const CHILD_STEPS = ['mount', 'unshare', 'close_from', 'drop_from_bounding_set', 'capset', 'install_filter'];

let program: string;
beforeAll(() => {
  program = mkdtempSync(join(tmpdir(), 'isla-faults-'));
  cpSync('src/sandbox/sock', join(program, 'sandbox/sock'), { recursive: true });
  cpSync('src/runtime', join(program, 'runtime'), { recursive: true });
});
afterAll(() => rmSync(program, { recursive: true }));

describe('a step of the spawner that fails', () => {
  let bench: Bench;
  beforeAll(async () => {
    const spawner = join(program, 'sandbox/sock/spawner');
    renameSync(join(spawner, 'spawner.py'), join(spawner, 'real_spawner.py'));
    cpSync('test/sandbox/fault_spawner.py', join(spawner, 'spawner.py'));
    bench = await startBench({ poolSize: 0, programDir: program });
    const store = new SecretStore(bench.secretsDir);
    store.set('key', Buffer.from('value'));
    for (const lambda of ['probe', 'node']) store.grant({ lambda, secret: 'key' });
  });
  afterAll(async () => {
    await bench.close();
    renameSync(join(program, 'sandbox/sock/spawner/real_spawner.py'), join(program, 'sandbox/sock/spawner/spawner.py'));
  });

  it.each([
    ['Python', () => bench.sandbox(HELLO, 'probe', { secrets: ['key'] })],
    ['Node', () => nodeSandbox(bench, HELLO_NODE, { secrets: ['key'] })],
  ])('is named, costs that sandbox only, and leaves nothing, for every step: %s', async (_what, make) => {
    const named = new Set<string>();
    await (await make()).destroy(); // what is opened once for all is open now
    const before = await leftBy(bench);
    for (let step = 1; ; step += 1) {
      expect(step).toBeLessThan(STEPS_MAX);
      const logged = bench.logged.length;
      writeFileSync(join(bench.dir, 'fault'), String(step));
      const sandbox = await make();
      const said = bench.logged.slice(logged).join();
      if (said === '') {
        await sandbox.destroy();
        break; // there is no such step any more: the sandbox was made without a failure
      }
      // One failed, and the engine made another in its place.
      expect(said).toContain('injected into');
      named.add(/"step":"([^"]+)"/.exec(said)?.[1] as string);
      expect(await resultOf(sandbox)).toBe('hello');
      await sandbox.destroy();
      expect(await leftBy(bench), `after step ${step}: ${said}`).toEqual(before);
    }
    expect([...named].sort()).toEqual([
      'ask the zygote for a child',
      'attach code',
      'attach scratch',
      'attach secrets',
      'bring up loopback',
      'check the child from outside',
      'make cgroups',
      'make scratch',
      'mask /proc',
      'rename scratch',
    ]);
  });
});

describe('a step of the child that fails', () => {
  it.each(CHILD_STEPS)('is told to the caller and leaves nothing: %s', async (step) => {
    const child = join(program, 'sandbox/sock/zygote/child.py');
    const original = readFileSync(child, 'utf8');
    let marker = '';
    const onDir = (dir: string) => {
      marker = markerOf(dir);
    };
    writeFileSync(child, original.replaceAll(`linux.${step}(`, `_fail("${step}")(`).concat(FAIL));
    try {
      // A worker that can not make one sandbox does not come up.
      const failure = await startBench({ programDir: program, onDir }).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(Failure);
      expect((failure as Failure).code).toBe('sandbox-failed');
      expect((failure as Failure).step).toBe('set up the child');
      expect((failure as Failure).message).toContain(`injected into ${step}`);
      expect(cgroupPoints().filter((point) => existsSync(join(point, marker)))).toEqual([]);
    } finally {
      writeFileSync(child, original);
    }
  });
});

const FAIL = `

def _fail(name):
    def step(*_arguments):
        raise OSError(5, f"injected into {name}")
    return step
`;

/** What sandboxes could leave: groups, directories, and descriptors of the spawner. */
async function leftBy(bench: Bench) {
  await bench.engine.memory(); // a round trip: everything before it has been dealt with
  const points = cgroupPoints().map((point) => join(point, markerOf(bench.dir)));
  const groups = points.map((path) => directoriesIn(path));
  const zygote = Number(readFileSync(`${points[0]}/zygote-0/cgroup.procs`, 'utf8'));
  const spawner = /^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${zygote}/status`, 'utf8'))?.[1];
  return {
    cgroups: [...new Set(groups.flat())],
    slots: readdirSync(join(bench.dir, 'slots')),
    scratch: readdirSync(join(bench.dir, 'handlers')).flatMap((name) => readdirSync(join(bench.dir, 'handlers', name))),
    descriptors: readdirSync(`/proc/${spawner}/fd`).length,
    zygoteDescriptors: readdirSync(`/proc/${zygote}/fd`).length,
  };
}

function directoriesIn(path: string): string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
}
