import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cleanEnvironment } from './admin.ts';

/** Whether pip, as this user has configured it, knows of packages at all. */
export function hasIndex(): boolean {
  const dir = mkdtempSync(join(tmpdir(), 'isla-index-'));
  const words = [
    '-I',
    '-m',
    'pip',
    'download',
    '--quiet',
    '--no-deps',
    '--only-binary=:all:',
    '--dest',
    dir,
    'requests',
  ];
  try {
    execFileSync('/usr/bin/python3', words, { env: cleanEnvironment({ PIP_RETRIES: '0' }), stdio: 'ignore' });
    return true;
  } catch {
    return false;
  } finally {
    rmSync(dir, { recursive: true });
  }
}
