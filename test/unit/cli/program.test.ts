import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CATALOGUE } from '../../../src/cli/catalogue.ts';
import { EXIT, exitCodeOf } from '../../../src/cli/exit-codes.ts';
import { runProgram } from '../../../src/cli/program.ts';
import { painter } from '../../../src/cli/terminal.ts';

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'isla-unit-'));
});
afterEach(() => rmSync(cwd, { recursive: true }));

class Words extends Writable {
  text = '';
  override _write(piece: Buffer, _encoding: string, done: () => void): void {
    this.text += piece;
    done();
  }
}

async function admin(args: string[], env: Record<string, string> = {}) {
  const stdout = new Words();
  const stderr = new Words();
  const program = { node: process.execPath, main: join(cwd, 'dist/main.js') };
  const stdin = Readable.from([]);
  const status = await runProgram(args, { stdin, stdout, stderr, env, cwd, program, onSignal: () => () => {} });
  return { status, stdout: stdout.text, stderr: stderr.text };
}

describe('help', () => {
  test.each(CATALOGUE.map(({ name }) => name).filter((name) => name !== 'worker-exec' && name !== 'kill'))(
    '%s has it, with examples, on stdout',
    async (name) => {
      for (const args of [
        [name, '--help'],
        ['help', name],
        [name, '-h'],
        [name, '-help'],
      ]) {
        const { status, stdout, stderr } = await admin(args);
        expect({ status, stderr }, args.join(' ')).toEqual({ status: 0, stderr: '' });
        expect(stdout).toContain(`Usage: admin ${name}`);
        expect(stdout).toContain('Examples:');
      }
    },
  );

  test('names every command and the exit codes', async () => {
    const { status, stdout } = await admin(['--help']);
    expect(status).toBe(0);
    for (const { name } of CATALOGUE) expect(stdout).toContain(`  ${name}`);
    expect(stdout).toContain('Exit codes:');
  });

  test('without any argument goes to stderr, as wrong usage', async () => {
    expect(await admin([])).toMatchObject({ status: 2, stdout: '', stderr: expect.stringContaining('Usage:') });
  });
});

describe('what is misspelled is answered with the nearest that is known:', () => {
  test.each([
    [['stauts'], "unknown command 'stauts'; did you mean status?"],
    [['help', 'stat'], "unknown command 'stat'; did you mean status?"],
    [['help', 'nonsense'], "unknown command 'nonsense'; see `admin --help`"],
    [['help', 'rethinkdb'], '`rethinkdb` is not in this version'],
    [['status', '-clutser=x'], "unknown option '--clutser=x'; did you mean --cluster?"],
    [['status', '--josn'], "unknown option '--josn'; did you mean --json?"],
    [['workers', '-n', '0'], 'It must be 1 or more'],
    [['workers', '--port', '65536'], 'It must be 0 to 65535'],
    [['new', 'my-cluster'], 'too many arguments'],
    [['rethinkdb', '--port=1'], '`rethinkdb` is not in this version'],
  ])('%j', async (args, words) => {
    const { status, stdout, stderr } = await admin(args);
    expect({ status, stdout }).toEqual({ status: EXIT.usage, stdout: '' });
    expect(stderr).toContain(words);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });
});

describe('new', () => {
  test.each([[['-cluster=c']], [['-cluster', 'c']], [['--cluster=c']], [['--cluster', 'c']]])(
    'takes %j and makes everything',
    async (flags) => {
      const { status, stdout, stderr } = await admin(['new', ...flags]);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(stdout).toContain(`Cluster Directory: ${join(cwd, 'c')}\n`);
      expect(readdirSync(join(cwd, 'c')).sort()).toEqual(['base', 'config', 'logs', 'packages', 'registry', 'workers']);
      expect(readFileSync(join(cwd, 'c/config/template.json'), 'utf8')).toMatch(
        /^\{\n {2}"registry": "local"[\s\S]*\}\n$/,
      );
      expect(existsSync(join(cwd, 'c/base/etc/passwd'))).toBe(true);
    },
  );

  test('lets nobody else in, and sandboxes, who are other users, list the packages that they are given', async () => {
    await admin(['new', '-cluster=c']);
    const modes = ['.', 'config', 'registry', 'workers', 'packages'].map(
      (name) => statSync(join(cwd, 'c', name)).mode & 0o777,
    );
    expect(modes).toEqual([0o700, 0o700, 0o700, 0o700, 0o755]);
  });

  test('refuses what exists and what has no parent, and leaves nothing', async () => {
    await admin(['new', '-cluster=c']);
    expect(await admin(['new', '-cluster=c'])).toMatchObject({
      status: EXIT.conflict,
      stderr: expect.stringMatching(/exists already/),
    });
    expect(await admin(['new', '-cluster=no/c'])).toMatchObject({
      status: EXIT.notFound,
      stderr: expect.stringMatching(/no directory/),
    });
    writeFileSync(join(cwd, 'file'), '');
    expect(await admin(['new', '-cluster=file/c'])).toMatchObject({ status: EXIT.notFound });
    expect(await admin(['new'])).toMatchObject({ status: EXIT.usage });
    expect(readdirSync(cwd).sort()).toEqual(['c', 'file']);
  });
});

