/** Handlers in JavaScript, through a worker: the same answers, logs and walls as Python's. */
import { expect, test } from 'vitest';
import { statusOf } from './ids.ts';
import { useCluster } from './use-cluster.ts';

const cluster = useCluster();

test('a handler in JavaScript is called, keeps its state, and follows its file', async () => {
  cluster().install('js', {
    'lambda_func.mjs': 'let n = 0;\nexport const handler = async ({ name }) => ["Hello", name, (n += 1)];\n',
  });
  expect(await cluster().call('js', { name: 'Alice' })).toMatchObject({ status: 200, json: ['Hello', 'Alice', 1] });
  expect(await cluster().call('js', { name: 'Alice' })).toMatchObject({ status: 200, json: ['Hello', 'Alice', 2] });
  cluster().install('js', { 'lambda_func.mjs': 'export const handler = () => "new";\n' });
  expect(await cluster().call('js')).toMatchObject({ status: 200, json: 'new' });
});

test('what it throws, its end, its memory and its time are told as they are of Python', async () => {
  const source = `
    const kept = [];
    const ways = {
      throw: () => { throw new RangeError('boom'); },
      exit: () => process.exit(3),
      memory: () => { for (;;) kept.push(Buffer.alloc(1 << 20, 1)); },
      heap: () => { for (;;) kept.push(Array.from({ length: 10_000 }, () => [Math.random()])); },
    };
    export const handler = async (way) => ways[way]();`;
  cluster().install('failing', { 'lambda_func.mjs': source, 'lambda.json': '{"timeout_ms": 50000, "memory_mb": 128}' });
  const told = [];
  for (const way of ['throw', 'exit', 'memory', 'heap']) {
    const { status, json } = await cluster().call('failing', way);
    told.push([way, status, json.errorType]);
  }
  expect(told).toEqual([
    ['throw', 500, 'RangeError'],
    ['exit', 502, 'Runtime.ExitError'],
    ['memory', 502, 'Runtime.OutOfMemory'],
    ['heap', 502, await heapEnding()],
  ]);
  cluster().install('endless', {
    'lambda_func.mjs': 'export const handler = () => { for (;;); };\n',
    'lambda.json': '{"timeout_ms": 1000}',
  });
  const { status, json } = await cluster().call('endless');
  expect([status, json.errorType]).toEqual([504, 'Sandbox.Timedout']);
});

/** Where each process has a limit of its own, V8 may end by a segmentation fault before it has said why: docs/security.md. */
async function heapEnding(): Promise<unknown> {
  const { weaker } = await statusOf(cluster());
  const counted = !weaker.some((one) => one.startsWith('memory is limited for each process alone'));
  return counted ? 'Runtime.OutOfMemory' : expect.stringMatching(/^Runtime\.(?:OutOfMemory|ExitError)$/);
}

test('AWS’s index.mjs runs unchanged, and lambda.json names any other', async () => {
  cluster().install('index', { 'index.mjs': 'export const handler = async (e, c) => [c.functionName, e];\n' });
  expect((await cluster().call('index', 1)).json).toEqual(['index', 1]);
  cluster().install('named', {
    'src/app.js': 'exports.main = async (e) => [e];\n',
    'lambda.json': '{"handler": "src/app.main"}',
  });
  expect((await cluster().call('named', 2)).json).toEqual([2]);
});

test('files for both runtimes are refused until lambda.json says which', async () => {
  const files = {
    'lambda_func.py': 'def handler(event):\n    return "python"\n',
    'lambda_func.mjs': 'export const handler = () => "node";\n',
  };
  cluster().install('both', files);
  const refused = await cluster().call('both');
  expect([refused.status, refused.json.errorType]).toEqual([500, 'Lambda.Invalid']);
  expect(refused.json.errorMessage).toContain('there are lambda_func.py and lambda_func.mjs');
  for (const runtime of ['node', 'python']) {
    cluster().install('both', { ...files, 'lambda.json': JSON.stringify({ runtime }) });
    expect((await cluster().call('both')).json).toBe(runtime);
  }
});

test('what it prints is in its log', async () => {
  cluster().install('talker', { 'lambda_func.mjs': 'export const handler = (e) => { console.log("said", e); };\n' });
  await cluster().call('talker', 7);
  const { stdout } = await cluster().admin('logs', 'talker', '--json');
  expect(stdout).toContain('said 7');
});

test('with an event for each process, none finds anything of another', async () => {
  const source = 'let n = 0;\nexport const handler = () => { n += 1; return n; };\n';
  cluster().install('apart', { 'lambda_func.mjs': source, 'lambda.json': '{"isolation": "call"}' });
  for (let call = 0; call < 3; call += 1) expect((await cluster().call('apart')).json).toBe(1);
});
