/** Bases with other Pythons than this machine's own: the runtime works on them, and packages are chosen, or built, for them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { addSource } from '../fixtures/sources.ts';
import { Wheelhouse } from '../fixtures/wheelhouse.ts';
import { makeRoot, otherPythons } from './base-root.ts';
import { withCluster } from './use-cluster.ts';

const pythons = [...otherPythons()];
const house = new Wheelhouse();
const temp = mkdtempSync(join(tmpdir(), 'isla-pythons-'));
house.add(
  {
    name: 'asking',
    version: '1.0',
    files: { 'asking.py': 'import chosen\nVALUE = chosen.VALUE\n' },
    requires: pythons.map(([version]) => `chosen==${version} ; python_version == '${version}'`),
  },
  ...pythons.map(([version]) => ({
    name: 'chosen',
    version,
    files: { 'chosen.py': `VALUE = "for ${version}"\n` },
    tag: `cp${version.replace('.', '')}-none-any`,
  })),
);
addSource(house, { name: 'built', body: 'import sys; VALUE = "%d.%d" % sys.version_info[:2]' });
afterAll(() => {
  rmSync(temp, { recursive: true });
  house.dispose();
});

const CODE = `import asking, importlib.util, os, sys
def handler(event, context):
    if event == "raise":
        raise KeyError("missing")
    print("printed")
    compiled = os.path.exists(importlib.util.cache_from_source(asking.__file__))
    return ["%d.%d" % sys.version_info[:2], asking.VALUE, compiled, [p for p in sys.path if "-packages" in p]]
`;

describe.skipIf(pythons.length === 0)('with a base of its own (skipped where this machine has one Python only)', () => {
  test.each(pythons)('Python %s runs lambdas with packages that were chosen for it', async (version, python) => {
    const root = join(temp, version);
    makeRoot(root, python);
    const settings = { base: root, packages_wait_ms: 120_000, packages_build: 'offline' };
    const options = { env: house.environment(), settings };
    await withCluster(options, async (cluster) => {
      cluster.install('a', { 'lambda_func.py': CODE, 'requirements.txt': 'asking' });
      const answer = await cluster.call('a');
      expect(answer.json, `${answer.text}\n${cluster.log().slice(-3000)}`).toEqual([
        version,
        `for ${version}`,
        true,
        [],
      ]);
      const code = 'import built\ndef handler(event):\n    return built.VALUE\n';
      cluster.install('built', { 'lambda_func.py': code, 'requirements.txt': 'built' });
      const built = await cluster.call('built');
      expect(built.json, built.text).toBe(version);
      const raised = await cluster.call('a', 'raise');
      expect([raised.status, raised.json.errorType, raised.json.errorMessage]).toEqual([500, 'KeyError', "'missing'"]);
      expect((await cluster.admin('logs', 'a')).stdout).toContain('printed');
    });
  });
});
