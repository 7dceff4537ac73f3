/** `npm run release`, in a clone: what it makes, and what it refuses. */
import { appendFileSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Finished, ROOT, run, succeeded } from './admin.ts';
import { copyCheckout } from './checkout.ts';

let checkout: string;
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };

const git = (...args: string[]): Promise<Finished> =>
  run('git', ['-c', 'user.name=t', '-c', 'user.email=t@localhost', ...args], { cwd: checkout });
const release = (): Promise<Finished> => run('node', ['scripts/release.mjs'], { cwd: checkout });

beforeAll(async () => {
  checkout = await copyCheckout();
  appendFileSync(join(checkout, '.gitignore'), 'node_modules\n');
  for (const args of [
    ['init', '-q'],
    ['add', '-A'],
    ['commit', '-qm', 'all of it'],
  ]) {
    succeeded(await git(...args), `git ${args[0]}`);
  }
});
afterAll(() => rmSync(checkout, { recursive: true, force: true }));

describe('a release', () => {
  test('is the single file, its checksum and the notes of its version', async () => {
    succeeded(await release(), 'release');
    const dir = join(checkout, 'dist/release');
    const name = `admin-${version}-linux-${process.arch}`;
    expect(readdirSync(dir).sort()).toEqual(['NOTES.md', 'SHA256SUMS', name].sort());
    expect(await run('sha256sum', ['-c', 'SHA256SUMS'], { cwd: dir })).toMatchObject({
      status: 0,
      stdout: `${name}: OK\n`,
    });
    const said = await run(join(dir, name), ['--version'], {
      cwd: dir,
      env: { HOME: join(checkout, 'dist'), PATH: '' },
    });
    expect(said.stdout).toMatch(`${version} (one file for linux-${process.arch}`);
    const notes = readFileSync(join(dir, 'NOTES.md'), 'utf8');
    expect(notes.startsWith(`# Isla ${version}\n\n- `)).toBe(true);
    const head = (await git('rev-parse', 'HEAD')).stdout.trim();
    expect(notes).toContain(`Commit ${head}\n`);
  });

  test('is not made of what is not committed', async () => {
    appendFileSync(join(checkout, 'README.md'), 'a change\n');
    const refused = await release();
    expect(refused).toMatchObject({ status: 1, stdout: '' });
    expect(refused.stderr).toMatch(/^release: there are changes that are not committed:\n.*README\.md\n$/);
    succeeded(await git('checkout', '-q', 'README.md'), 'git checkout');
  });
});
