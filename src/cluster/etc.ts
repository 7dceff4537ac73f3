/**
 * The `/etc` that sandboxes see when their base is this machine: what programs need to find
 * libraries, names, time zones and certificates. Nothing that is not readable by everybody here
 * gets in, and no file that says who may log in or what this machine is called.
 */
import {
  chmodSync,
  copyFileSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * Every sandbox runs as a user of its own; these are the ids that the spawner gives. Programs ask who
 * they are (Python's getpass, ssh, git), so each has a name: looking up the last takes half a
 * millisecond, the first ten microseconds.
 */
const SANDBOX_IDS = Array.from({ length: 4_096 }, (_, slot) => 1_000 + slot);

const PASSWD = [
  'root:x:0:0:root:/tmp:/usr/sbin/nologin',
  'nobody:x:65534:65534:nobody:/:/usr/sbin/nologin',
  ...SANDBOX_IDS.map((id) => `${userName(id)}:x:${id}:${id}:sandbox:/tmp:/usr/sbin/nologin`),
];

const GROUP = ['root:x:0:', 'nogroup:x:65534:', ...SANDBOX_IDS.map((id) => `${userName(id)}:x:${id}:`)];

const WRITTEN: readonly (readonly [string, readonly string[]])[] = [
  ['passwd', PASSWD],
  ['group', GROUP],
  ['hosts', ['127.0.0.1 localhost', '::1 localhost ip6-localhost ip6-loopback']],
  ['hostname', ['sandbox']],
  ['host.conf', ['multi on']],
  // Where a sandbox with a network finds its resolver; one without is told at once that there is none.
  ['resolv.conf', ['nameserver 127.0.0.1']],
  ['nsswitch.conf', ['passwd: files', 'group: files', 'hosts: files dns', 'services: files', 'protocols: files']],
];

/** Names below /etc that are copied if they are there, files or whole directories, Debian's and others'. */
const COPIED = [
  'crypto-policies',
  'debian_version',
  'fonts',
  'gai.conf',
  'ld.so.cache',
  'ld.so.conf',
  'ld.so.conf.d',
  'locale.alias',
  'localtime',
  'magic',
  'mime.types',
  'os-release',
  'pki/ca-trust/extracted',
  'pki/tls/cert.pem',
  'pki/tls/certs',
  'pki/tls/openssl.cnf',
  'protocols',
  'services',
  'ssl/ca-bundle.pem',
  'ssl/cert.pem',
  'ssl/certs/ca-bundle.crt',
  'ssl/certs/ca-certificates.crt',
  'ssl/openssl.cnf',
  'timezone',
];

/**
 * What /usr has links to: Debian keeps a `sitecustomize.py` in /etc/python3.N, and there what R and a Java machine read
 * before they run anything.
 */
const TOOL_DIR = /^(python3(\.[0-9]+)?|R|java-[0-9]+-openjdk)$/;

/** Deeper than this below /etc, a directory is not what it is thought to be. */
const DEPTH_MAX = 6;

/** Fills an empty directory. `from` is /etc; tests give another. */
export function writeEtc(target: string, from = '/etc'): void {
  makeDir(target);
  for (const [name, lines] of WRITTEN) {
    writeFileSync(join(target, name), `${lines.join('\n')}\n`);
    chmodSync(join(target, name), 0o644);
  }
  const tools = namesIn(from).filter((name) => TOOL_DIR.test(name));
  for (const name of [...COPIED, ...tools]) {
    if (lstatSync(join(from, name), { throwIfNoEntry: false }) === undefined) continue;
    makeParents(target, name);
    copy(join(from, name), join(target, name), DEPTH_MAX);
  }
  copyAlternatives(join(from, 'alternatives'), join(target, 'alternatives'));
}

function userName(id: number): string {
  return id === 1_000 ? 'sandbox' : `sandbox-${id}`;
}

/** Debian's links between /usr/bin/X and the X of choice. Those to elsewhere may lead to what was left out on purpose. */
function copyAlternatives(source: string, target: string): void {
  makeDir(target);
  for (const name of namesIn(source)) {
    if (name.endsWith('.gz')) continue; // Manual pages: five in six, and nobody reads them there.
    // Debian keeps a README there too.
    if (!lstatSync(join(source, name)).isSymbolicLink()) continue;
    const goal = readlinkSync(join(source, name));
    if (goal.startsWith('/usr/')) symlinkSync(goal, join(target, name));
  }
}

function copy(source: string, target: string, depth: number): void {
  const stats = lstatSync(source, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (stats.isSymbolicLink()) copyLink(source, target, depth);
  else if (stats.isDirectory() && depth > 0) copyDir(source, target, depth);
  else if (stats.isFile()) copyFile(source, target);
}

function copyDir(source: string, target: string, depth: number): void {
  makeDir(target);
  for (const name of namesIn(source)) copy(join(source, name), join(target, name), depth - 1);
}

/** A link into /usr works inside as well; any other is replaced by what it leads to. */
function copyLink(source: string, target: string, depth: number): void {
  let real: string;
  try {
    real = realpathSync(source);
  } catch {
    return; // It leads nowhere, as links of removed packages do.
  }
  if (real.startsWith('/usr/')) symlinkSync(readlinkSync(source), target);
  else if (depth > 0) copy(real, target, depth - 1);
}

/** What is not readable by everybody is somebody's secret. */
function copyFile(source: string, target: string): void {
  if ((lstatSync(source).mode & 0o004) === 0) return;
  copyFileSync(source, target);
  chmodSync(target, 0o644);
}

function makeParents(target: string, name: string): void {
  const parent = dirname(name);
  if (parent === '.') return;
  makeParents(target, parent);
  makeDir(join(target, parent));
}

/** Whatever the umask says, sandboxes read this as another user. */
function makeDir(path: string): void {
  mkdirSync(path, { recursive: true });
  chmodSync(path, 0o755);
}

function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}
