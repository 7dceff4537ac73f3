/** Generators that have drawn in a zygote: its forks go on with others. Needs numpy, from wherever pip finds it. */
import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findPython } from '../../src/cluster/python.ts';
import { type Bench, resultOf, startBench } from './engine-fixture.ts';
import { copyProgram, type ProgramCopy } from './program-copy.ts';

const packages = mkdtempSync(join(tmpdir(), 'isla-numpy-'));
chmodSync(packages, 0o755);
const { path: python } = await findPython({ kind: 'host', etcDir: '' }, '');
const missing = await promisify(execFile)(python, ['-m', 'pip', 'install', '-q', '--target', packages, 'numpy']).then(
  () => undefined,
  (error: Error) => `pip has no numpy: ${error.message.split('\n').at(-2)}`,
);
afterAll(() => rmSync(packages, { recursive: true }));

/** Every generator has drawn, so all forks hold the same state. */
const PRELOADS =
  "    sys.path.insert(0, '/packages')\n    import numpy.random, random, secrets, ssl, tempfile, uuid\n" +
  '    random.random(); numpy.random.random(); ssl.RAND_bytes(8); tempfile.mktemp(); uuid.uuid1(); uuid.uuid4()\n';

const DRAWS =
  'import numpy.random, random, secrets, ssl, tempfile, uuid\ndef handler(e):\n    return {"random": str(random.random()),\n' +
  '        "numpy": str(numpy.random.random()), "uuid1": str(uuid.uuid1())[9:], "uuid4": str(uuid.uuid4()),\n' +
  '        "secrets": secrets.token_hex(), "tempfile": tempfile.mktemp(), "ssl": ssl.RAND_bytes(8).hex()}\n';

describe('generators that have drawn in a zygote', () => {
  let program: ProgramCopy;
  let bench: Bench;
  beforeAll(async () => {
    program = copyProgram();
    program.falsify('sandbox/sock/zygote/zygote.py', '    server.prepare()\n', `    server.prepare()\n${PRELOADS}`);
    const links = '    plan = Plan(dirs=list(_DIRS), links=dict(_LINKS))\n';
    const bind = `    plan.binds.append(("${packages}", "packages", _READ_ONLY))\n`;
    program.falsify('sandbox/sock/spawner/root.py', links, links + bind);
    bench = await startBench({ programDir: program.dir });
  });
  afterAll(async () => {
    await bench?.close();
    program.remove();
  });

  it.skipIf(missing)(`give each of its forks other numbers${missing ? `: ${missing}` : ''}`, async () => {
    const sandboxes = [await bench.sandbox(DRAWS), await bench.sandbox(DRAWS), await bench.sandbox(DRAWS)];
    const drawn = (await Promise.all(sandboxes.map((each) => resultOf(each)))) as Record<string, string>[];
    for (const kind of Object.keys(drawn[0] as object)) {
      expect(new Set(drawn.map((one) => one[kind])).size, kind).toBe(3);
    }
    expect(Object.keys(drawn[0] as object)).toHaveLength(7);
  });
});
