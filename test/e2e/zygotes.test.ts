/** What the operator sees of the import cache: `admin zygotes`, /status, /metrics and the directories of zygotes. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Wheelhouse } from '../fixtures/wheelhouse.ts';
import { readPrometheusText, sampleOf } from '../prometheus-text.ts';
import { succeeded } from './admin.ts';
import { request, type TestCluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { useCluster, withCluster } from './use-cluster.ts';

const SLOW_SECONDS = 0.3;
const GROWN_MS = 60_000;
const slow = (name: string) =>
  `import time\ntime.sleep(${SLOW_SECONDS})\nBORN = time.monotonic()\nprint("${name} is loaded", flush=True)\n`;
const house = new Wheelhouse();
house.add(
  { name: 'below', version: '1.0', files: { 'below.py': slow('below') } },
  { name: 'above', version: '2.0', files: { 'above.py': slow('above') } },
  {
    name: 'ticking',
    version: '3.0',
    files: {
      'ticking.py': `${slow('ticking')}import threading\nthreading.Thread(target=time.sleep, args=[99], name="ticker", daemon=True).start()\n`,
    },
  },
);
afterAll(() => house.dispose());

const options = { env: house.environment(), settings: { packages_wait_ms: 120_000 } };

function lambda(modules: readonly string[], version: number): Record<string, string> {
  const born = modules.map((module) => `${module}.BORN`).join(', ');
  return {
    'lambda_func.py': `import ${modules.join(', ')}\ndef handler(event):\n    return [${born}]\n# ${version}\n`,
    'requirements.txt': modules.map((module) => `${module}\n`).join(''),
  };
}

interface Zygote {
  zygote: number;
  parent: number | null;
  added: string[];
  hits: number;
  import_ms: number;
}

async function facts(cluster: TestCluster) {
  const { stdout } = succeeded(await cluster.admin('zygotes', '--json'), 'admin zygotes');
  return JSON.parse(stdout);
}

let versions = 0;
/** Starts the lambda anew until there is a zygote with these packages, and then once more. */
async function warm(cluster: TestCluster, name: string, modules: readonly string[], added: string): Promise<Zygote> {
  const start = async () => {
    cluster.install(name, lambda(modules, versions++));
    const { status, text } = await cluster.call(name);
    expect(status, text).toBe(200);
  };
  const found = await eventually(async () => {
    await start();
    const { zygotes } = (await facts(cluster)).workers[0].import_cache;
    const grown = zygotes.find((one: Zygote) => one.added.join() === added);
    if (grown === undefined) throw new Error(`there is none with ${added}`);
    return grown as Zygote;
  }, GROWN_MS);
  await start();
  return found;
}

