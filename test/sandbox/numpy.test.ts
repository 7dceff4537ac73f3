/** What two sandboxes of one zygote must not share, and what must work in both. Needs numpy, from wherever pip finds it. */
import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findPython } from '../../src/cluster/python.ts';
import type { PackageSet, Sandbox, Zygote } from '../../src/sandbox/sandbox.ts';
import { type Bench, resultOf, startBench } from './engine-fixture.ts';

/** Every generator has drawn, so all forks hold the same state. */
const STATE = `
import logging, logging.handlers, multiprocessing, numpy, random, secrets, ssl, tempfile, threading, uuid
random.random(); numpy.random.random(); ssl.RAND_bytes(8); tempfile.mktemp(); uuid.uuid1(); uuid.uuid4()
own, legacy, plain = numpy.random.default_rng(), numpy.random.RandomState(), random.Random()
fixed, fixed_legacy, fixed_plain = numpy.random.default_rng(7), numpy.random.RandomState(7), random.Random(7)
for one in (own, legacy, plain, fixed, fixed_legacy, fixed_plain):
    one.random()
context = ssl.create_default_context()
lock = threading.RLock()
logging.basicConfig(level="INFO")
matrix = numpy.arange(250_000.0).reshape(500, 500)
product = matrix @ matrix
`;

const DRAWS = `
import random, secrets, ssl, tempfile, uuid, multiprocessing, numpy.random
def handler(e):
    import state
    return {"random": str(random.random()), "numpy": str(numpy.random.random()), "uuid1": str(uuid.uuid1())[9:],
        "uuid4": str(uuid.uuid4()), "secrets": secrets.token_hex(), "tempfile": tempfile.mktemp(),
        "ssl": ssl.RAND_bytes(8).hex(), "own": str(state.own.random()), "legacy": str(state.legacy.random_sample()),
        "plain": str(state.plain.random()), "authkey": multiprocessing.current_process().authkey.hex()}
`;

const FIXED = `
import state
def handler(e):
    return [state.fixed.random(), state.fixed_legacy.random_sample(), state.fixed_plain.random()]
`;

const WORKS = `
import concurrent.futures, logging, multiprocessing, ssl, threading
import numpy, state

def double(n):
    return 2 * n

def handler(e):
    logging.getLogger("probe").info("said")
    with multiprocessing.get_context("fork").Pool(2) as pool:
        doubled = pool.map(double, range(4))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        traces = list(pool.map(lambda n: float(numpy.trace(state.matrix @ state.matrix)), range(2)))
    with state.lock:
        same = bool((state.matrix @ state.matrix == state.product).all())
    inner, outer = ssl.MemoryBIO(), ssl.MemoryBIO()
    state.context.wrap_bio(inner, outer, server_hostname="example.com")
    queue = multiprocessing.Queue()
    queue.put(1)
    return [doubled, traces[0] == traces[1], same, queue.get(timeout=5), threading.active_count() <= 2]
`;

const packages = mkdtempSync(join(tmpdir(), 'isla-numpy-'));
chmodSync(packages, 0o755);
const { path: python } = await findPython({ kind: 'host', etcDir: '' }, '');
const missing = await promisify(execFile)(python, ['-m', 'pip', 'install', '-q', '--target', packages, 'numpy']).then(
  () => undefined,
  (error: Error) => `pip has no numpy: ${error.message.split('\n').at(-2)}`,
);
writeFileSync(join(packages, 'state.py'), STATE);
const set: PackageSet = { dir: packages, members: ['numpy==1@0', 'state==1@0'] };
afterAll(() => rmSync(packages, { recursive: true }));

describe.skipIf(missing)(`two sandboxes of a zygote with numpy${missing ? `: ${missing}` : ''}`, () => {
  let bench: Bench;
  let zygote: Zygote;
  beforeAll(async () => {
    bench = await startBench();
    const outcome = await bench.engine.grow({ parent: undefined, packages: set, modules: ['state'], memoryMb: 512 });
    if ('cause' in outcome) throw new Error(JSON.stringify(outcome));
    zygote = outcome;
  }, 60_000);
  afterAll(() => bench?.close());

  const made = (source: string): Promise<Sandbox> =>
    bench.sandbox(source, 'probe', { packages: set, from: zygote, limits: { memory_mb: 512 } });

  it('draw other numbers of every generator that was seeded by chance', async () => {
    const sandboxes = [await made(DRAWS), await made(DRAWS), await made(DRAWS)];
    const drawn = (await Promise.all(sandboxes.map((each) => resultOf(each)))) as Record<string, string>[];
    for (const kind of Object.keys(drawn[0] as object)) {
      expect(new Set(drawn.map((one) => one[kind])).size, kind).toBe(3);
    }
    expect(Object.keys(drawn[0] as object)).toHaveLength(11);
  });

  it('draw what a module drew that has chosen its seeds, with and without the zygote', async () => {
    const forked = await resultOf(await made(FIXED));
    expect(await resultOf(await made(FIXED))).toEqual(forked);
    const plain = await bench.sandbox(FIXED, 'probe', { packages: set, limits: { memory_mb: 512 } });
    expect(await resultOf(plain)).toEqual(forked);
  });

  it('compute, log, lock, start threads and processes, and make TLS connections', async () => {
    const sandboxes = [await made(WORKS), await made(WORKS)];
    for (const sandbox of sandboxes) expect(await resultOf(sandbox)).toEqual([[0, 2, 4, 6], true, true, 1, true]);
  });
});
