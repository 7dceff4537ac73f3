import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Failure } from '../config/failure.ts';
import { errnoOf } from '../lib/errno.ts';

const run = promisify(execFile);

/** Written last, beside the tree: a directory without it was not finished. */
const MARKER = 'unpacked.json';

/**
 * Unpacks a root file system once into `<baseDir>/<digest of path, size and time>/root` and
 * returns that path. A second start finds it; a changed tarball gets another directory.
 * `check` judges the tree before it is kept.
 */
export async function unpackBase(tarball: string, baseDir: string, check: (root: string) => void): Promise<string> {
  const path = realpathSync(tarball);
  const { size, mtimeMs } = statSync(path);
  const digest = createHash('sha256').update(`${path}\n${size}\n${mtimeMs}`).digest('hex').slice(0, 16);
  const target = join(baseDir, digest);
  const root = join(target, 'root');
  if (existsSync(join(target, MARKER))) return root;

  const temporary = mkdtempSync(join(baseDir, `.${digest}.`));
  try {
    const temporaryRoot = join(temporary, 'root');
    mkdirSync(temporaryRoot, { mode: 0o755 });
    await unpack(path, temporaryRoot);
    check(temporaryRoot);
    writeFileSync(join(temporary, MARKER), `${JSON.stringify({ tarball: path, size, mtimeMs })}\n`);
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    // Another worker was faster: its tree is as good.
    if (!existsSync(join(target, MARKER))) throw error;
  }
  return root;
}

async function unpack(tarball: string, root: string): Promise<void> {
  // Device nodes can not be made without root and are never used: sandboxes get their own /dev.
  const excludes = ['--exclude=./dev/*', '--exclude=dev/*', '--anchored'];
  await step('tar', ['--extract', '--file', tarball, '--directory', root, '--numeric-owner', ...excludes], tarball);
  // Nothing in a base may raise anybody's rights.
  await step(
    'find',
    [root, '-xdev', '-perm', '/6000', '!', '-type', 'l', '-exec', 'chmod', 'ug-s', '{}', '+'],
    tarball,
  );
}

async function step(program: string, args: readonly string[], tarball: string): Promise<void> {
  try {
    await run(program, [...args], { env: { PATH: process.env.PATH, LC_ALL: 'C' }, maxBuffer: 16_777_216 });
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') {
      throw new Failure(
        'machine-unfit',
        `there is no \`${program}\` on this machine, which a base of the form .tar needs`,
        { cause: error },
      );
    }
    const said =
      error instanceof Error && 'stderr' in error
        ? String(error.stderr)
            .split('\n')
            .filter((line) => line !== '')
        : [];
    throw new Failure('config-invalid', `the base ${tarball} can not be unpacked (${program} failed)`, {
      cause: error,
      problems: said.slice(0, 5),
    });
  }
}
