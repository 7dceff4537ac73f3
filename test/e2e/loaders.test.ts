/** Lambdas whose events have a process each, and whose import takes long: it is made once, by a process that they are forks of. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { request, type TestCluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { useCluster } from './use-cluster.ts';

const cluster = useCluster();
/** What rootless.sh has arranged, if it has. */
const arranged = process.env.ISLA_TEST_IDS;
/** A worker with a range of ids. */
const HAS_LOADERS = process.getuid?.() === 0 || arranged === 'sub-ids';
/** Without control groups Python makes an exception of it. */
const OUT_OF_MEMORY = process.getuid?.() === 0 ? [502] : [500, 502];
const ISOLATED = '{"isolation": "call", "concurrency": 8}';

const code = (name: string, more = '') => `
import os, time
BORN = time.monotonic_ns()
time.sleep(0.06)
seen = []
${more}
def handler(event):
    before = [*seen, *os.listdir("/tmp"), *(name for name in os.listdir("/proc") if name.isdigit() and name != "1")]
    seen.append("global")
    open("/tmp/trace", "w").close()
    if isinstance(event, str):
        exec(event)
    return ["${name}", BORN, before]
`;

interface View {
  lambda: string;
  version: string;
  import_ms: number;
  forks: number;
}

async function loaders(of: TestCluster, lambda: string): Promise<View[]> {
  const { json } = await request(`${of.url()}/status`, { headers: { accept: 'application/json' } });
  return json.loaders.filter((one: View) => one.lambda === lambda);
}

/** Calls until the lambda has a loader, and no instance that is older than it waits. */
async function loaded(lambda: string): Promise<View> {
  let found: View | undefined;
  await eventually(async () => {
    expect((await cluster().call(lambda)).status).toBe(200);
    [found] = await loaders(cluster(), lambda);
    expect(found?.forks).toBeGreaterThan(1);
  });
  return found as View;
}

const born = async (lambda: string, event: unknown = 0): Promise<number> => {
  const { status, json } = await cluster().call(lambda, event);
  expect([status, json[2]]).toEqual([200, []]);
  return json[1];
};

test.runIf(HAS_LOADERS)(
  'the import is made once for many events, none of which finds anything of another',
  async () => {
    cluster().install('slow', { 'lambda_func.py': code('first'), 'lambda.json': ISOLATED });
    const view = await loaded('slow');
    expect(view.import_ms).toBeGreaterThanOrEqual(60);
    const times = new Set<number>();
    for (let event = 0; event < 20; event += 1) times.add(await born('slow'));
    const client = async () => {
      for (let event = 0; event < 20; event += 1) times.add(await born('slow'));
    };
    await Promise.all([client(), client(), client(), client()]);
    expect(times.size).toBe(1);
    expect((await loaders(cluster(), 'slow'))[0]?.version).toBe(view.version);
    const { stdout } = await cluster().admin('zygotes', '--json');
    const [told] = JSON.parse(stdout).workers[0].loaders.filter((one: View) => one.lambda === 'slow');
    expect(told).toMatchObject({ version: view.version, import_ms: view.import_ms });
    expect(told.forks).toBeGreaterThanOrEqual(100);
    const drawn = (await cluster().admin('zygotes')).stdout;
    expect(drawn).toMatch(new RegExp(`^LOADER .*\n(.*\n)*slow +\\d+ +${view.import_ms} ms +[\\d.]+ MiB$`, 'm'));
  },
);

test.runIf(HAS_LOADERS)('a change of the code holds from the next event on, and has a loader of its own', async () => {
  cluster().install('changing', { 'lambda_func.py': code('old'), 'lambda.json': ISOLATED });
  const before = await loaded('changing');
  cluster().install('changing', { 'lambda_func.py': code('new') });
  for (let event = 0; event < 5; event += 1) expect((await cluster().call('changing')).json[0]).toBe('new');
  const after = await loaded('changing');
  expect(after.version).not.toBe(before.version);
  expect((await loaders(cluster(), 'changing')).length).toBe(1);
});

