/**
 * Popular packages, as the index of this machine's pip has them: each is imported and does what people use it for, with
 * the import cache and without, and comes to the same. popular/ has a lambda for each, named for its module.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cleanEnvironment } from './admin.ts';
import { type Answer, TestCluster } from './cluster.ts';
import { hasIndex } from './index-of-pip.ts';

const POPULAR = resolve(import.meta.dirname, 'popular');
const COMPARED_MIN = 25;
/** Installing takes its time on a busy machine. */
const PATIENT_MS = 900_000;
const GROWN_MS = 180_000;
const INSTALLED_AT_ONCE = 3;

const MODULES = readdirSync(POPULAR).map((file) => basename(file, '.py'));
const LAMBDAS = new Map<string, readonly string[]>([
  ...MODULES.map((module) => [module.replace('.', '-'), [module]] as const),
  // Several in one lambda.
  ['data', ['numpy', 'pandas', 'scipy', 'sklearn', 'matplotlib']],
  ['web', ['flask', 'sqlalchemy', 'jinja2', 'requests', 'pydantic', 'yaml']],
]);
/** What leaves a thread behind when it is imported, which no fork would have. */
const KEPT_OUT = ['polars', 'pyarrow'];

/** The parts are modules of the lambda's own; it tells what had been imported before it asked for it. */
function filesOf(modules: readonly string[]): Record<string, string> {
  const parts = modules.map((module) => `part_${module.replace('.', '_')}`);
  const sources = modules.map((module) => readFileSync(join(POPULAR, `${module}.py`), 'utf8'));
  const needed = sources.flatMap((source) => [
    ...(/dependencies = \[(.*)\]/.exec(source)?.[1] ?? '').matchAll(/[^", ]+/g),
  ]);
  return {
    ...Object.fromEntries(parts.map((part, at) => [`${part}.py`, sources[at] as string])),
    'requirements.txt': needed.map((one) => `${one}\n`).join(''),
    'lambda_func.py': `import sys
warm = [name in sys.modules for name in ${JSON.stringify(modules)}]
${parts.map((part) => `import ${part}\n`).join('')}
def handler(event):
    return {"warm": warm, "results": [part.operate() for part in (${parts.join(', ')},)]}
`,
  };
}

describe.skipIf(!hasIndex())('popular packages (skipped where pip of this user finds none)', () => {
  const packages = mkdtempSync(join(tmpdir(), 'isla-fidelity-'));
  const plain = new Map<string, Answer>();
  let cached: TestCluster;

  async function start(settings: Record<string, unknown>): Promise<TestCluster> {
    const common = { packages_dir: packages, packages_wait_ms: PATIENT_MS, limits: { memory_mb: 1024 } };
    // An index that is out of reach is not asked again and again.
    const env = cleanEnvironment({ PIP_RETRIES: '0' });
    const cluster = await TestCluster.make({ env, settings: { ...common, ...settings } });
    for (const [name, modules] of LAMBDAS) cluster.install(name, filesOf(modules));
    await cluster.startWorkers();
    return cluster;
  }

  const call = (cluster: TestCluster, name: string) =>
    cluster.post(`/runLambda/${name}`, '{}', { signal: AbortSignal.timeout(PATIENT_MS) });

  const reasonToSkip = (name: string): string | undefined => {
    const { json } = plain.get(name) as Answer;
    return json?.errorType === 'Packages.Failed' ? `${name}: ${json.errorMessage}` : undefined;
  };

  beforeAll(async () => {
    const uncached = await start({ import_cache: 'off' });
    try {
      const waiting = LAMBDAS.keys();
      const installInTurn = async () => {
        for (const name of waiting) plain.set(name, await call(uncached, name));
      };
      await Promise.all(Array.from({ length: INSTALLED_AT_ONCE }, installInTurn));
    } finally {
      await uncached.dispose();
    }
    cached = await start({ zygotes_max: 100, zygotes_memory_mb: 4096 });
  }, PATIENT_MS);
  afterAll(async () => {
    await cached?.dispose();
    rmSync(packages, { recursive: true });
  }, PATIENT_MS);

  async function keptOut(): Promise<string[]> {
    const { stdout } = await cached.admin('zygotes', '--json');
    return JSON.parse(stdout).workers[0].import_cache.kept_out.map(({ module }: { module: string | null }) => module);
  }

  test('are as many as this is about', () => {
    const there = MODULES.filter((module) => reasonToSkip(module.replace('.', '-')) === undefined);
    expect(there.length, `the index has only ${there.join(', ')}`).toBeGreaterThanOrEqual(COMPARED_MIN);
  });

  test.for([...LAMBDAS])('%s', { timeout: GROWN_MS }, async ([name, modules], { skip }) => {
    const reason = reasonToSkip(name);
    if (reason !== undefined) skip(reason);
    const { status, text, json } = plain.get(name) as Answer;
    expect(status, text).toBe(200);
    expect(json.warm).toEqual(modules.map(() => false));
    let version = 0;
    const startAgain = async (): Promise<boolean[]> => {
      // New code starts a sandbox of its own.
      cached.install(name, { 'lambda_func.py': `${filesOf(modules)['lambda_func.py']}# ${version++}\n` });
      const answer = await call(cached, name);
      expect(answer.status, answer.text).toBe(200);
      expect(answer.json.results).toEqual(json.results);
      return answer.json.warm;
    };
    if (KEPT_OUT.includes(name)) {
      await expect.poll(async () => (await startAgain()) && keptOut(), { timeout: GROWN_MS }).toContain(name);
      expect(await startAgain()).toEqual([false]);
    } else {
      await expect.poll(startAgain, { timeout: GROWN_MS }).toEqual(modules.map(() => true));
      await startAgain();
    }
  });
});
