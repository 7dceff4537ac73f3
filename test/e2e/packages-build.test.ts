/** Packages that are built from their sources, in sandboxes. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { addSource } from '../fixtures/sources.ts';
import { Wheelhouse } from '../fixtures/wheelhouse.ts';
import type { TestCluster } from './cluster.ts';
import { useCluster } from './use-cluster.ts';

const house = new Wheelhouse();
house.add(
  { name: 'base', version: '1.0', files: { 'base.py': 'VALUE = 5\n' } },
  { name: 'both', version: '1.0', files: { 'both.py': 'VALUE = "wheel"\n' } },
  { name: 'tool', version: '1.0', files: { 'tool.py': 'VALUE = 20\n' } },
  { name: 'more', version: '1.0', files: { 'more.py': 'VALUE = 22\n' } },
);
addSource(house, { name: 'plain', requires: ['base'] });
addSource(house, { name: 'both', version: '2.0', body: 'VALUE = "source"' });
addSource(house, {
  name: 'needy',
  needs: ['tool'],
  asks: ['more'],
  body: 'import more, tool; VALUE = tool.VALUE + more.VALUE',
});
addSource(house, { name: 'lacking', needs: ['nowhere-to-be-found'] });
addSource(house, { name: 'greedy', needs: ['tool @ https://example.com/tool.whl'] });
addSource(house, { name: 'broken', body: 'print("the compiler is missing"); raise SystemExit(3)' });
addSource(house, { name: 'astray', file: 'other-1.0-py3-none-any.whl' });
addSource(house, { name: 'climbing', file: '../../climbing-1.0-py3-none-any.whl' });
addSource(house, { name: 'outward', inside: '../outward.py' });
addSource(house, { name: 'hungry', body: 'VALUE = len(bytearray(4_000_000_000))' });
addSource(house, { name: 'bomb', body: 'import os\nwhile True: os.fork()' });
addSource(house, {
  name: 'filling',
  body: 'file = open("/host/large", "wb")\nwhile True: file.write(bytes(1 << 20)); file.flush()',
});
const SECRET = join(house.tmp, 'of-the-host');
writeFileSync(SECRET, 'secret');
addSource(house, {
  name: 'prying',
  body: `import os, socket
VALUE = []
for path in (${JSON.stringify(SECRET)}, "/etc/shadow", "/root/.bashrc"):
    try:
        VALUE.append((path, open(path).read()[:20]))
    except OSError:
        pass
for path in ("/packages/x", "/handler/x", "/usr/x", "/etc/x", ${JSON.stringify(`${house.dir}/x`)}, "/x"):
    try:
        open(path, "w")
        VALUE.append(path)
    except OSError:
        pass
try:
    socket.create_connection(("127.0.0.1", PORT), 2)
    VALUE.append("connected")
except (OSError, NameError):
    pass
VALUE += [name for name in os.environ if name.startswith(("PIP_", "ISLA_", "AWS_SECRET"))]
VALUE.append(os.getuid() == 0 and open("/proc/self/uid_map").read().split()[1] == "0")
`,
});
afterAll(() => house.dispose());

/** A build takes its time on a busy machine. */
const PATIENT_MS = 150_000;
vi.setConfig({ testTimeout: 2 * PATIENT_MS });

const settings = { packages_wait_ms: 120_000, packages_build: 'offline', log_level: 'debug' };

/** What its handler finds in the package, or why there is none. */
async function found(cluster: TestCluster, lambda: string, list = lambda, module = lambda): Promise<unknown> {
  const code = `import ${module}\ndef handler(event):\n    return ${module}.VALUE\n`;
  cluster.install(lambda, { 'lambda_func.py': code, 'requirements.txt': list });
  const signal = AbortSignal.timeout(PATIENT_MS);
  const answer = await cluster.post(`/runLambda/${lambda}`, '{}', { signal });
  return answer.status === 200 ? answer.json : answer.json.errorMessage;
}

function interpreterDir(cluster: TestCluster): string {
  const dir = join(cluster.dir, 'packages');
  return join(dir, readdirSync(dir).find((name) => name.startsWith('cpython')) as string);
}

function timesBuilt(cluster: TestCluster, source: string): number {
  return cluster.log().split(`"progress":"building ${source}"`).length - 1;
}

