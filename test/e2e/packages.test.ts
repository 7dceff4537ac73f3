/** Real packages, fetched by this machine's own pip with its own configuration. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cleanEnvironment } from './admin.ts';
import type { TestCluster } from './cluster.ts';
import { hasIndex } from './index-of-pip.ts';
import { useCluster } from './use-cluster.ts';

/** An index that is out of reach is not asked again and again. */
const env = cleanEnvironment({ PIP_RETRIES: '0' });
/** Installing takes its time on a busy machine. */
const PATIENT_MS = 300_000;

const NUMPY = `import numpy
def handler(event):
    return [numpy.__version__, int(numpy.arange(event["n"]).sum())]
`;

async function call(cluster: TestCluster, lambda: string, event: unknown = {}) {
  const answer = await cluster.post(`/runLambda/${lambda}`, JSON.stringify(event), {
    signal: AbortSignal.timeout(PATIENT_MS),
  });
  expect(answer.status, `${answer.text}\n${cluster.log().slice(-4000)}`).toBe(200);
  return answer.json;
}

describe.skipIf(!hasIndex())('packages of the index (skipped where pip of this user finds none)', () => {
  const cluster = useCluster({ env, settings: { packages_wait_ms: PATIENT_MS, limits: { memory_mb: 512 } } });

  test(
    'two lambdas with two versions of numpy work at the same time, and a third has none',
    async () => {
      cluster().install('old', { 'lambda_func.py': NUMPY, 'requirements.txt': 'numpy<2  # the old one\n' });
      cluster().install('new', { 'lambda_func.py': NUMPY, 'packages.txt': 'numpy:numpy>=2,<3\n' });
      cluster().install('none', NUMPY);
      const [old, recent] = await Promise.all([call(cluster(), 'old', { n: 10 }), call(cluster(), 'new', { n: 11 })]);
      expect(old).toEqual([expect.stringMatching(/^1\./), 45]);
      expect(recent).toEqual([expect.stringMatching(/^2\./), 55]);
      expect(await call(cluster(), 'old', { n: 3 })).toEqual([old[0], 3]);
      const none = await cluster().call('none', { n: 1 });
      expect([none.status, none.json.errorType]).toEqual([500, 'Runtime.ImportModuleError']);
    },
    PATIENT_MS,
  );

  test(
    'extras and markers mean what they mean to pip, and nothing else can be imported',
    async () => {
      cluster().install('web', {
        'lambda_func.py': `# /// script
# dependencies = ["requests[socks]>=2", "tomli; python_version < '3.0'"]
# ///
import importlib.util, importlib.metadata, sys
def handler(event):
    found = {name: importlib.util.find_spec(name) is not None for name in event}
    return [found, importlib.metadata.version("requests")[0], [p for p in sys.path if p.startswith(("/h", "/p"))]]
`,
      });
      const names = ['requests', 'socks', 'urllib3', 'tomli', 'numpy', 'pip', 'yaml'];
      const [found, version, path] = await call(cluster(), 'web', names);
      expect(found).toEqual({
        requests: true,
        socks: true,
        urllib3: true,
        tomli: false,
        numpy: false,
        pip: false,
        yaml: false,
      });
      expect(version).toBe('2');
      expect(path).toEqual(['/handler', '/packages']);
    },
    PATIENT_MS,
  );

  test(
    'what it came to is written down, with hashes, and belongs to whoever runs the worker',
    async () => {
      await call(cluster(), 'old', { n: 2 });
      const state = JSON.parse(readFileSync(join(cluster().dir, 'workers/worker-0/packages/old.json'), 'utf8'));
      expect(state).toMatchObject({ lambda: 'old', file: 'requirements.txt', requirements: ['numpy<2'] });
      expect(state.members).toEqual([
        {
          name: 'numpy',
          version: expect.stringMatching(/^1\./),
          sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
          file: expect.stringMatching(/^numpy-1.*\.whl$/),
        },
      ]);
      const packages = join(cluster().dir, 'packages');
      expect(readdirSync(join(packages, 'tmp'))).toEqual([]);
      const [member] = state.members;
      const file = join(packages, state.interpreter, 'wheels', member.sha256, 'tree/numpy/__init__.py');
      const linked = join(state.set, 'numpy/__init__.py');
      expect(statSync(linked).ino).toBe(statSync(file).ino);
      expect([statSync(linked).uid, statSync(linked).mode & 0o777]).toEqual([process.getuid?.(), 0o644]);
      expect(existsSync(join(state.set, 'numpy/__pycache__'))).toBe(true);
    },
    PATIENT_MS,
  );

  test(
    'a worker that starts again finds everything there',
    async () => {
      await call(cluster(), 'old', { n: 2 });
      const before = cluster().log().length;
      await cluster().admin('kill');
      await cluster().startWorkers();
      expect(await call(cluster(), 'old', { n: 4 })).toEqual([expect.stringMatching(/^1\./), 6]);
      const since = cluster().log().slice(before);
      expect(since).toContain('worker ready');
      expect(since).not.toContain('packages are being installed');
    },
    PATIENT_MS,
  );
});
