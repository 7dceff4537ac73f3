/** Tab in the shells themselves, on a terminal. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ADMIN, cleanEnvironment, ROOT, run, runAdmin, succeeded } from './admin.ts';
import { eventually } from './eventually.ts';
import { startGateway } from './gateway.ts';
import { useCluster } from './use-cluster.ts';

const SHELLS: Readonly<Record<string, { argv: string[]; setup: string }>> = {
  bash: { argv: ['bash', '--noprofile', '--norc', '-i'], setup: `source <(admin completion bash)` },
  zsh: {
    argv: ['zsh', '-f', '-i'],
    setup: `autoload -U compinit; compinit -u -D; source <(admin completion zsh)`,
  },
  fish: { argv: ['fish', '--no-config', '-i'], setup: `admin completion fish | source` },
};

let dir: string;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'isla-tab-'));
  succeeded(await runAdmin(['new', '--cluster=farm'], { cwd: dir }), 'new');
  for (const name of ['resize-pictures', 'count-words']) {
    mkdirSync(join(dir, 'farm/registry', name));
    writeFileSync(join(dir, 'farm/registry', name, 'lambda_func.py'), 'def handler(event): return event\n');
  }
});
afterAll(() => rmSync(dir, { recursive: true }));

async function pressTab(shell: string, typed: string, expected: string, extra: NodeJS.ProcessEnv = {}): Promise<void> {
  const { argv, setup } = SHELLS[shell] as (typeof SHELLS)[string];
  const env = cleanEnvironment({
    PATH: `${resolve(ROOT, 'bin')}:${process.env.PATH}`,
    TERM: 'xterm',
    HOME: dir,
    ...extra,
  });
  const args = [resolve(import.meta.dirname, 'press-tab.py'), expected, typed, setup, ...(argv ?? [])];
  expect(await run('python3', args, { cwd: dir, env, timeoutMs: 90_000 })).toMatchObject({ status: 0, stdout: '' });
}

describe.each(Object.keys(SHELLS))('%s', (shell) => {
  test.each([
    ['a command', 'admin zyg', 'admin zygotes '],
    ['a flag', 'admin status --clu', 'admin status --cluster '],
    ['a choice', 'admin lambdas roll', 'admin lambdas rollback '],
    ['the name of a lambda', 'admin invoke res', 'admin invoke resize-pictures '],
    ['a directory', 'admin status --cluster fa', 'admin status --cluster farm/'],
    ['a program by its path', `${ADMIN} invoke cou`, `invoke count-words `],
  ])('completes %s', async (_what, typed, expected) => {
    await pressTab(shell, typed, expected);
  });

  test('completes the value of a flag in one word with it', async () => {
    await pressTab(shell, 'admin --color=al', '--color=always');
    await pressTab(shell, 'admin status --cluster=fa', '--cluster=farm/');
  });
});

describe('what a cluster has', () => {
  const cluster = useCluster();
  const names = { session: 'look-at-pictures', secret: 'database-password', call: '' };
  beforeAll(async () => {
    await startGateway(cluster());
    succeeded(await cluster().admin('session', 'start', names.session), 'session start');
    const file = join(dir, 'value');
    writeFileSync(file, 'value');
    succeeded(await cluster().admin('secrets', 'set', names.secret, `--file=${file}`), 'secrets set');
    cluster().install('hello', 'def handler(event): return event\n');
    const { headers } = await cluster().call('hello');
    names.call = headers.get('x-request-id') ?? '';
    await eventually(async () => {
      expect((await cluster().admin('calls', 'list', '--json')).stdout).toContain(names.call);
    });
  }, 120_000);

  test.each(Object.keys(SHELLS))(
    'is completed in %s',
    async (shell) => {
      const env = { ISLA_CLUSTER: cluster().dir };
      await pressTab(shell, 'admin session info look', `admin session info ${names.session} `, env);
      await pressTab(shell, 'admin secrets rm data', `admin secrets rm ${names.secret} `, env);
      await pressTab(shell, `admin calls show ${names.call.slice(0, 12)}`, `admin calls show ${names.call} `, env);
    },
    240_000,
  );

  test('is not asked for where it is not meant, and a gateway that is not there says nothing', async () => {
    const ask = async (...words: string[]) =>
      runAdmin(['__complete', ...words, ''], { env: cleanEnvironment({ ISLA_CLUSTER: cluster().dir }) });
    expect((await ask('session', 'rm', names.session)).stdout).toBe(`${names.session}\tpython\n:none\n`);
    expect((await ask('session', 'start')).stdout).toBe(':none\n');
    const nobody = await ask('session', 'info', '--endpoint=http://127.0.0.1:9');
    expect(nobody).toMatchObject({ status: 0, stdout: ':none\n', stderr: '' });
  });
});

test('where there is no cluster, nothing is offered and nothing is said', async () => {
  const empty = mkdtempSync(join(tmpdir(), 'isla-tab-'));
  try {
    const said = await runAdmin(['__complete', 'invoke', ''], { cwd: empty });
    expect(said).toMatchObject({ status: 0, stdout: ':none\n', stderr: '' });
  } finally {
    rmSync(empty, { recursive: true });
  }
});

test('an unknown shell is refused with those that are known', async () => {
  expect(await runAdmin(['completion', 'tcsh'])).toMatchObject({
    status: 2,
    stdout: '',
    stderr: expect.stringContaining('bash, zsh, fish'),
  });
});
