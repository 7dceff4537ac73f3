/**
 * The directories of one container on the host, below the worker's own:
 *
 *     slots/<n>                → its scratch, as /host inside
 *     containers/<n>/control     the socket on which it is told what to serve
 *     containers/<n>/handler     the code: hard links to the files of the snapshot
 *     containers/<n>/packages    what it may import: links to where all packages of the cluster lie inside
 *     containers/<n>/secrets     what it was granted
 *     containers/<n>/passwd, group   who it is, for programs that ask
 *     handlers/<lambda>/<instance> → slots/<n>, once it serves
 *
 * A handler owns what lies in its scratch: nothing here follows a link in there, or opens a path below it.
 */
import { chmodSync, copyFileSync, linkSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { errnoOf } from '../../lib/errno.ts';
import { removeTree } from './remove-tree.ts';

/** As in sandboxes of namespaces, where Python's getpass and many others ask for their name. */
const PASSWD = ['root:x:0:0:root:/tmp:/usr/sbin/nologin', 'nobody:x:65534:65534:nobody:/:/usr/sbin/nologin'];
const GROUP = ['root:x:0:', 'nogroup:x:65534:'];

export class Place {
  readonly #workerDir: string;
  readonly #slot: number;
  #instanceLink: string | undefined;

  constructor(workerDir: string, slot: number) {
    this.#workerDir = workerDir;
    this.#slot = slot;
  }

  get control(): string {
    return join(this.#own, 'control');
  }

  get handler(): string {
    return join(this.#own, 'handler');
  }

  get packages(): string {
    return join(this.#own, 'packages');
  }

  get secrets(): string {
    return join(this.#own, 'secrets');
  }

  get passwd(): string {
    return join(this.#own, 'passwd');
  }

  get group(): string {
    return join(this.#own, 'group');
  }

  get scratch(): string {
    return join(this.#workerDir, 'slots', String(this.#slot));
  }

  get #own(): string {
    return join(this.#workerDir, 'containers', String(this.#slot));
  }

  /** `userId`: whom its processes run as. */
  make(userId: number): void {
    for (const dir of [this.control, this.handler, this.packages, this.secrets]) makeOpenDir(dir);
    mkdirSync(dirname(this.scratch), { recursive: true });
    writeOpen(this.passwd, [...PASSWD, `sandbox:x:${userId}:${userId}:sandbox:/tmp:/usr/sbin/nologin`]);
    writeOpen(this.group, [...GROUP, `sandbox:x:${userId}:`]);
  }

  /** For a scratch that is a directory of this disk, without a limit of its own. */
  makeScratch(): void {
    mkdirSync(this.scratch, { mode: 0o711 });
  }

  /** For a scratch that lies elsewhere. */
  linkScratch(target: string): void {
    symlinkSync(target, this.scratch);
  }

  /** Nobody writes to a snapshot, so its files may be shared; where they can not be, they are copied. */
  putCode(codeDir: string): void {
    for (const entry of readdirSync(codeDir, { recursive: true, withFileTypes: true })) {
      const from = join(entry.parentPath, entry.name);
      const to = join(this.handler, from.slice(codeDir.length));
      if (entry.isDirectory()) makeOpenDir(to);
      else putFile(from, to);
    }
  }

  /** `insideDir`: where the container has the files of the set. */
  putPackages(setDir: string, insideDir: string): void {
    for (const name of readdirSync(setDir)) symlinkSync(`${insideDir}/${name}`, join(this.packages, name));
  }

  /** As people look for it. */
  linkInstance(lambda: string, instance: number): void {
    const parent = join(this.#workerDir, 'handlers', lambda);
    mkdirSync(parent, { recursive: true });
    this.#instanceLink = join(parent, String(instance));
    symlinkSync(`../../slots/${this.#slot}`, this.#instanceLink);
  }

  /** Before its scratch goes: nobody finds what is half gone. */
  unlinkInstance(): void {
    if (this.#instanceLink !== undefined) rmSync(this.#instanceLink, { force: true });
  }

  remove(): void {
    removeTree(this.scratch, dirname(this.#own));
    rmSync(this.#own, { recursive: true, force: true });
  }
}

/** The container reads it under another id; the mode is set apart from the making, because the umask has a say in the latter. */
function makeOpenDir(path: string): void {
  if (mkdirSync(path, { recursive: true }) !== undefined) chmodSync(path, 0o755);
}

function writeOpen(path: string, lines: string[]): void {
  writeFileSync(path, `${lines.join('\n')}\n`);
  chmodSync(path, 0o644);
}

function putFile(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    if (errnoOf(error) !== 'EXDEV' && errnoOf(error) !== 'EPERM' && errnoOf(error) !== 'EMLINK') throw error;
    copyFileSync(from, to);
  }
}
