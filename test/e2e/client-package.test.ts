/** The client as its users have it: the package that npm makes, in a project of their own, with strict types. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cleanEnvironment, ROOT, run, succeeded } from './admin.ts';
import { blocksOf } from './doc-blocks.ts';
import { startGateway, type TestGateway } from './gateway.ts';
import { PATIENCE } from './patience.ts';
import { useCluster } from './use-cluster.ts';

const cluster = useCluster();
const project = mkdtempSync(join(tmpdir(), 'isla-project-'));
afterAll(() => rmSync(project, { recursive: true, force: true }));
let access: TestGateway;

/** What npm would install from a registry besides. */
const NEEDED = ['ws', 'typescript', '@types/node', 'undici-types'];
const OPTIONS = {
  target: 'ES2023',
  module: 'NodeNext',
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: false,
  types: ['node'],
  outDir: 'out',
};

const PROGRAM = `
import { Failure, Gateway, ProblemError, type RunResult, type Session } from 'isla/client';
const told: string[] = [];
const gateway = new Gateway();
const session: Session = await gateway.create('python', { limits: { memoryMb: 128 }, env: { WHO: 'me' } });
const enough = new AbortController();
const loop = 'import time, os\\nprint("begun", flush=True)\\nwhile not os.path.exists("go"): time.sleep(0.01)\\nprint("done")';
const begun = session.start(loop, { runId: 'mine', signal: enough.signal, onStdout: () => enough.abort(new Error('enough')) });
await begun.result.catch((error: Error) => told.push(error.message));
await session.files.write('go', '');
const watched: RunResult = await session.watch('mine').result;
told.push(watched.stdout);
const lines = ['line', null];
const asked = await session.run('print(input(), __import__("os").environ["WHO"]); input()', { onInput: () => lines.shift() });
told.push(asked.stdout, asked.error?.name ?? '');
const endless = session.start('print("on", flush=True)\\nwhile True: pass', { onStdout: () => void endless.interrupt() });
told.push((await endless.result).error?.name ?? '');
const { token } = await gateway.makeToken(60);
const other = new Gateway({ endpoint: gateway.endpoint.href, token });
told.push((await other.sessions()).map(({ name }) => name === session.name).join());
await gateway.create('cobol').catch((error: unknown) => told.push(error instanceof ProblemError ? error.slug : ''));
const nowhere = new Gateway({ endpoint: 'http://127.0.0.1:9', accessKey: 'a', secretKey: 'b' });
await nowhere.sessions().catch((error: unknown) => told.push(error instanceof Failure ? error.code : ''));
await session.destroy();
console.log(JSON.stringify(told));
`;

beforeAll(async () => {
  access = await startGateway(cluster());
  const packed = await run('npm', ['pack', '--silent', `--pack-destination=${project}`], { timeoutMs: 120_000 });
  succeeded(packed, 'npm pack');
  const [archive = ''] = readdirSync(project).filter((name) => name.endsWith('.tgz'));
  const installed = join(project, 'node_modules', 'isla');
  mkdirSync(installed, { recursive: true });
  succeeded(await run('tar', ['-xzf', join(project, archive), '--strip-components=1', '-C', installed]), 'tar');
  for (const name of NEEDED) {
    mkdirSync(join(project, 'node_modules', name, '..'), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules', name), join(project, 'node_modules', name));
  }
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'mine', type: 'module' }));
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions: OPTIONS, include: ['*.ts'] }));
  const [example] = blocksOf(readFileSync(join(ROOT, 'docs/sessions.md'), 'utf8')).filter(
    ({ language }) => language === 'js run',
  );
  writeFileSync(join(project, 'example.ts'), example!.text);
  writeFileSync(join(project, 'program.ts'), PROGRAM);
}, 240_000 * PATIENCE);

function inProject(file: string, ...args: string[]) {
  const env = cleanEnvironment({
    BACKEND_ENDPOINT: access.endpoint,
    BACKEND_ACCESS_KEY: access.accessKey,
    BACKEND_SECRET_KEY: access.secretKey,
  });
  return run(file, args, { cwd: project, env, timeoutMs: 120_000 });
}

test('its types resolve, strictly, without those of what it is made of', async () => {
  succeeded(await inProject(join(project, 'node_modules/typescript/bin/tsc'), '-p', '.'), 'tsc');
});

test('the example of the documentation runs', async () => {
  const { status, stdout, stderr } = await inProject('node', 'out/example.js');
  expect([status, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(/^42\n43\n 1 undefined\n0\n1\n2\nstdout 'a,b\\n1,2\\n'\n\n42\n\n$/);
});

test('what is left can be watched again, and whatever goes wrong says what', async () => {
  const { status, stdout, stderr } = await inProject('node', 'out/program.js');
  expect([status, stderr]).toEqual([0, '']);
  expect(JSON.parse(stdout)).toEqual([
    'enough',
    'begun\ndone\n',
    'line me\n',
    'EOFError',
    'KeyboardInterrupt',
    'true',
    'image-not-found',
    'unreachable',
  ]);
});

test('it holds what runs, and nothing of how it is made', () => {
  const held = readdirSync(join(project, 'node_modules', 'isla'));
  expect(held).toEqual(expect.arrayContaining(['bin', 'dist', 'docs', 'package.json', 'LICENSE']));
  for (const name of ['src', 'test', 'bench', 'scripts']) expect(held).not.toContain(name);
});