test.runIf(HAS_LOADERS)('a lambda that is deleted has none, and nothing is left of it', async () => {
  cluster().install('going', { 'lambda_func.py': code('going'), 'lambda.json': ISOLATED });
  await loaded('going');
  rmSync(join(cluster().dir, 'registry/going'), { recursive: true });
  expect((await cluster().call('going')).status).toBe(404);
  await eventually(async () => {
    expect(await loaders(cluster(), 'going')).toEqual([]);
    expect(cluster().instanceDirs('going')).toEqual([]);
  });
});

test.runIf(HAS_LOADERS)(
  'a call that crashes is answered as ever, and costs the lambda its loader and nothing else',
  async () => {
    cluster().install('crashing', { 'lambda_func.py': code('crashing'), 'lambda.json': ISOLATED });
    await loaded('crashing');
    for (const [event, statuses] of [
      ['os._exit(1)', [502]],
      ['raise KeyError(1)', [500]],
      ['x = b"x" * (1 << 30)', OUT_OF_MEMORY],
    ] as const) {
      expect(statuses).toContain((await cluster().call('crashing', event)).status);
      await born('crashing');
    }
    expect(await loaders(cluster(), 'crashing')).toHaveLength(1);
    expect((await cluster().call('crashing', 'import ctypes; ctypes.string_at(0)')).status).toBe(502);
    expect(await loaders(cluster(), 'crashing')).toEqual([]);
    for (let event = 0; event < 3; event += 1) await born('crashing');
  },
);

test.runIf(HAS_LOADERS)(
  'code that leaves behind what a fork would lack is imported anew for each event, which the log says by name',
  async () => {
    const thread =
      'import threading\nthreading.Thread(target=time.sleep, args=(600,), name="poller", daemon=True).start()';
    cluster().install('threaded', { 'lambda_func.py': code('threaded', thread), 'lambda.json': ISOLATED });
    const times = new Set<number>();
    for (let event = 0; event < 5; event += 1) times.add(await born('threaded'));
    expect(times.size).toBe(5);
    const told = cluster()
      .log()
      .split('\n')
      .filter((line) => line.includes('code is imported anew'))
      .map((line) => JSON.parse(line));
    expect(told.map(({ lambda, what, where }) => `${lambda}: ${what} ${where}`)).toEqual(['threaded: thread poller']);
    expect(await loaders(cluster(), 'threaded')).toEqual([]);
  },
);

test.runIf(HAS_LOADERS).each([
  ['never say that they wait', 'os.register_at_fork(after_in_child=lambda: time.sleep(600))'],
  [
    'never say that they have the code',
    'import sys\npreload = sys.modules.get("isla_runtime.preload")\nif preload: preload.Preloaded.serve = lambda *_: time.sleep(600)',
  ],
])('a loader whose forks %s is dropped, and calls go on without', { timeout: 120_000 }, async (what, source) => {
  const name = `mute-${what.length}`;
  cluster().install(name, { 'lambda_func.py': code(name, source), 'lambda.json': ISOLATED });
  const dropped = () =>
    cluster()
      .log()
      .split('\n')
      .filter((line) => line.includes('code can not be loaded once') && line.includes(`"${name}"`));
  const times = new Set<number>();
  let calls = 0;
  await eventually(async () => {
    // Several at a time: some find an instance that waits, others wait for one.
    for (const time of await Promise.all([1, 2, 3, 4].map(() => born(name)))) times.add(time);
    calls += 4;
    expect(dropped()).toHaveLength(1);
  }, 90_000);
  for (; calls % 4 !== 3; calls += 1) times.add(await born(name));
  expect(times.size).toBe(calls);
  expect(await loaders(cluster(), name)).toEqual([]);
});

test.runIf(arranged === 'one-id')('a worker with one id imports the code anew for each event', async () => {
  cluster().install('rootless', { 'lambda_func.py': code('rootless'), 'lambda.json': ISOLATED });
  const times = new Set<number>();
  for (let event = 0; event < 10; event += 1) times.add(await born('rootless'));
  expect(times.size).toBe(10);
  expect(await loaders(cluster(), 'rootless')).toEqual([]);
});
