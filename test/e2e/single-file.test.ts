/** The single file, on a machine that has neither Node nor this checkout. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Finished, ROOT, run, succeeded } from './admin.ts';
import { Footprint } from './footprint.ts';

const FILE = join(ROOT, 'dist', `admin-linux-${process.arch}`);
/** All that a machine must have. */
const NEEDED = ['python3', 'flock', 'sh'];

let dir: string;
let env: NodeJS.ProcessEnv;

beforeAll(() => {
  execFileSync(process.execPath, ['scripts/build-binary.mjs'], { cwd: ROOT, stdio: ['ignore', 'inherit', 'ignore'] });
  dir = mkdtempSync(join(tmpdir(), 'isla-single-file-'));
  mkdirSync(join(dir, 'bin'));
  for (const name of NEEDED) {
    const found = execFileSync('/bin/sh', ['-c', `command -v ${name}`], { env: { PATH: '/usr/bin:/bin' } });
    symlinkSync(found.toString().trim(), join(dir, 'bin', name));
  }
  env = { HOME: dir, PATH: join(dir, 'bin') };
}, 120_000);

afterAll(() => rmSync(dir, { recursive: true }));

async function admin(...args: string[]): Promise<Finished> {
  return succeeded(await run(FILE, args, { cwd: dir, env }), `admin ${args.join(' ')}`);
}

describe('the single file', () => {
  test('says what is inside', async () => {
    const { stdout } = await admin('--version');
    expect(stdout).toMatch(
      new RegExp(
        `^\\S+ \\(one file for linux-${process.arch}, with Node ${process.versions.node} and better-sqlite3 \\S+\\)\n$`,
      ),
    );
  });

  test('serves handlers in Python and in JavaScript, and keeps their calls', async () => {
    const cluster = join(dir, 'my-cluster');
    await admin('new', `--cluster=${cluster}`);
    const footprint = new Footprint(cluster);
    await admin('workers', `--cluster=${cluster}`, '--port=0');
    try {
      write(join(cluster, 'registry/hello/lambda_func.py'), 'def handler(event):\n    return f"Hello, {event}!"\n');
      write(
        join(cluster, 'registry/node/lambda_func.mjs'),
        'export const handler = async (event) => [event, process.versions.node];\n',
      );
      expect((await admin('invoke', 'hello', '"Alice"', `--cluster=${cluster}`)).stdout).toBe('"Hello, Alice!"\n');
      expect(JSON.parse((await admin('invoke', 'node', '7', `--cluster=${cluster}`)).stdout)).toHaveLength(2);
      await expect
        .poll(async () => (await admin('calls', 'list', `--cluster=${cluster}`)).stdout)
        .toMatch(/hello.*node|node.*hello/s);
      expect((await admin('doctor', `--cluster=${cluster}`)).stdout).toMatch(/Lambdas can run on this machine/);
    } finally {
      footprint.look();
      await admin('kill', `--cluster=${cluster}`);
    }
    expect(footprint.left()).toEqual([]);
  });

  test('lays its files out once, though many begin at the same time, and as others may read them', async () => {
    const cache = join(dir, 'cache');
    const umask077 = ['-c', `umask 077; exec "${FILE}" --version`];
    const runs = Array.from({ length: 4 }, () =>
      run('/bin/sh', umask077, { cwd: dir, env: { ...env, XDG_CACHE_HOME: cache } }),
    );
    for (const one of await Promise.all(runs)) expect(one).toMatchObject({ status: 0, stderr: '' });
    const [only, ...more] = readdirSync(join(cache, 'isla'));
    expect(more).toEqual([]);
    const inside = join(cache, 'isla', only as string, 'dist/runtime/python');
    expect(statSync(inside).mode & 0o777).toBe(0o755);
    expect(statSync(join(inside, 'server.py')).mode & 0o777).toBe(0o644);
  });

  test('runs nothing that others may have written', async () => {
    const cache = join(dir, 'open');
    mkdirSync(join(cache, 'isla'), { recursive: true });
    chmodSync(join(cache, 'isla'), 0o777);
    const refused = await run(FILE, ['--version'], { cwd: dir, env: { ...env, XDG_CACHE_HOME: cache } });
    expect(refused).toMatchObject({ status: 1, stdout: '' });
    expect(refused.stderr).toMatch(/^admin: .*others may write to .*chmod go-w it.*set XDG_CACHE_HOME\n$/);
  });
});

function write(path: string, text: string): void {
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, text);
}
