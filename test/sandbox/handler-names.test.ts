/** Which function of which file is a lambda's handler. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask, type Bench, resultOf, startBench } from './engine-fixture.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await startBench();
});
afterAll(() => bench.close());

const SAYS = (name: string, text: string) => `def ${name}(event, context):\n    return "${text}"\n`;
const ENVIRON =
  'import os, sys\ndef handler(event, context):\n    return [os.environ["_HANDLER"], os.getcwd(), sys.path[0]]\n';

describe('a lambda', () => {
  it.each([
    ['lambda_func.py before all others', { 'lambda_func.py': SAYS('handler', 'a'), 'f.py': SAYS('f', 'b') }, 'a'],
    ['f.py before AWS’s', { 'f.py': SAYS('f', 'b'), 'lambda_function.py': SAYS('lambda_handler', 'c') }, 'b'],
    ['lambda_handler', { 'lambda_function.py': SAYS('handler', 'x') + SAYS('lambda_handler', 'c') }, 'c'],
    ['handler where there is no other', { 'lambda_function.py': SAYS('handler', 'd') }, 'd'],
    ['app.py', { 'app.py': SAYS('lambda_handler', 'e'), 'main.py': SAYS('handler', 'x') }, 'e'],
    ['main.py', { 'main.py': SAYS('handler', 'f') }, 'f'],
  ])('that says nothing has its handler found: %s', async (_what, files: Record<string, string>, said) => {
    const sandbox = await bench.sandbox(files);
    expect(await resultOf(sandbox)).toBe(said);
    await sandbox.destroy();
  });

  it.each([
    ['index.handler', { 'index.py': ENVIRON, 'lambda_func.py': 'raise KeyError()\n' }],
    ['main:handler', { 'main.py': ENVIRON }],
    ['pkg.sub.mod.handler', { 'pkg/sub/mod.py': ENVIRON }],
    ['pkg/mod.handler', { 'pkg/__init__.py': '', 'pkg/mod.py': `from . import x\n${ENVIRON}`, 'pkg/x.py': '' }],
    ['pkg.handler', { 'pkg/__init__.py': ENVIRON }],
  ])('that names %s has that one', async (handler, files: Record<string, string>) => {
    const sandbox = await bench.sandbox(files, 'named', { handler });
    expect(await resultOf(sandbox)).toEqual([handler, '/handler', '/handler']);
    await sandbox.destroy();
  });

  it.each([
    ['main.nothing', 'Runtime.HandlerNotFound', "Handler 'nothing' missing on module 'main'"],
    ['other.f', 'Runtime.ImportModuleError', "Unable to import module 'other': No module named 'other'"],
    ['pkg.broken.f', 'Runtime.UserCodeSyntaxError', "Syntax error in module 'pkg.broken': "],
    ['pkg.lacking.f', 'Runtime.ImportModuleError', "Unable to import module 'pkg.lacking': No module named 'nosuch'"],
    ['sys.exit', 'Runtime.BuiltInModuleConflict', 'Cannot use built-in module sys as a handler module'],
    ['nodot', 'Runtime.MalformedHandlerName', "Bad handler 'nodot': "],
  ])('is told what is wrong with %s', async (handler, errorType, message) => {
    const files = { 'main.py': 'x = 1\n', 'pkg/broken.py': 'def f(:\n', 'pkg/lacking.py': 'import nosuch\n' };
    const sandbox = await bench.sandbox(files, 'wrong', { handler });
    const reply = await ask(sandbox);
    expect(reply.kind).toBe('init-failed');
    const body = JSON.parse((reply as { body: Buffer }).body.toString());
    expect(body).toMatchObject({ errorType, errorMessage: expect.stringContaining(message) });
    await sandbox.destroy();
  });
});