describe('a worker with some zygotes', () => {
  const cluster = useCluster(options);
  let root: Zygote;
  beforeAll(async () => {
    root = await warm(cluster(), 'a', ['below'], 'below==1.0');
    const leaf = await warm(cluster(), 'b', ['below', 'above'], 'above==2.0');
    expect(leaf.parent).toBe(root.zygote);
    await warm(cluster(), 'c', ['below', 'ticking'], 'below==1.0');
    await eventually(async () => {
      const { kept_out } = (await facts(cluster())).workers[0].import_cache;
      if (kept_out.length === 0) throw new Error('nothing is kept out');
    }, GROWN_MS);
  }, 3 * GROWN_MS);

  test('the tree is drawn with what each has saved, and what is kept out with the reason', async () => {
    const { stdout } = succeeded(await cluster().admin('zygotes'), 'admin zygotes');
    const [head, columns, ...rows] = stdout.trimEnd().split('\n');
    expect(head).toMatch(/^worker-0: \d+ of \d+ starts of lambdas with packages hit, \d+\.\d s saved$/);
    expect(columns?.trim().split(/\s{2,}|\s(?=[A-Z]+)/)).toEqual([
      'ZYGOTE',
      'HITS',
      'SAVED',
      'IMPORT',
      'MEMORY',
      'WAITING',
    ]);
    expect(rows[0]?.trim()).toBe('(no packages)');
    const [below, above] = (await facts(cluster())).workers[0].import_cache.zygotes as Zygote[];
    const rest = (zygote?: Zygote) => String.raw` +\d+ +\d+\.\d s +${zygote?.import_ms} ms +(\d+\.\d MiB|-) +\d+$`;
    expect(rows[1]).toMatch(new RegExp(String.raw`^└─ \+ below==1\.0${rest(below)}`));
    expect(rows[2]).toMatch(new RegExp(String.raw`^ {3}└─ \+ above==2\.0${rest(above)}`));
    expect(rows[3]).toBe('kept out:');
    expect(rows[4]).toBe('  ticking: import ticking: it leaves behind thread ticker');
    expect(rows).toHaveLength(5);
  });

  test('--json says the same as /status', async () => {
    const said = await facts(cluster());
    const { import_cache: cache } = said.workers[0];
    expect(said).toEqual({
      cluster: cluster().dir,
      workers: [{ name: 'worker-0', reachable: true, import_cache: expect.anything(), loaders: [] }],
    });
    const { json } = await request(`${cluster().url()}/status`, { headers: { accept: 'application/json' } });
    const stable = ({ zygotes, ...rest }: typeof cache) => ({
      ...rest,
      zygotes: zygotes.map(({ memory_bytes, waiting, forks, ...one }: Record<string, unknown>) => one),
    });
    expect(stable(json.import_cache)).toEqual(stable(cache));
    expect(cache.zygotes).toMatchObject([
      { zygote: root.zygote, parent: null, packages: ['below==1.0'], added: ['below==1.0'] },
      { parent: root.zygote, packages: ['above==2.0', 'below==1.0'], added: ['above==2.0'] },
    ]);
    const sum = (key: string) =>
      cache.zygotes.reduce((total: number, one: Record<string, number>) => total + (one[key] ?? 0), 0);
    expect(sum('hits')).toBe(cache.hits);
    expect(Math.abs(sum('saved_ms') - cache.saved_ms)).toBeLessThanOrEqual(cache.zygotes.length);
    for (const { import_ms, hits, saved_ms, forks } of cache.zygotes) {
      expect(import_ms).toBeGreaterThanOrEqual(SLOW_SECONDS * 1000);
      expect(saved_ms).toBeGreaterThanOrEqual(SLOW_SECONDS * 1000 * hits);
      expect(forks).toBeGreaterThanOrEqual(hits);
    }
    expect(cache.kept_out).toContainEqual({
      members: ['below==1.0', 'ticking==3.0'],
      module: 'ticking',
      reason: 'import ticking: it leaves behind thread ticker',
    });
  });

  test('metrics count the same', async () => {
    await expect
      .poll(
        async () =>
          (await facts(cluster())).workers[0].import_cache.zygotes.map(
            (one: { memory_bytes: number | null }) => one.memory_bytes,
          ),
        { timeout: 30_000 },
      )
      .not.toContain(null);
    const { import_cache: cache } = (await facts(cluster())).workers[0];
    const families = readPrometheusText((await request(`${cluster().url()}/metrics`)).text);
    const of = (name: string, labels: Record<string, string> = {}) =>
      sampleOf(families, `faas_import_cache_${name}`, labels);
    expect(of('zygotes')).toBe(2);
    expect(of('kept_out')).toBe(cache.kept_out.length);
    expect(of('starts_total', { result: 'hit' })).toBe(cache.hits);
    expect(of('starts_total', { result: 'miss' })).toBe(cache.misses);
    expect(of('saved_seconds_total')).toBeCloseTo(cache.saved_ms / 1000, 3);
    // A process with an interpreter and its share of the rest.
    expect(of('memory_bytes')).toBeGreaterThan(2 << 20);
    expect(families.get('faas_import_cache_starts_total')?.type).toBe('counter');
    expect(families.get('faas_import_cache_zygotes')?.type).toBe('gauge');
  });

  test('each zygote has a directory with what its modules have printed', () => {
    const dir = join(cluster().dir, 'workers/worker-0/import-cache');
    const said = readdirSync(dir).map((name) => {
      expect(readdirSync(join(dir, name)).sort()).toEqual(['stderr', 'stdout']);
      return readFileSync(join(dir, name, 'stdout'), 'utf8');
    });
    expect(said.sort()).toEqual(['', 'above is loaded\n', 'below is loaded\n']);
  });
});

test('with the cache off there is no tree, no metric, and every start imports', async () => {
  await withCluster({ ...options, settings: { ...options.settings, import_cache: 'off' } }, async (cluster) => {
    cluster.install('a', lambda(['below'], 0));
    const born = (await cluster.call('a')).json;
    cluster.install('a', lambda(['below'], 1));
    expect((await cluster.call('a')).json).not.toEqual(born);
    const { stdout } = succeeded(await cluster.admin('zygotes'), 'admin zygotes');
    expect(stdout).toBe('worker-0: no import cache\n');
    expect((await facts(cluster)).workers).toEqual([
      { name: 'worker-0', reachable: true, import_cache: null, loaders: [] },
    ]);
    expect((await request(`${cluster.url()}/metrics`)).text).not.toContain('faas_import_cache');
    expect(readdirSync(join(cluster.dir, 'workers/worker-0/import-cache'))).toEqual(['0']);
  });
});

test('who does not answer is told, with an exit code', async () => {
  await withCluster({ ...options, workers: 2 }, async (cluster) => {
    process.kill(cluster.workerPid(1), 'SIGKILL');
    await expect.poll(async () => (await cluster.admin('zygotes')).status).toBe(6);
    const { stdout } = await cluster.admin('zygotes');
    expect(stdout).toMatch(/^worker-0: 0 of 0 starts[\s\S]*\nworker-1: died\n$/);
    const json = JSON.parse((await cluster.admin('zygotes', '--json')).stdout);
    expect(json.workers[1]).toEqual({ name: 'worker-1', reachable: false, reason: 'died' });
    await cluster.admin('kill');
    const none = await cluster.admin('zygotes');
    expect([none.status, none.stdout]).toEqual([0, '']);
    expect(none.stderr).toContain('no worker runs');
  });
});