/** What hostile builds get: enough to be told what they ran out of. */
const SMALL = { memory_mb: 512, procs: 64, cpu_percent: 100, scratch_mb: 64 };

describe('without network', () => {
  const cluster = useCluster({
    env: house.environment(),
    settings: { ...settings, packages_allow: ['options', 'paths'], limits: SMALL, limits_max: SMALL },
  });

  test('what has no wheel is built, with what it needs as a package, and its own needs are met', async () => {
    expect(await found(cluster(), 'plain')).toBe(1);
    expect(await found(cluster(), 'of-plain', 'plain', 'base')).toBe(5);
    expect(timesBuilt(cluster(), 'plain-1.0.tar.gz')).toBe(1);
    expect(readdirSync(join(cluster().dir, 'packages/tmp'))).toEqual([]);
    expect(house.left()).toEqual([]);
  });

  test('a wheel comes before a newer source, unless the list says otherwise', async () => {
    expect(await found(cluster(), 'both')).toBe('wheel');
    expect(await found(cluster(), 'sourced', '--no-binary both\nboth', 'both')).toBe('source');
    expect(await found(cluster(), 'newest', 'both>1', 'both')).toBe('source');
    expect(timesBuilt(cluster(), 'both-2.0.tar.gz')).toBe(1);
  });

  test("what a build needs is installed for it, and is nobody else's", async () => {
    expect(await found(cluster(), 'needy')).toBe(42);
    expect(await found(cluster(), 'toolless', 'needy', 'tool')).toContain("No module named 'tool'");
  });

  test('what was built is built again when it has vanished, and the list stays', async () => {
    expect(await found(cluster(), 'plain')).toBe(1);
    const dir = interpreterDir(cluster());
    const resolved = () =>
      readdirSync(join(dir, 'resolved')).map((name) => readFileSync(join(dir, 'resolved', name), 'utf8'));
    const ours = resolved().find((text) => text.includes('"plain-1.0.tar.gz"')) as string;
    expect(JSON.parse(ours).members).toContainEqual(
      expect.objectContaining({ name: 'plain', source: { file: 'plain-1.0.tar.gz', sha256: expect.any(String) } }),
    );
    for (const name of ['wheels', 'sets']) rmSync(join(dir, name), { recursive: true });
    const before = timesBuilt(cluster(), 'plain-1.0.tar.gz');
    cluster().install('plain', { 'lambda_func.py': 'import plain\ndef handler(event):\n    return -plain.VALUE\n' });
    expect((await cluster().call('plain')).json).toBe(-1);
    expect(timesBuilt(cluster(), 'plain-1.0.tar.gz')).toBe(before + 1);
    expect(resolved()).toContain(ours);
  });

  test('a build sees nothing of this machine, and changes nothing', async () => {
    expect(await found(cluster(), 'prying')).toEqual([false]);
    expect(existsSync(join(house.dir, 'x'))).toBe(false);
  });

  test.each([
    ['lacking', /lacking-1\.0\.tar\.gz cannot be built: .*No matching distribution found for nowhere-to-be-found/],
    [
      'greedy',
      /greedy-1\.0\.tar\.gz cannot be built: it needs "tool @ .*an address instead of a version is not allowed/,
    ],
    [
      'broken',
      /broken-1\.0\.tar\.gz cannot be built: build_wheel ended with status 3; it printed: the compiler is missing/,
    ],
    ['astray', /other.*(?:not|cannot|says)/],
    ['climbing', /climbing-1\.0\.tar\.gz cannot be built: build_wheel ended with status 1; .*Read-only file system/s],
    ['outward', /outward-1\.0-py3-none-any\.whl cannot be used: the path '\.\.\/outward\.py' in it leads out/],
    ['hungry', /hungry-1\.0\.tar\.gz cannot be built: /],
    ['bomb', /bomb-1\.0\.tar\.gz cannot be built: /],
    ['filling', /filling-1\.0\.tar\.gz cannot be built: build_wheel ended with status 1; .*No space left on device/s],
  ])('what cannot be built is told with its name and its words: %s', async (name, reason) => {
    expect(await found(cluster(), name)).toMatch(reason);
    expect(readdirSync(join(cluster().dir, 'packages/tmp'))).toEqual([]);
    expect(house.left()).toEqual([]);
    // The worker serves on.
    expect(await found(cluster(), 'base')).toBe(5);
  });
});
