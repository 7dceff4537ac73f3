/** Packages that say of themselves what is not so, or would run where nobody has imported them. */
import { afterAll, describe, expect, test } from 'vitest';
import { Wheelhouse } from '../fixtures/wheelhouse.ts';
import { succeeded } from './admin.ts';
import type { TestCluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { useCluster } from './use-cluster.ts';

const GROWN_MS = 60_000;
const ZEROS = 'A'.repeat(43);

/** A package's own account of its files; `null` for none. */
const RECORDS: [name: string, what: string, record: string | null][] = [
  ['lying', 'hashes and sizes of others', `lying.py,sha256=${ZEROS},1\nlying-1.0.dist-info/METADATA,md5=x,-1\n`],
  ['rooted', 'absolute paths', '/etc/passwd,,\n/packages/rooted.py,,\nrooted.py,,\n'],
  ['climbing', 'paths that lead out', '../climbing.py,,\n../../etc/passwd,,\na/../../b.py,,\n..,,\n'],
  ['repeating', 'one file many times', `repeating.py,,\nrepeating.py,sha256=${ZEROS},9\n./repeating.py,,\n`],
  ['shouting', 'its file in other cases', 'SHOUTING.py,,\nShouting.PY,,\nshouting-1.0.DIST-INFO/RECORD,,\n'],
  ['silent', 'nothing', ''],
  ['garbled', 'no table', '"garbled.py\n,,,,\n\u0000\n'],
  ['bare', 'nothing, for there is none', null],
];

const EVIL_PTH = 'import os; open("/tmp/pth-ran", "w").close()\n/tmp/added\n';
const SLOW = 'import time\ntime.sleep(0.3)\nBORN = time.monotonic()\n';
const house = new Wheelhouse();
house.add(
  ...RECORDS.map(([name, _what, record]) => ({
    name,
    version: '1.0',
    files: { [`${name}.py`]: 'VALUE = 1\n', [`${name}_data/größe, "alle".txt`]: 'x'.repeat(9) },
    record,
  })),
  {
    name: 'signed',
    version: '1.0',
    files: { 'signed.py': '', 'signed-1.0.dist-info/RECORD.jws': 'x' },
    twice: 'signed-1.0.dist-info/RECORD',
  },
  { name: 'cased', version: '1.0', files: { 'cased.py': 'VALUE = "low"\n', 'CASED.py': 'VALUE = "high"\n' } },
  { name: 'torn', version: '1.0', files: { 'torn.py': '', torn: 'a file', 'torn/inside.py': '' } },
  { name: 'good', version: '1.0', files: { 'good.py': `${SLOW}NAME = "good"\n` } },
  // Whose file is there is decided by the packages' names.
  { name: 'concealing', version: '1.0', files: { 'good.py': `${SLOW}NAME = "concealed"\n` }, record: '' },
  {
    name: 'pathy',
    version: '1.0',
    files: { 'pathy.py': SLOW, 'pathy.pth': EVIL_PTH, 'pathy-nspkg.pth': EVIL_PTH },
  },
);
afterAll(() => house.dispose());

const cluster = useCluster({ env: house.environment(), settings: { packages_wait_ms: 120_000 } });

/** What importlib.metadata says of the one package that the lambda has, and what is there. */
const LOOK = `
import base64, hashlib, importlib.metadata, os

def handler(name):
    files = importlib.metadata.files(name)
    said, lies = [], []
    for file in files:
        path = f"/packages/{file}"
        said.append(path)
        if file.hash is None:
            continue
        with open(path, "rb") as opened:
            data = opened.read()
        digest = base64.urlsafe_b64encode(hashlib.new(file.hash.mode, data).digest()).rstrip(b"=").decode()
        if (digest, len(data)) != (file.hash.value, file.size):
            lies.append(path)
    there = [os.path.join(top, each) for top, _dirs, names in os.walk("/packages") for each in names]
    return {"said": sorted(said), "there": sorted(there), "lies": lies, "unhashed": [str(f) for f in files if f.hash is None]}
`;

async function look(name: string) {
  cluster().install(name, { 'lambda_func.py': LOOK, 'requirements.txt': `${name}\n` });
  const { status, json, text } = await cluster().call(name, name);
  expect(status, text).toBe(200);
  return json;
}

describe('what a wheel says of its own files is not believed: its RECORD names', () => {
  test.each(RECORDS)('%s: %s', async (name) => {
    const { said, there, lies, unhashed } = await look(name);
    expect(said).toEqual(there);
    expect(there).toContain(`/packages/${name}.py`);
    expect(there).toContain(`/packages/${name}_data/größe, "alle".txt`);
    expect(lies).toEqual([]);
    expect(unhashed).toEqual([`${name}-1.0.dist-info/RECORD`]);
  });

  test('itself twice, and is signed', async () => {
    const { said, there } = await look('signed');
    expect(said).toEqual(there);
    expect(there.join()).not.toContain('jws');
  });
});

test('two files whose names differ in case are two', async () => {
  const source = 'import cased, CASED\ndef handler(event):\n    return [cased.VALUE, CASED.VALUE]\n';
  cluster().install('cased', { 'lambda_func.py': source, 'requirements.txt': 'cased\n' });
  expect((await cluster().call('cased')).json).toEqual(['low', 'high']);
});

test('a wheel with a file where it has a directory is refused', async () => {
  cluster().install('torn', { 'lambda_func.py': LOOK, 'requirements.txt': 'torn\n' });
  const { status, json, text } = await cluster().call('torn');
  expect([status, json.errorType], text).toEqual([500, 'Packages.Failed']);
  expect(json.errorMessage).toMatch(/it has torn both as a file and as a directory/);
});

let versions = 0;
/** Starts the lambda anew until there is a zygote with that package alone, and then again; what each start said. */
async function startedWithZygote(of: TestCluster, name: string, files: Record<string, string>, member: string) {
  const start = async () => {
    of.install(name, { ...files, 'lambda_func.py': `${files['lambda_func.py']}# ${versions++}\n` });
    const { status, text, json } = await of.call(name);
    expect(status, text).toBe(200);
    return json;
  };
  const said: unknown[] = [];
  await eventually(async () => {
    said.push(await start());
    const { stdout } = succeeded(await of.admin('zygotes', '--json'), 'admin zygotes');
    const { zygotes } = JSON.parse(stdout).workers[0].import_cache;
    if (!zygotes.some((one: { packages: string[] }) => one.packages.join() === member)) throw new Error('none yet');
  }, GROWN_MS);
  for (let n = 0; n < 3; n += 1) said.push(await start());
  return said;
}

test('a package that conceals a file of another gives its lambda that, whatever zygotes there are', async () => {
  const source = 'import good\ndef handler(event):\n    return good.NAME\n';
  const good = { 'lambda_func.py': source, 'requirements.txt': 'good\n' };
  expect(new Set(await startedWithZygote(cluster(), 'honest', good, 'good==1.0'))).toEqual(new Set(['good']));
  for (let n = 0; n < 4; n += 1) {
    cluster().install('deceived', { 'lambda_func.py': `${source}# ${n}\n`, 'requirements.txt': 'concealing\ngood\n' });
    expect((await cluster().call('deceived')).json).toBe('concealed');
  }
});

test('a .pth file means nothing: neither at a start of whatever kind, nor in a zygote, nor in another interpreter', async () => {
  const source = `
import os, subprocess, sys
import pathy
def handler(event):
    subprocess.run([sys.executable, "-c", "import pathy"], check=True)
    return [os.path.exists("/tmp/pth-ran"), "/tmp/added" in sys.path]
`;
  const files = { 'lambda_func.py': source, 'requirements.txt': 'pathy\n' };
  const said = await startedWithZygote(cluster(), 'pathy', files, 'pathy==1.0');
  expect(said).toEqual(said.map(() => [false, false]));
  cluster().install('pathy-own', { ...files, 'lambda.json': '{"zygote": false}' });
  expect((await cluster().call('pathy-own')).json).toEqual([false, false]);
});
