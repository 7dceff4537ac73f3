/** Root file systems that a cluster can have as its base. */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** A Python of this machine with its standard library and what the linker finds for them, and nothing else. */
export function makeRoot(into: string, command: string): void {
  const python = realpathSync(command);
  const ask = 'import sysconfig; print(sysconfig.get_path("stdlib"))';
  const library = execFileSync(python, ['-I', '-c', ask], { encoding: 'utf8' }).trim();
  const extensions = readdirSync(join(library, 'lib-dynload')).map((name) => join(library, 'lib-dynload', name));
  for (const dir of ['usr/bin', 'etc', 'tmp']) mkdirSync(join(into, dir), { recursive: true });
  for (const link of ['lib', 'lib64', 'bin']) {
    const at = realpathSync(`/${link}`);
    mkdirSync(join(into, at), { recursive: true });
    if (at !== `/${link}`) execFileSync('ln', ['-s', at.slice(1), join(into, link)]);
  }
  cpSync(python, join(into, '/usr/bin/python3'));
  chmodSync(join(into, '/usr/bin/python3'), 0o755);
  // Its library is looked for beside it.
  const libraryPlace = join(into, 'usr/lib', library.split('/').at(-1) as string);
  cpSync(library, libraryPlace, {
    recursive: true,
    dereference: true,
    filter: (path) =>
      !/\/(test|site-packages|__pycache__|idlelib|ensurepip|config-.*)(\/|$)/.test(path.slice(library.length)),
  });
  for (const object of sharedObjects([python, ...extensions])) {
    // What lies in somebody's home has been found by a path that no base has.
    const place = /^\/(usr|lib)/.test(object) ? object : join('/usr/lib', basename(object));
    mkdirSync(join(into, dirname(place)), { recursive: true });
    // Follows links; `cpSync` takes one for a directory on Node 24.
    copyFileSync(object, join(into, place));
  }
}

/** Pythons of other versions than the system's that this machine has, by version, such as `3.9`. */
export function otherPythons(): Map<string, string> {
  const own = versionOf('/usr/bin/python3');
  const found = new Map<string, string>();
  for (const path of [...pythonsOnPath(), ...pythonsOfPyenv()]) {
    const version = versionOf(path);
    if (version !== undefined && version !== own) found.set(version, path);
  }
  return found;
}

function pythonsOnPath(): string[] {
  const dirs = (process.env.PATH ?? '').split(':');
  return [9, 10, 11, 12, 13].flatMap((minor) => dirs.map((dir) => join(dir, `python3.${minor}`))).filter(existsSync);
}

function pythonsOfPyenv(): string[] {
  try {
    const versions = join(execFileSync('pyenv', ['root'], { encoding: 'utf8' }).trim(), 'versions');
    return readdirSync(versions).map((name) => join(versions, name, 'bin/python3'));
  } catch {
    return []; // There is no pyenv here.
  }
}

/** Undefined for what does not run, or is too old. */
function versionOf(python: string): string | undefined {
  try {
    const script = 'import sys; print("%d.%d" % sys.version_info[:2] if sys.version_info >= (3, 9) else "")';
    return (
      execFileSync(python, ['-I', '-c', script], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim() ||
      undefined
    );
  } catch {
    return undefined;
  }
}

function sharedObjects(files: string[]): string[] {
  const said = execFileSync('ldd', files, { encoding: 'utf8' });
  return [...new Set([...said.matchAll(/(?:=> |^\s+)(\/\S+) \(/gm)].map((found) => found[1] as string))];
}