describe('setconf', () => {
  test('merges, says what changed, and says so once', async () => {
    await admin(['new', '-cluster=c']);
    const json = '{"pool_size": 8, "limits": {"memory_mb": 512}}';
    const { status, stdout } = await admin(['setconf', '-cluster', 'c', json]);
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'pool_size: 4 -> 8\nlimits.memory_mb: 256 -> 512\n' });
    const template = JSON.parse(readFileSync(join(cwd, 'c/config/template.json'), 'utf8'));
    expect(template).toMatchObject({ pool_size: 8, limits: { memory_mb: 512, procs: 64 } });
    expect((await admin(['setconf', json])).stdout).toContain('nothing changed');
  });

  test.each(['{"pool_sice": 1}', '{"pool_size": "x"}', '{', '5', '{"__proto__": {"x": 1}}'])(
    'refuses %s and changes nothing',
    async (json) => {
      await admin(['new', '-cluster=c']);
      const before = readFileSync(join(cwd, 'c/config/template.json'), 'utf8');
      expect(await admin(['setconf', json])).toMatchObject({ status: EXIT.usage, stdout: '' });
      expect(readFileSync(join(cwd, 'c/config/template.json'), 'utf8')).toBe(before);
    },
  );
});

describe('without --cluster', () => {
  test('it is ISLA_CLUSTER, else this directory, else the only one below', async () => {
    expect(await admin(['status'])).toMatchObject({
      status: EXIT.notFound,
      stderr: expect.stringMatching(/no cluster below/),
    });
    await admin(['new', '-cluster=c']);
    expect((await admin(['status', '--json'])).stdout).toContain(join(cwd, 'c'));
    await admin(['new', '-cluster=d']);
    const several = await admin(['status']);
    expect(several).toMatchObject({ status: EXIT.usage, stderr: expect.stringContaining('2 clusters') });
    expect(several.stderr).toContain(`--cluster=${join(cwd, 'd')}`);
    expect((await admin(['status', '--json'], { ISLA_CLUSTER: 'd' })).stdout).toContain(join(cwd, 'd'));
    expect((await admin(['--cluster=c', 'status', '--json'])).stdout).toContain(join(cwd, 'c'));
    expect(await admin(['status', '--cluster=e'])).toMatchObject({ status: EXIT.notFound });
  });
});

test('status of a cluster that was never started is the empty form of the README', async () => {
  await admin(['new', '-cluster=c']);
  const { status, stdout, stderr } = await admin(['status', '-cluster=c']);
  expect({ status, stdout }).toEqual({ status: 0, stdout: 'Worker Pings:\n\nCluster containers:\n\n' });
  expect(stderr).toContain('no worker runs');
});

test('errors come without a stack unless --debug asks for it', async () => {
  expect((await admin(['status', '--cluster=e'])).stderr).not.toContain(' at ');
  expect((await admin(['status', '--cluster=e', '--debug'])).stderr).toContain('    at ');
  expect((await admin(['status', '--cluster=e'], { ISLA_DEBUG: '1' })).stderr).toContain('    at ');
});

test('colour follows the flag, then NO_COLOR, then force, then the terminal', () => {
  const paints = (tty: boolean, env: Record<string, string>, wish: 'auto' | 'always' | 'never') =>
    painter(Object.assign(new Words(), { isTTY: tty }), env, wish)('red', 'x') !== 'x';
  expect(paints(true, {}, 'auto')).toBe(true);
  expect(paints(false, {}, 'auto')).toBe(false);
  expect(paints(true, { NO_COLOR: '1' }, 'auto')).toBe(false);
  expect(paints(true, { NO_COLOR: '' }, 'auto')).toBe(true);
  expect(paints(true, { TERM: 'dumb' }, 'auto')).toBe(false);
  expect(paints(false, { FORCE_COLOR: '1' }, 'auto')).toBe(true);
  expect(paints(false, { CLICOLOR_FORCE: '1', NO_COLOR: '1' }, 'auto')).toBe(false);
  expect(paints(false, { NO_COLOR: '1' }, 'always')).toBe(true);
  expect(paints(true, {}, 'never')).toBe(false);
});

test('exit codes are what the help says', () => {
  expect(EXIT).toEqual({
    ok: 0,
    failed: 1,
    usage: 2,
    notFound: 3,
    functionError: 4,
    timeout: 5,
    unreachable: 6,
    auth: 7,
    conflict: 8,
    interrupted: 130,
    terminated: 143,
  });
  expect(exitCodeOf('cluster-missing')).toBe(3);
  expect(exitCodeOf('conflict')).toBe(8);
});
