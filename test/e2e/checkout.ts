/** A copy of the checkout for tests that run the quickstart scripts, which make ./my-cluster. */
import { cpSync, existsSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ROOT, run, succeeded } from './admin.ts';
import { Footprint } from './footprint.ts';

/** What git knows or would add, with the packages linked: as if cloned and `npm ci` run. */
export async function copyCheckout(): Promise<string> {
  const copy = mkdtempSync(join(tmpdir(), 'isla-checkout-'));
  const listed = await run('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: ROOT });
  for (const name of succeeded(listed, 'git ls-files').stdout.split('\0')) {
    if (name === '' || !existsSync(join(ROOT, name))) continue;
    cpSync(join(ROOT, name), join(copy, name), { recursive: true, preserveTimestamps: true });
  }
  symlinkSync(realpathSync(join(ROOT, 'node_modules')), join(copy, 'node_modules'));
  return copy;
}

/** Kills what a failed test may have left in ./my-cluster; throws if something survives that. */
export async function disposeCheckout(copy: string): Promise<void> {
  const cluster = join(copy, 'my-cluster');
  const footprint = new Footprint(cluster).look();
  if (existsSync(join(cluster, 'config')))
    await run(join(copy, 'bin/admin'), ['kill', `--cluster=${cluster}`], { cwd: dirname(cluster) });
  const left = footprint.left();
  rmSync(copy, { recursive: true, force: true });
  if (left.length > 0) throw new Error(`left behind:\n  ${left.join('\n  ')}`);
}
