/**
 * Where everything below a cluster's `packages/` lies. No other file spells these paths.
 *
 *     lock                          flock: shared while something is installed, exclusive while old things go
 *     tmp/<random>/                 what is being made; nobody looks into it
 *     <interpreter>/resolved/<requirements>.json    which wheels a list of requirements came to; .lock beside it
 *     <interpreter>/wheels/<sha256>/tree/           one unpacked wheel, never changed; wheel.json beside it
 *     <interpreter>/sets/<digest>/                  hard links to the files of several wheels, never changed
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../config/failure.ts';

/** Says that what is in the directory is ours to delete. */
const MARKER = '.isla-packages';

export class PackagesPlaces {
  readonly root: string;

  /** `root` is the setting `packages_dir`. */
  constructor(root: string) {
    this.root = root;
  }

  /** Makes the directory if it is missing. Throws Failure `config-invalid` if it holds what is not ours. */
  claim(): void {
    mkdirSync(this.root, { recursive: true, mode: 0o755 });
    const names = readdirSync(this.root);
    if (!names.includes(MARKER)) {
      if (names.length > 0) {
        throw new Failure(
          'config-invalid',
          `${this.root} holds files that are not this program's; is "packages_dir" right?`,
        );
      }
      writeFileSync(
        join(this.root, MARKER),
        'Installed Python packages. `admin packages prune` deletes unused ones.\n',
      );
    }
    mkdirSync(this.tmp, { recursive: true, mode: 0o755 });
  }

  get isClaimed(): boolean {
    return existsSync(join(this.root, MARKER));
  }

  get houseLock(): string {
    return join(this.root, 'lock');
  }

  get tmp(): string {
    return join(this.root, 'tmp');
  }

  /** A new directory for what is being made. */
  draft(): string {
    return mkdtempSync(join(this.tmp, 'draft-'));
  }

  /** Keys of the interpreters that something is installed for. */
  interpreters(): string[] {
    if (!this.isClaimed) return [];
    const entries = readdirSync(this.root, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory() && entry.name !== 'tmp').map((entry) => entry.name);
  }

  of(interpreterKey: string): InterpreterPlaces {
    return new InterpreterPlaces(join(this.root, interpreterKey));
  }
}

export class InterpreterPlaces {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  get resolvedDir(): string {
    return join(this.root, 'resolved');
  }

  get wheelsDir(): string {
    return join(this.root, 'wheels');
  }

  get setsDir(): string {
    return join(this.root, 'sets');
  }

  make(): void {
    for (const dir of [this.resolvedDir, this.wheelsDir, this.setsDir])
      mkdirSync(dir, { recursive: true, mode: 0o755 });
  }

  resolved(requirementsDigest: string): string {
    return join(this.resolvedDir, `${requirementsDigest}.json`);
  }

  resolvedLock(requirementsDigest: string): string {
    return join(this.resolvedDir, `${requirementsDigest}.lock`);
  }

  wheel(sha256: string): string {
    return join(this.wheelsDir, sha256);
  }

  set(digest: string): string {
    return join(this.setsDir, digest);
  }
}

/** Inside a wheel's directory. */
export const WHEEL_TREE = 'tree';
export const WHEEL_FACTS = 'wheel.json';
