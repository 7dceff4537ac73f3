/** Handlers that Node runs, by the same contract as Python's. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Output, Timings } from '../../src/sandbox/sandbox.ts';
import {
  ask,
  type Bench,
  LIMITS,
  newestScratch,
  resultOf,
  startBench,
  ticksAgain,
  ticksNoMore,
} from './engine-fixture.ts';
import { NODE_PROBE, nodeSandbox, told } from './node-fixture.ts';
import { joined } from './printed.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await startBench();
});
afterAll(() => bench.close());

const make: (files: string | Record<string, string>, asked?: object) => ReturnType<typeof nodeSandbox> = (
  files,
  asked,
) => nodeSandbox(bench, files, asked);

describe('a sandbox for Node', () => {
  it('runs the code that was handed over, once per event, and keeps its state', async () => {
    const sandbox = await make('let n = 0;\nexport const handler = async (event) => { n += 1; return [event, n]; };\n');
    expect(await resultOf(sandbox, { a: 1 })).toEqual([{ a: 1 }, 1]);
    expect(await resultOf(sandbox, 'é')).toEqual(['é', 2]);
    await sandbox.destroy();
  });

  it('loads its code without an event if asked to, and the first call then has nothing to load', async () => {
    const sandbox = await make('export const handler = (event) => event;\n');
    const loading = await sandbox.load();
    expect(loading).toMatchObject({ kind: 'loaded', timings: { runUs: 0 } });
    expect((loading as { timings: Timings }).timings.initUs).toBeGreaterThan(0);
    await sandbox.pause();
    expect(await ask(sandbox, 'x')).toMatchObject({ kind: 'result', timings: { initUs: 0 } });
    await sandbox.destroy();
  });

  it('takes large events and answers', async () => {
    const sandbox = await make('export const handler = (event) => event;\n');
    for (const length of [10_000, 16_360, 16_384, 200_000]) {
      expect(await resultOf(sandbox, 'ä'.repeat(length / 2))).toHaveLength(length / 2);
    }
    await sandbox.destroy();
  });

  it('that is paused does not run, and goes on when it is called', async () => {
    const source = `
      import { Worker } from 'node:worker_threads';
      const ticker = 'setInterval(() => require("node:fs").appendFileSync("/host/ticks", "."), 1);';
      const worker = new Worker(ticker, { eval: true });
      await new Promise((resolve) => worker.once('online', resolve));
      export const handler = async (event) => event;`;
    const sandbox = await make(source);
    for (const event of [1, 2]) {
      expect(await resultOf(sandbox, event)).toBe(event);
      await ticksAgain(bench, 'node');
      await sandbox.pause();
      await ticksNoMore(bench, 'node');
    }
    await sandbox.destroy();
  });

  it('has what came due since its last call before the next one begins, and nothing meanwhile', async () => {
    const source = `
      let due = 0;
      export const handler = async () => { const seen = due; due = 0; setTimeout(() => { due += 1; }, 5); return seen; };`;
    const sandbox = await make(source);
    expect(await resultOf(sandbox)).toBe(0);
    await delay(50);
    expect(await resultOf(sandbox)).toBe(1);
    await sandbox.destroy();
  });

  it.each([
    ['process.exit', 'process.exit(5)', { cause: 'exit', status: 5 }],
    ['a signal', 'process.kill(process.pid, "SIGKILL"); process.abort()', { cause: 'signal' }],
    ['memory outside the heap', 'fill(400)', { cause: 'out-of-memory' }],
    ['closing the channel', 'fs.closeSync(3); await delay(60000)', { cause: 'lost' }],
    ['garbage', 'fs.writeSync(3, "x".repeat(64)); await delay(60000)', { cause: 'lost' }],
  ])('that dies of %s tells the cause to its caller', async (_what, body, ending) => {
    const source = `
      import fs from 'node:fs';
      import { setTimeout as delay } from 'node:timers/promises';
      const kept = [];
      const fill = (mb) => { for (let n = 0; n < mb; n += 1) kept.push(Buffer.alloc(1 << 20, 1)); };
      export const handler = async () => { ${body}; };`;
    const sandbox = await make(source);
    expect(await ask(sandbox)).toMatchObject({ kind: 'ended', ending });
    expect(await sandbox.ended).toMatchObject(ending);
  });

  it('that hangs ends when it is destroyed, also while it loads', async () => {
    for (const source of ['for (;;);', 'export const handler = () => { for (;;); };']) {
      const sandbox = await make(source);
      const reply = ask(sandbox);
      await delay(50);
      await sandbox.destroy();
      expect(await reply).toEqual({ kind: 'ended', ending: { cause: 'destroyed' } });
    }
  });
});

describe('the Node of sandboxes', () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'isla-node-'));
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  const withNode = async (node: string, use: (other: Bench) => Promise<void>) => {
    const other = await startBench({ poolSize: 1, node });
    try {
      await use(other);
    } finally {
      await other.close();
    }
  };

  it('may lie where they do not look: then it is lent to them', async () => {
    const path = join(dir, 'node');
    copyFileSync(process.execPath, path);
    await withNode(path, async (other) => {
      const sandbox = await nodeSandbox(other, 'export const handler = () => process.execPath;\n');
      expect(await resultOf(sandbox)).toBe('/runtime/node');
      await sandbox.destroy();
    });
  });

  it('that does not start says why, and costs those of Python nothing', async () => {
    const path = join(dir, 'broken');
    writeFileSync(path, '#!/bin/sh\necho "some error" >&2\nexit 3\n', { mode: 0o755 });
    await withNode(path, async (other) => {
      const failure = await nodeSandbox(other, 'export const handler = () => 1;\n').catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: 'sandbox-failed', step: 'start Node' });
      expect((failure as Error).message).toContain('it ended before it was ready: some error');
      const sandbox = await other.sandbox('def handler(event):\n    return "python"\n');
      expect(await resultOf(sandbox)).toBe('python');
      await sandbox.destroy();
    });
  });
});

describe('a handler of Node’s', () => {
  it.each([
    ['returns', '(event) => [event]', [1]],
    ['returns nothing', '() => {}', null],
    ['is asynchronous', 'async (event) => [event]', [1]],
    ['returns something like a promise', '() => ({ then: (resolve) => resolve("then") })', 'then'],
    ['calls back', '(event, context, callback) => { setTimeout(() => callback(null, [event]), 5); }', [1]],
    [
      'calls back twice',
      '(event, context, callback) => { callback(null, "first"); callback(null, "second"); }',
      'first',
    ],
    ['never calls back', '(event, context, callback) => {}', null],
    ['succeeds by its context', '(event, context, callback) => { setTimeout(() => context.succeed("s"), 5); }', 's'],
    ['is done by its context', '(event, context) => { context.done(null, "d"); }', 'd'],
    ['returns a Date, by toJSON', '() => new Date(0)', '1970-01-01T00:00:00.000Z'],
  ])('that %s is answered', async (_how, source, result) => {
    const sandbox = await make(`export const handler = ${source};\n`);
    expect(await told(sandbox, 1)).toEqual(['result', result]);
    expect(await told(sandbox, 1)).toEqual(['result', result]);
    await sandbox.destroy();
  });

  it('that calls back is answered when its event loop is empty, or at once if it says so', async () => {
    const source = `
      let ran = 0;
      export const handler = (event, context, callback) => {
        context.callbackWaitsForEmptyEventLoop = event.waits;
        setTimeout(() => { ran += 1; }, 50);
        const seen = ran;
        callback(null, { seen, toJSON: () => [seen, ran] });
      };`;
    const sandbox = await make(source);
    expect(await told(sandbox, { waits: true })).toEqual(['result', [0, 1]]);
    expect(await told(sandbox, { waits: false })).toEqual(['result', [1, 1]]);
    await sandbox.destroy();
  });

  it('tells the type, message and own frames of what it threw', async () => {
    const source =
      'class Bad extends Error { name = "Bad"; }\nexport const handler = async () => {\n  throw new Bad("boom");\n};\n';
    const sandbox = await make(source);
    const failure = {
      errorType: 'Bad',
      errorMessage: 'boom',
      stackTrace: ['    at handler (file:///handler/lambda_func.mjs:3:9)'],
      requestId: 'test-request',
    };
    expect(await told(sandbox)).toEqual(['raised', failure]);
    // It serves on.
    expect(await told(sandbox)).toEqual(['raised', failure]);
    await sandbox.destroy();
  });

  it.each([
    ['throws a text', '() => { throw "x"; }', 'string', 'x'],
    ['throws nothing', 'async () => { throw undefined; }', 'undefined', 'undefined'],
    ['throws null', '() => { throw null; }', 'null', 'null'],
    ['rejects with nothing', '() => Promise.reject()', 'undefined', 'undefined'],
    ['calls back with an error', '(e, c, callback) => callback(new RangeError("r"))', 'RangeError', 'r'],
    ['fails by its context', '(e, c) => c.fail(new TypeError("t"))', 'TypeError', 't'],
    ['recurses without end', 'function f() { return f() + 1; }', 'RangeError', /call stack/],
    ['answers itself', '() => { const a = []; a.push(a); return a; }', 'Runtime.MarshalError', /circular/],
    ['answers a BigInt', '() => ({ n: 1n })', 'Runtime.MarshalError', /BigInt/],
    ['answers a function', '() => () => {}', 'Runtime.MarshalError', /function/],
    ['answers too much', '() => "x".repeat(300 * 1024)', 'Function.ResponseSizeTooLarge', /exceeded/],
    ['awaits what never comes', '() => new Promise(() => {})', 'Runtime.NeverSettled', /never/],
    ['throws in its toJSON', '() => ({ toJSON() { throw new Error("no"); } })', 'Runtime.MarshalError', /no/],
    ['throws what has no text', '() => { throw { toString() { throw 1; } }; }', 'object', /could not be made/],
    ['throws 10 MB', '() => { throw new Error("x".repeat(1e7)); }', 'Error', /10000000 characters/],
  ])('that %s is told so, and serves on', async (_how, source, errorType, message) => {
    const sandbox = await make(`export const handler = ${source};\n`);
    for (let call = 0; call < 2; call += 1) {
      const [kind, body] = await told(sandbox);
      expect([kind, body]).toEqual(['raised', expect.objectContaining({ errorType })]);
      expect((body as { errorMessage: string }).errorMessage).toMatch(message);
    }
    await sandbox.destroy();
  });

  it.each([
    ['in a timer', 'setTimeout(() => { throw new TypeError("late"); }, 5)', 'TypeError', 'late'],
    [
      'in a promise',
      'void Promise.reject(new TypeError("late"))',
      'Runtime.UnhandledPromiseRejection',
      'TypeError: late',
    ],
    [
      'in an emitter',
      'setImmediate(() => process.emit("error", new Error("late")) || (() => { throw new Error("late"); })())',
      'Error',
      'late',
    ],
  ])(
    'that lets something be thrown %s is told so, and its process ends',
    async (_where, step, errorType, errorMessage) => {
      const sandbox = await make(
        `export const handler = () => new Promise((resolve) => { ${step}; setTimeout(resolve, 5000); });\n`,
      );
      expect(await told(sandbox)).toEqual(['raised', expect.objectContaining({ errorType, errorMessage })]);
      expect(await sandbox.ended).toEqual({ cause: 'exit', status: 1 });
    },
  );

  it('may deal with what is thrown elsewhere itself', async () => {
    const source = `
      let caught;
      process.on('uncaughtException', (error) => { caught = error.message; });
      export const handler = () => new Promise((resolve) => {
        setTimeout(() => { throw new Error('late'); }, 5);
        setTimeout(() => resolve(caught), 50);
      });`;
    const sandbox = await make(source);
    expect(await told(sandbox)).toEqual(['result', 'late']);
    await sandbox.destroy();
  });

  it.each(['NaN', '', '{', '"\u0000', '[1,]', Buffer.from([0x22, 0xff, 0x22])])(
    'is not given an event that is no JSON: %s',
    async (event) => {
      const sandbox = await make('export const handler = (e) => e;\n');
      const call = { requestId: 'r', event: Buffer.from(event), deadlineMs: Date.now() + 1000 };
      const reply = await sandbox.call(call);
      expect(reply.kind).toBe('event-invalid');
      expect(JSON.parse((reply as { body: Buffer }).body.toString()).errorType).toBe('Runtime.UnmarshalError');
      expect(await told(sandbox, 1)).toEqual(['result', 1]);
      await sandbox.destroy();
    },
  );

  it('can not break its own answers by what it replaces', async () => {
    const source = `
      JSON.stringify = JSON.parse = Buffer.byteLength = Buffer.alloc = Date.now = () => { throw new Error('no'); };
      globalThis.setImmediate = globalThis.setTimeout = globalThis.queueMicrotask = process.exit = () => {};
      process.stdout.write = process.stderr.write = () => { throw new Error('no'); };
      export const handler = async (e) => { if (e) throw new Error('x'); return [e]; };`;
    const sandbox = await make(source);
    expect(await told(sandbox, 0)).toEqual(['result', [0]]);
    expect(await told(sandbox, 1)).toEqual(['raised', expect.objectContaining({ errorMessage: 'x' })]);
    await sandbox.destroy();
  });
});

describe('code for Node that can not be loaded', () => {
  it.each([
    ['a syntax error', 'export const handler = (\n  => 1;\n', 'Runtime.UserCodeSyntaxError', /lambda_func.mjs:2/],
    ['a missing package', 'import "nosuch";\n', 'Runtime.ImportModuleError', undefined],
    ['a missing file', 'import "./nosuch.mjs";\n', 'Runtime.ImportModuleError', undefined],
    ['a syntax error below', 'import "./lib.mjs";\n', 'Runtime.UserCodeSyntaxError', /lib.mjs:2/],
    ['a missing export', 'import { nosuch } from "node:fs";\n', 'Runtime.UserCodeSyntaxError', /lambda_func.mjs:1/],
    ['no handler', 'export const other = 1;\n', 'Runtime.HandlerNotFound', undefined],
    ['a handler that is none', 'export const handler = 1;\n', 'Runtime.HandlerNotFound', undefined],
    ['a throw', 'throw new RangeError("k");\n', 'RangeError', /lambda_func.mjs:1/],
    ['a throw of nothing', 'throw undefined;\n', 'undefined', undefined],
    ['its own syntax error', 'JSON.parse("{");\n', 'SyntaxError', /lambda_func.mjs:1/],
    ['process.exit', 'process.exit(3);\n', 'Runtime.ExitError', undefined],
    ['an endless wait', 'await new Promise(() => {});\n', 'Runtime.NeverSettled', undefined],
    [
      'a throw in a timer',
      'setTimeout(() => { throw new TypeError("t"); }); await new Promise((r) => setTimeout(r, 5000));\n',
      'TypeError',
      /lambda_func.mjs:1/,
    ],
  ])('says why, asked or called: %s', async (_what, source, errorType, place) => {
    const sandbox = await make({ 'lambda_func.mjs': source, 'lib.mjs': 'export const a = 1;\nconst b = ;\n' });
    const loading = await sandbox.load();
    const first = await ask(sandbox);
    for (const [answer, requestId] of [
      [loading, ''],
      [first, 'test-request'],
    ] as const) {
      expect(answer.kind).toBe('init-failed');
      const body = JSON.parse((answer as { body: Buffer }).body.toString());
      expect(body).toMatchObject({ errorType, requestId });
      expect(body.stackTrace.join()).not.toContain('/runtime/');
      if (place !== undefined) expect(body.stackTrace.join()).toMatch(place);
    }
    expect(await sandbox.ended).toEqual({ cause: 'exit', status: 0 });
  });

  it('says where a syntax error of CommonJS is', async () => {
    const sandbox = await make('exports.handler = (\n  => 1;\n', { file: 'lambda_func.cjs' });
    const [kind, body] = await told(sandbox);
    expect([kind, body]).toEqual([
      'init-failed',
      expect.objectContaining({ errorType: 'Runtime.UserCodeSyntaxError' }),
    ]);
    expect((body as { stackTrace: string[] }).stackTrace[0]).toContain('/handler/lambda_func.cjs:2');
  });
});

describe('modules are found as Node finds them:', () => {
  const handler = 'handler = async () => [typeof require, word]';
  it.each([
    ['CommonJS by its name', 'lambda_func.cjs', `const word = require('./lib/w.js');\nexports.${handler};\n`, {}],
    [
      'CommonJS by default',
      'lambda_func.js',
      `const word = require('./lib/w.js');\nmodule.exports = { ${handler.replace(' =', ':')} };\n`,
      {},
    ],
    [
      'CommonJS with names that nobody can tell',
      'lambda_func.js',
      `const word = require('./lib/w.js');\nmodule.exports = Object.fromEntries([['handler', async () => [typeof require, word]]]);\n`,
      {},
    ],
    [
      'ES modules by package.json',
      'lambda_func.js',
      `import word from './lib/w.cjs';\nexport const ${handler};\n`,
      { 'package.json': '{"type": "module"}' },
    ],
    [
      'top-level await',
      'lambda_func.mjs',
      `const { default: word } = await import('./lib/w.cjs');\nexport const ${handler};\n`,
      {},
    ],
    ['a package beside the code', 'lambda_func.mjs', `import word from 'wordy';\nexport const ${handler};\n`, {}],
    ['a directory below', 'src/app.mjs', `import word from 'wordy';\nexport const ${handler};\n`, {}],
  ])('%s', async (_what, file, source, more) => {
    const files = {
      'lib/w.js': "module.exports = 'w';\n",
      'lib/w.cjs': "module.exports = 'w';\n",
      'node_modules/wordy/package.json': '{"name": "wordy", "exports": "./w.js"}',
      'node_modules/wordy/w.js': "module.exports = 'w';\n",
      [file]: source,
      ...more,
    };
    const sandbox = await make(files, { file });
    const [, word] = (await resultOf(sandbox)) as string[];
    expect(word).toBe('w');
    await sandbox.destroy();
  });

  it('TypeScript runs where Node strips types, and is refused by name where it does not', async () => {
    const source = 'export const handler = async (n: number): Promise<number> => n + 1;\n';
    const sandbox = await make(source, { file: 'lambda_func.ts' });
    const [kind, body] = await told(sandbox, 1);
    const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
    if (major > 22 || (major === 22 && minor >= 18)) expect([kind, body]).toEqual(['result', 2]);
    else
      expect([kind, body]).toEqual([
        'init-failed',
        expect.objectContaining({ errorType: 'Runtime.ImportModuleError' }),
      ]);
    await sandbox.destroy();
  });
});

describe('a handler of Node’s is told', () => {
  it('by its context what AWS’s tells', async () => {
    const source = `
      import { setTimeout as delay } from 'node:timers/promises';
      export const handler = async (event, context) => {
        const first = context.getRemainingTimeInMillis();
        await delay(50);
        const values = Object.entries(context).filter(([, value]) => typeof value !== 'function');
        return [Object.fromEntries(values), first, context.getRemainingTimeInMillis()];
      };`;
    const sandbox = await make(source, { limits: { memory_mb: 177 } });
    const [context, first, second] = (await resultOf(sandbox)) as [object, number, number];
    expect(context).toEqual({
      awsRequestId: 'test-request',
      callbackWaitsForEmptyEventLoop: true,
      functionName: 'node',
      functionVersion: '$LATEST',
      invokedFunctionArn: 'arn:aws:lambda:us-east-1:000000000000:function:node',
      logGroupName: '/aws/lambda/node',
      logStreamName: expect.stringMatching(/^\d+$/),
      memoryLimitInMB: '177',
    });
    expect(first).toBeLessThanOrEqual(LIMITS.timeout_ms);
    expect(first - second).toBeGreaterThanOrEqual(49);
    await sandbox.destroy();
  });

  it('what its caller says of itself', async () => {
    const sandbox = await make('export const handler = (event, context) => context.clientContext ?? "none";\n');
    const call = { requestId: 'r', event: Buffer.from('{}'), deadlineMs: Date.now() + LIMITS.timeout_ms };
    const reply = await sandbox.call({ ...call, clientContext: '{"custom":{"é":1}}' });
    expect(reply.kind === 'result' && JSON.parse(reply.body.toString())).toEqual({ custom: { é: 1 } });
    expect(await resultOf(sandbox)).toBe('none');
    await sandbox.destroy();
  });

  it('by its environment the same, also while it loads, and nothing of the machine', async () => {
    const source =
      'const loaded = { ...process.env };\nexport const handler = () => [loaded, process.cwd(), process.argv.length];\n';
    const sandbox = await make(source, { env: { AWS_REGION: 'eu-west-1', MODE: 'test' } });
    const [environment, cwd] = (await resultOf(sandbox)) as [Record<string, string>, string];
    expect(cwd).toBe('/handler');
    expect(environment).toEqual({
      AWS_DEFAULT_REGION: 'us-east-1',
      AWS_EXECUTION_ENV: `AWS_Lambda_nodejs${process.versions.node.split('.')[0]}.x`,
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(LIMITS.memory_mb),
      AWS_LAMBDA_FUNCTION_NAME: 'node',
      AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
      AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
      AWS_LAMBDA_LOG_GROUP_NAME: '/aws/lambda/node',
      AWS_LAMBDA_LOG_STREAM_NAME: expect.stringMatching(/^\d+$/),
      AWS_REGION: 'eu-west-1',
      HOME: '/tmp',
      LAMBDA_RUNTIME_DIR: '/runtime',
      LAMBDA_TASK_ROOT: '/handler',
      LANG: 'C.UTF-8',
      LOGNAME: 'sandbox',
      MODE: 'test',
      PATH: '/usr/local/bin:/usr/bin:/bin',
      TZ: ':UTC',
      USER: 'sandbox',
      _HANDLER: 'lambda_func.handler',
    });
    await sandbox.destroy();
  });

  it('the trace of the call that runs, and of no other', async () => {
    const names = ['TRACEPARENT', 'TRACESTATE', '_X_AMZN_TRACE_ID'];
    const sandbox = await make(
      `export const handler = () => ${JSON.stringify(names)}.map((name) => process.env[name] ?? null);\n`,
    );
    const call = { requestId: 'traced', event: Buffer.from('{}'), deadlineMs: Date.now() + LIMITS.timeout_ms };
    const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const amazon = 'Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1';
    const toldWith = async (trace?: { parent: string; state: string | undefined }) => {
      const reply = await sandbox.call({ ...call, trace });
      return reply.kind === 'result' ? JSON.parse(reply.body.toString()) : reply;
    };
    expect(await toldWith()).toEqual([null, null, null]);
    expect(await toldWith({ parent, state: 'a=1' })).toEqual([parent, 'a=1', amazon]);
    expect(await toldWith({ parent, state: undefined })).toEqual([parent, null, amazon]);
    expect(await toldWith()).toEqual([null, null, null]);
    await sandbox.destroy();
  });
});

describe('what a handler of Node’s prints', () => {
  const listen = async (source: string) => {
    const heard: Output[] = [];
    const sandbox = await make(source, { onOutput: (output: Output) => heard.push(output) });
    const call = async (requestId: string, event: unknown) => {
      const deadlineMs = Date.now() + LIMITS.timeout_ms;
      await sandbox.call({ requestId, event: Buffer.from(JSON.stringify(event)), deadlineMs });
      const told = joined(heard.splice(0));
      return told.map((one) => `${one.requestId} ${one.stream} ${one.bytes}${one.cut ? ' (cut)' : ''}`);
    };
    return { sandbox, call, heard };
  };

  it.each([
    ['by console.log', 'console.log("x", { a: 1 })', ['a stdout x { a: 1 }\n']],
    ['on both streams', 'console.log("x"); console.error("y")', ['a stdout x\n', 'a stderr y\n']],
    [
      'by a stream',
      'process.stdout.write("x"); process.stdout.end(); process.stdout.write("y")',
      expect.arrayContaining([]),
    ],
    ['by a program', 'child.execFileSync("/bin/echo", ["x"], { stdio: "inherit" })', ['a stdout x\n']],
    ['by a descriptor', 'fs.writeSync(2, "x")', ['a stderr x']],
    ['later in the call', 'await delay(20); console.log("x")', ['a stdout x\n']],
    ['nothing', '', []],
    ['nothing, with its streams closed', 'fs.closeSync(1); fs.closeSync(2); console.log("x")', []],
  ])('%s is told as its call’s', async (_how, source, lines) => {
    const { sandbox, call } = await listen(NODE_PROBE);
    expect(await call('quiet', '')).toEqual([]);
    expect(await call('a', source)).toEqual(lines);
    expect(await call('quiet', '')).toEqual([]);
    await sandbox.destroy();
  });

  it('while its code loads is the first call’s, or nobody’s if it is loaded ahead', async () => {
    const source = 'console.log("loading");\nexport const handler = (e) => { console.log(e); };\n';
    const first = await listen(source);
    expect(await first.call('a', 'one')).toEqual(['a stdout loading\none\n']);
    await first.sandbox.destroy();
    const ahead = await listen(source);
    await ahead.sandbox.load();
    expect(joined(ahead.heard.splice(0)).map(({ requestId }) => requestId)).toEqual([undefined]);
    expect(await ahead.call('a', 'one')).toEqual(['a stdout one\n']);
    await ahead.sandbox.destroy();
  });

  it('by a program between two calls is nobody’s', async () => {
    const source = `
      import { spawn } from 'node:child_process';
      spawn('/bin/sh', ['-c', 'while [ ! -e /host/go ]; do sleep 0.01; done; printf between'], { stdio: 'inherit' }).unref();
      export const handler = () => {};`;
    const { sandbox, call } = await listen(source);
    expect(await call('a', 1)).toEqual([]);
    const scratch = newestScratch(bench, 'node');
    writeFileSync(join(scratch, 'go'), '');
    await expect.poll(() => readFileSync(join(scratch, 'stdout'), 'utf8')).toBe('between');
    expect(await call('b', 1)).toEqual(['undefined stdout between']);
    await sandbox.destroy();
  });

  it('that is too much is cut, and does no harm', async () => {
    const { sandbox, call } = await listen(
      'export const handler = (n) => { for (let i = 0; i < n; i += 1) console.log("x".repeat(1023)); return n; };\n',
    );
    const lines = await call('a', 1000);
    expect(lines).toEqual([expect.stringMatching(/\(cut\)$/)]);
    expect(lines[0]?.length).toBeLessThan(LIMITS.output_kb * 1024 + 20);
    expect(await call('b', 1)).toEqual([`b stdout ${'x'.repeat(1023)}\n`]);
    await sandbox.destroy();
  });

  it('of its failure is what the caller is told', async () => {
    const { sandbox, call } = await listen('export const handler = () => {\n  throw new TypeError("boom");\n};\n');
    expect(await call('a', 1)).toEqual([
      'a stderr [ERROR] TypeError: boom\n    at handler (file:///handler/lambda_func.mjs:2:9)\n',
    ]);
    await sandbox.destroy();
  });
});
