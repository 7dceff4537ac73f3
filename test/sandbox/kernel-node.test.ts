/** Node as a kernel: state, what is shown, interrupts, and cells that change what the kernel stands on. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Kernel } from '../../src/session/kernel.ts';
import { type Bench, startBench } from './engine-fixture.ts';
import { run, startOn } from './kernel-fixture.ts';

let bench: Bench;
let kernel: Kernel;
beforeAll(async () => {
  bench = await startBench({ limitsMax: { memory_mb: 512, procs: 128 } });
  kernel = await startOn(bench, { language: 'nodejs', limits: { memory_mb: 256, procs: 64 } });
});
afterAll(async () => {
  await kernel.destroy();
  await bench.close();
});

const plain = (text: string) => ({ bundle: { 'text/plain': text }, execution: true });
const completed = async (code: string) => (await kernel.complete({ code, cursor: code.length })).completions;

describe('a cell', () => {
  it('keeps its names for the next ones, which may declare them again', async () => {
    await run(kernel, 'const a = 1; let b = [1, { c: 2 }]; class D {}; function f() { return a; }');
    expect((await run(kernel, '[a, b, typeof D, f()]')).displays).toEqual([
      plain("[ 1, [ 1, { c: 2 } ], 'function', 1 ]"),
    ]);
    expect((await run(kernel, 'const a = 2; let b = 3; a + b')).displays).toEqual([plain('5')]);
  });

  it.each([
    ['undefined', []],
    ['null', ['null']],
    ['"text"', ["'text'"]],
    ['-0', ['-0']],
    ['NaN', ['NaN']],
    ['12345678901234567890n', ['12345678901234567890n']],
    ['({ a: 1 })', ['{ a: 1 }']],
    ['await new Promise((r) => setTimeout(r, 10, "later"))', ["'later'"]],
    ['for (const x of [1]) x', ['1']],
  ])('%s shows its value', async (code, shown) => {
    expect((await run(kernel, code)).displays).toEqual(shown.map(plain));
  });

  it('imports as modules do, and asks for what CommonJS has', async () => {
    const code =
      'import fs, { existsSync as has } from "node:fs";\nimport * as os from "os";\nimport "node:path";\n' +
      'const url = await import("node:url");\n[typeof fs.readFileSync, has("/"), typeof os.cpus, url.URL.name, require("path").basename("/a/b")]';
    expect((await run(kernel, code)).displays).toEqual([plain("[ 'function', true, 'function', 'URL', 'b' ]")]);
    await kernel.files.write('lib/own.mjs', Buffer.from('export default 7; export const eight = 8;'));
    expect((await run(kernel, 'import seven, { eight } from "./lib/own.mjs"; seven + eight')).displays).toEqual([
      plain('15'),
    ]);
  });

  it('fails in the line where it does, with what it has printed before', async () => {
    const outcome = await run(kernel, 'console.log("before");\nfunction g() {\n  throw new TypeError("bad");\n}\ng()');
    expect(outcome).toMatchObject({ stdout: 'before\n', exitCode: 0, error: { name: 'TypeError', message: 'bad' } });
    expect(outcome.error?.traceback.map((line) => line.trim())).toEqual([
      'TypeError: bad',
      expect.stringMatching(/^at g \(cell-\d+:3:9\)$/),
      expect.stringMatching(/^at cell-\d+:5:1$/),
    ]);
    expect(outcome.stderr).toBe(`${outcome.error?.traceback.join('\n')}\n`);
  });

  it('that does not parse is shown where', async () => {
    const { error } = await run(kernel, 'let fine = 1;\nlet x = ;');
    expect(error?.traceback).toEqual([
      expect.stringMatching(/^cell-\d+:2$/),
      'let x = ;',
      '        ^',
      "SyntaxError: Unexpected token ';'",
    ]);
  });

  it('displays what it likes', async () => {
    const code =
      'display.html("<b>x</b>"); display({ "text/plain": "dot", "image/png": new Uint8Array([1, 2, 3]) }); display([1]);\n' +
      '({ [Symbol.for("Jupyter.display")]: () => ({ "text/html": "<i>own</i>" }) })';
    expect((await run(kernel, code)).displays).toEqual([
      { bundle: { 'text/html': '<b>x</b>' }, execution: false },
      { bundle: { 'text/plain': 'dot', 'image/png': 'AQID' }, execution: false },
      { bundle: { 'text/plain': '[ 1 ]' }, execution: false },
      { bundle: { 'text/html': '<i>own</i>' }, execution: true },
    ]);
  });

  it('reads lines, by events and at once', async () => {
    const ask =
      'const lines = require("readline").createInterface({ input: process.stdin });\n' +
      'const line = await new Promise((r) => lines.once("line", r)); lines.close(); line';
    expect((await run(kernel, ask, { answer: ['Ällice'] })).displays).toEqual([plain("'Ällice'")]);
  });

  it('ends with process.exit, and the kernel does not', async () => {
    expect(await run(kernel, 'let kept = 1; process.exit(3); kept = 2')).toMatchObject({ exitCode: 3, stderr: '' });
    expect((await run(kernel, 'kept')).displays).toEqual([plain('1')]);
    expect(await run(kernel, 'setTimeout(() => process.exit(4)); await new Promise(() => {})')).toMatchObject({
      exitCode: 4,
    });
  });
});

describe('an interrupt', () => {
  it.each([
    ['a loop', 'console.log("on"); while (true);'],
    ['a promise that never settles', 'console.log("on"); await new Promise(() => {})'],
    ['a loop of promises', 'console.log("on"); while (true) await null;'],
    ['a loop after a promise', 'await new Promise((r) => setTimeout(r, 1)); console.log("on"); while (true);'],
    ['a program that is waited for', 'console.log("on"); require("child_process").execSync("sleep 600")'],
  ])('ends %s, and the next cell runs', async (_name, code) => {
    await run(kernel, 'globalThis.state = 1');
    const outcome = await run(kernel, code, { hear: (event) => event.kind === 'output' && kernel.interrupt() });
    expect(outcome.error).toBeDefined();
    expect((await run(kernel, 'state + 1')).displays).toEqual([plain('2')]);
  });

  it('ends what has not begun yet, also in a kernel that starts', async () => {
    const fresh = await startOn(bench, { language: 'nodejs', limits: { memory_mb: 256, procs: 64 } });
    for (let cell = 0; cell < 10; cell += 1) {
      const ran = run(fresh, 'while (true);');
      fresh.interrupt();
      expect((await ran).error?.name).toBe('KeyboardInterrupt');
    }
    await fresh.destroy();
  });

  it('of nothing does nothing', async () => {
    kernel.interrupt();
    expect((await run(kernel, '1')).displays).toEqual([plain('1')]);
  });
});

describe('completion', () => {
  it('knows names in scope and properties, and runs nothing for it', async () => {
    await run(
      kernel,
      'const shelf = { books: 1, boxes: { small: 1 }, get boom() { globalThis.boomed = true; return {}; } };',
    );
    expect(await completed('she')).toContain('shelf');
    expect(await completed('shelf.bo')).toEqual(['books', 'boom', 'boxes']);
    expect(await completed('x = shelf.boxes.sm')).toEqual(['small']);
    expect(await completed('shelf.boom.')).toEqual([]);
    expect((await run(kernel, 'globalThis.boomed')).displays).toEqual([]);
    expect(await kernel.complete({ code: '"😀"; Math.ma', cursor: 13 })).toEqual({
      completions: ['max'],
      start: 11,
      end: 13,
    });
  });
});

describe('a cell that misbehaves', () => {
  it('may replace what the language comes with', async () => {
    const own = await startOn(bench, { language: 'nodejs', limits: { memory_mb: 256, procs: 64 } });
    await run(
      own,
      'JSON.stringify = JSON.parse = null; console.log = () => {}; process.stdout.write = null; process.exit = null; Array.prototype.push = null;',
    );
    expect(await run(own, 'globalThis.Promise = null; globalThis.Buffer = null; 1')).toMatchObject({ stdout: '1\n' });
    expect(await run(own, '2')).toMatchObject({ stdout: '2\n', exitCode: 0 });
    await own.destroy();
  });

  it('may raise in a callback, and reject what nobody waits for', async () => {
    const code =
      'setTimeout(() => { throw new Error("late"); }); Promise.reject(new Error("unheard"));\n' +
      'await new Promise((r) => setTimeout(r, 20)); "on"';
    const { stderr, displays } = await run(kernel, code);
    expect(stderr).toMatch(/Error: unheard\n.*cell.*\nError: late\n/s);
    expect(displays).toEqual([plain("'on'")]);
  });

  it('prints many lines, and bytes that are no text', async () => {
    const { stdout, cut } = await run(kernel, 'for (let i = 0; i < 10000; i++) console.log(i)');
    expect(stdout.trim().split('\n')).toHaveLength(10_000);
    expect(cut).toBe(false);
    expect(await run(kernel, 'process.stdout.write(Buffer.from([0xff, 0x61])); 0;')).toMatchObject({
      stdout: '\ufffda0\n',
    });
  });

  it('ends the session if it ends the process', async () => {
    const own = await startOn(bench, { language: 'nodejs', limits: { memory_mb: 256, procs: 64 } });
    expect(await run(own, 'process.kill(process.pid, "SIGKILL"); await new Promise(() => {})')).toMatchObject({
      exitCode: 130,
    });
    expect(await own.ended).toMatchObject({ cause: 'signal' });
  });
});
