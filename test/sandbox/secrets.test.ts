/** Secrets, seen from inside the sandbox that was granted them and from others. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SecretStore } from '../../src/cluster/secret-store.ts';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { ask, type Bench, PROBE, resultOf, startBench } from './engine-fixture.ts';

const VALUE = 'correct-horse-battery-staple';
const ALL = 'import os\nr = {n: open("/run/secrets/" + n).read() for n in sorted(os.listdir("/run/secrets"))}';
const DENIED = /^(PermissionError: (1|13)|OSError: 30)$/;

let bench: Bench;
let store: SecretStore;
beforeAll(async () => {
  bench = await startBench();
  store = new SecretStore(bench.secretsDir);
  store.set('api-key', Buffer.from(VALUE));
  store.set('large', Buffer.alloc(65_536, 'x'));
  store.set('ungranted', Buffer.from(VALUE));
  for (const secret of ['api-key', 'large']) store.grant({ lambda: 'probe', secret });
});
afterAll(() => bench.close());

const asked = (...secrets: string[]) => bench.sandbox(PROBE, 'probe', { secrets });

async function inside(source: string, of?: Sandbox): Promise<unknown> {
  const sandbox = of ?? (await asked('api-key', 'large'));
  const result = await resultOf(sandbox, source);
  if (of === undefined) await sandbox.destroy();
  return result;
}

it('are files with the whole value, of which the mount and the mode say that they are read-only', async () => {
  expect(await inside(ALL)).toEqual({ 'api-key': VALUE, large: 'x'.repeat(65_536) });
  expect(await inside('import os\nr = oct(os.stat("/run/secrets/api-key").st_mode)')).toBe('0o100400');
  const mounts = (await inside('r = open("/proc/self/mountinfo").read()')) as string;
  const [mount, ...more] = mounts.split('\n').filter((line) => line.split(' ')[4]?.startsWith('/run'));
  expect(mount).toMatch(/ \/ \/run\/secrets ro,nosuid,nodev,noexec\b.* - tmpfs /);
  expect(more).toEqual([]);
});

it.each([
  'open("/run/secrets/api-key", "w")',
  'open("/run/secrets/new", "w")',
  'import os\nos.unlink("/run/secrets/api-key")',
  'import os\nos.rename("/run/secrets/api-key", "/run/secrets/x")',
  'import os\nos.chmod("/run/secrets/api-key", 0o600)',
])('can not be changed: %s', async (source) => {
  expect(await inside(source)).toMatch(DENIED);
});

it('are in no environment, no argument and no masked part of /proc', async () => {
  const told =
    'import os\ndef read(name):\n    try:\n        return open("/proc/self/" + name).read()\n    except PermissionError:\n        return ""\n' +
    'r = [str(os.environ), read("environ"), read("cmdline")]\n' +
    'r += [os.listdir("/proc/" + n) for n in ("acpi", "scsi", "driver", "asound", "pressure") if os.path.isdir("/proc/" + n)]';
  const [environment, environ, cmdline, ...masked] = (await inside(told)) as [string, string, string, ...string[][]];
  for (const text of [environment, environ, cmdline]) {
    expect(text).not.toContain(VALUE);
    expect(text).not.toContain('api-key');
  }
  expect(masked.flat()).toEqual([]);
});

it('of one lambda are not there for another, nor for one of the same name without them', async () => {
  const holder = await asked('api-key');
  expect(await inside(ALL, holder)).toEqual({ 'api-key': VALUE });
  const other = await bench.sandbox(PROBE, 'other');
  expect(await inside(ALL, other)).toEqual({});
  expect(await inside('r = open("/proc/mounts").read()', other)).not.toContain('/run/secrets');
  expect(await inside(ALL, await asked())).toEqual({});
});

it('are looked up by the spawner again: it gives nothing that was not granted to that lambda', async () => {
  expect(await inside(ALL, await asked('api-key', 'ungranted', 'missing'))).toEqual({ 'api-key': VALUE });
  expect(await inside(ALL, await bench.sandbox(PROBE, 'thief', { secrets: ['api-key'] }))).toEqual({});
});

it('of a new instance are the new ones, and an old instance keeps what it had', async () => {
  store.set('turning', Buffer.from('one'));
  store.grant({ lambda: 'probe', secret: 'turning' });
  const old = await asked('turning');
  // It has them for certain once it has answered: it can be asked before its code, and they, are there.
  expect(await inside(ALL, old)).toEqual({ turning: 'one' });
  store.set('turning', Buffer.from('two'));
  expect(await inside(ALL, await asked('turning'))).toEqual({ turning: 'two' });
  expect(await inside(ALL, old)).toEqual({ turning: 'one' });
  store.revoke({ lambda: 'probe', secret: 'turning' });
  expect(await inside(ALL, await asked('turning'))).toEqual({});
});

it.each<[string, (path: string) => void]>([
  ['a link', (path) => symlinkSync('/etc/hostname', path)],
  ['a directory', (path) => mkdirSync(path)],
  ['a pipe', (path) => execFileSync('mkfifo', [path])],
  ['too large', (path) => writeFileSync(path, Buffer.alloc(65_537))],
])('a value that is %s ends the sandbox before it has code, with the step', async (_what, make) => {
  const path = join(bench.secretsDir, 'values/strange');
  make(path);
  store.grant({ lambda: 'probe', secret: 'strange' });
  const logged = bench.logged.length;
  // One that waited ends with the call; one that was still being made is not handed out at all.
  const ended = await asked('api-key', 'strange').then((sandbox) => ask(sandbox, 'r = 1'), String);
  expect(ended).toSatisfy((end) => /attach secrets/.test(JSON.stringify(end)));
  expect(bench.logged.slice(logged).join()).toContain('"step":"attach secrets"');
  rmSync(path, { recursive: true });
});

it('are mounted nowhere on the host, and no value is logged', () => {
  expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain('/run/secrets');
  expect(bench.logged.join()).not.toContain(VALUE);
});
