/** Secrets through the built program: who sees a value, and where it is never found. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runAdmin, succeeded } from './admin.ts';
import { castOf } from './cast.ts';
import { useCluster } from './use-cluster.ts';
import { callRuns, letGo, waitingCode } from './waiting-lambda.ts';

const READ =
  'import os\ndef handler(event):\n    return {n: open("/run/secrets/" + n).read() for n in sorted(os.listdir("/run/secrets"))}\n';
/** Reads, at the end of a call that is in flight until the test lets it go. */
const SLOW = `${waitingCode('')}wait = handler\n${READ.replace('    return', '    wait(event)\n    return')}`;

const cluster = useCluster();

async function secrets(args: string[], input?: string): Promise<string> {
  const all = ['secrets', ...args, `--cluster=${cluster().dir}`];
  const { stdout } = succeeded(await runAdmin(all, input === undefined ? {} : { input }), all.join(' '));
  return stdout;
}

async function seenBy(lambda: string): Promise<unknown> {
  const answer = await cluster().call(lambda);
  return answer.status === 200 ? answer.json : answer.text;
}

test('a granted lambda reads a secret with its next call, and no other lambda does', async () => {
  cluster().install('reader', READ);
  cluster().install('other', READ);
  expect(await seenBy('reader')).toEqual({});
  await secrets(['set', 'api-key'], 'hunter-one');
  expect(await seenBy('reader')).toEqual({});
  await secrets(['grant', 'api-key', '--lambda=reader']);
  expect(await seenBy('reader')).toEqual({ 'api-key': 'hunter-one' });
  expect(await seenBy('other')).toEqual({});

  await secrets(['set', 'api-key'], 'hunter-two');
  expect(await seenBy('reader')).toEqual({ 'api-key': 'hunter-two' });
  await secrets(['revoke', 'api-key', '--lambda=reader']);
  expect(await seenBy('reader')).toEqual({});
  await secrets(['grant', 'api-key', '--lambda=reader']);
  expect(await seenBy('reader')).toEqual({ 'api-key': 'hunter-two' });
  await secrets(['rm', 'api-key']);
  expect(await seenBy('reader')).toEqual({});
});

test('a hundred grants and revocations in a row are each there with the next call', async () => {
  cluster().install('turning', READ);
  const store = join(cluster().dir, 'config/secrets');
  await secrets(['set', 'switch'], 'on');
  // As the command does it, without a start of Node between the change and the call.
  const grant = join(store, 'grants/turning:switch');
  for (let turn = 0; turn < 50; turn += 1) {
    writeFileSync(grant, '', { mode: 0o600 });
    expect(await seenBy('turning')).toEqual({ switch: 'on' });
    rmSync(grant);
    expect(await seenBy('turning')).toEqual({});
  }
});

test('a call in flight ends on what it had, and its instance ends with it', async () => {
  cluster().install('slow', SLOW);
  await secrets(['set', 'long'], 'hunter');
  await secrets(['grant', 'long', '--lambda=slow']);
  const call = seenBy('slow');
  const itsInstance = await callRuns(cluster(), 'slow');
  await secrets(['revoke', 'long', '--lambda=slow']);
  letGo(itsInstance);
  expect(await call).toEqual({ long: 'hunter' });
  // Another, without it, may be loaded ahead.
  await expect.poll(() => cluster().instanceDirs('slow')).not.toContain(itsInstance);
});

test('lambda.json cannot ask for a secret', async () => {
  await secrets(['set', 'wanted'], 'hunter');
  cluster().install('greedy', { 'lambda_func.py': READ, 'lambda.json': '{"secrets": ["wanted"]}' });
  expect(await seenBy('greedy')).toContain('there is no such key');
});

test('a value is in no log, no file but its own, and no argument or environment of any process', async () => {
  const value = `never-${Math.random()}-to-be-seen`;
  cluster().install('keeper', 'def handler(event):\n    return len(open("/run/secrets/precious").read())\n');
  cluster().install('clumsy', 'import os\ndef handler(event):\n    raise OSError(str(os.listdir("/run/secrets")))\n');
  await secrets(['set', 'precious'], value);
  for (const lambda of ['keeper', 'clumsy']) await secrets(['grant', 'precious', `--lambda=${lambda}`]);
  expect(await seenBy('keeper')).toBe(value.length);
  expect(await seenBy('clumsy')).toContain('precious');

  const status = await fetch(`${cluster().url()}/status`, { headers: { accept: 'application/json' } });
  const told = [await status.text(), (await cluster().admin('status')).stdout, await secrets(['list', '--json'])];
  for (const text of told) expect(text).not.toContain(value);
  expect(told[2]).toContain('"grants":["clumsy","keeper"]');

  const { processes } = cluster().footprint.look();
  expect(processes.length).toBeGreaterThan(3);
  for (const { pid, name } of processes) {
    for (const file of ['cmdline', 'environ']) {
      expect(read(`/proc/${pid}/${file}`), `${file} of ${name}`).not.toContain(value);
    }
  }
  const holding = filesBelow(cluster().dir).filter((path) => read(path).includes(value));
  expect(holding).toEqual([join(cluster().dir, 'config/secrets/values/precious')]);
});

// Other people's memory is root's to look into.
test.skipIf(process.getuid?.() !== 0)(
  'no process of the cluster but the lambda ever has a value in its memory',
  async () => {
    const value = `never-${Math.random()}-in-memory`;
    cluster().install('holder', 'def handler(event):\n    return len(open("/run/secrets/held").read())\n');
    await secrets(['set', 'held'], value);
    await secrets(['grant', 'held', '--lambda=holder']);
    expect(await seenBy('holder')).toBe(value.length);
    expect(holdersOf(value, [process.pid])).not.toEqual([]);
    expect(holdersOf(value, Object.values(castOf(cluster())))).toEqual([]);
  },
);

/** Those of the processes in whose memory the value is. */
function holdersOf(value: string, pids: readonly number[]): string[] {
  const SCAN = `
import sys
value = sys.stdin.buffer.read()
for pid in sys.argv[1:]:
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            place, rights = line.split()[:2]
            if not rights.startswith("rw"):
                continue
            start, end = (int(part, 16) for part in place.split("-"))
            try:
                memory.seek(start)
                if value in memory.read(end - start):
                    print(pid, line.strip())
            except (OSError, ValueError, OverflowError):
                pass  # a device's, or one that is only reserved
`;
  const said = execFileSync('python3', ['-I', '-c', SCAN, ...pids.map(String)], { input: value, encoding: 'utf8' });
  return said.split('\n').filter((line) => line !== '');
}

/** Regular files, without those that a handler's scratch links to. */
function filesBelow(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // it ended between two looks
  }
}
