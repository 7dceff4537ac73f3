// Runs cells in this process's own context, one after the other, for runtime/kernel/external_interpreter.py.
//
// The inspector evaluates them as it does what is typed into a browser's console: `await` works at the top, `let` and `const` may be
// declared again, and a statement has a value. A thread waits for interrupts, because a cell that does not
// give way leaves this one no moment to hear of them: it asks first, and ends what runs if nobody answers.
// Commands and answers are lines of JSON; what is needed to say them is bound before any cell can replace it.
import { Buffer } from 'node:buffer';
import { writeSync } from 'node:fs';
import { Session } from 'node:inspector';
import { createRequire } from 'node:module';
import { Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { completionsOf } from './completion.mjs';
import { bundleOf, makeDisplay } from './display.mjs';
import { explain, placeOf } from './errors.mjs';
import { importsRewritten } from './imports.mjs';

const [commandsFd, answersFd, interruptsFd] = process.argv.slice(2).map(Number);
const { parse, stringify } = JSON;
const [toNumber, toBigInt, Settled] = [Number, BigInt, Promise];
const exit = process.exit.bind(process, 0);
const writeStderr = process.stderr.write.bind(process.stderr);
/** `process.exit` in a cell ends the cell, by throwing this. */
const EXIT = { status: 0 };
const HAND_OVER = Symbol.for('isla.hand-over');
const session = new Session();
session.connect();
// Whoever starts another Node from here starts it as if this were an ordinary one.
process.execArgv = [];
process.argv.length = 1;

let cells = 0;
/** Number of the cell that runs, 0 for none. */
let running = 0;

function answer(said) {
  let rest = Buffer.from(`${stringify(said)}\n`);
  while (rest.length > 0) rest = rest.subarray(writeAll(rest));
}

function writeAll(bytes) {
  try {
    return writeSync(answersFd, bytes);
  } catch (error) {
    if (error.code === 'EAGAIN') return 0;
    throw error;
  }
}

function post(method, parameters) {
  return new Settled((resolve) => {
    session.post(method, parameters, (error, result) => resolve({ error, result }));
  });
}

/** The value itself, of what the inspector has named. */
function materialize(remote) {
  if (remote.objectId === undefined) {
    if (remote.unserializableValue === undefined) return remote.value;
    return unserializable(remote.unserializableValue);
  }
  let value;
  globalThis[HAND_OVER] = (given) => {
    value = given;
  };
  const functionDeclaration = `function () { globalThis[Symbol.for('isla.hand-over')](this); }`;
  session.post('Runtime.callFunctionOn', { objectId: remote.objectId, functionDeclaration, silent: true });
  delete globalThis[HAND_OVER];
  session.post('Runtime.releaseObject', { objectId: remote.objectId });
  return value;
}

/** NaN, Infinity, -Infinity, -0, or a BigInt as it is written. */
function unserializable(text) {
  return text.endsWith('n') ? toBigInt(text.slice(0, -1)) : toNumber(text);
}

async function run(code) {
  cells += 1;
  const cell = cells;
  running = cell;
  const expression = `${importsRewritten(code)}\n//# sourceURL=cell-${cell}`;
  const parameters = { expression, replMode: true, awaitPromise: true, userGesture: true };
  answer({ begun: true });
  const { error, result } = await post('Runtime.evaluate', parameters);
  if (running !== cell) return; // it was interrupted, and is over
  if (error)
    interrupted(); // "Execution was terminated"
  else if (result.exceptionDetails) fail(code, result.exceptionDetails);
  else show(materialize(result.result));
}

function fail(code, details) {
  const thrown = details.exception === undefined ? new Error(details.text) : materialize(details.exception);
  if (thrown === EXIT) return finish(thrown.status);
  // Only what does not parse lies in no script that has a name.
  const unparsed = thrown instanceof SyntaxError && details.url === undefined;
  finish(0, explain(thrown, unparsed ? placeOf(code, `cell-${cells}`, details) : undefined));
}

function show(value) {
  try {
    const bundle = bundleOf(value);
    if (bundle !== undefined) answer({ display: bundle, execution: true });
    finish(0);
  } catch (error) {
    finish(0, explain(error)); // a value that can not be shown
  }
}

function finish(status, error) {
  if (running === 0) return;
  running = 0;
  if (error !== undefined) writeError(error);
  answer({ finished: status, error });
}

function interrupted() {
  finish(0, { name: 'KeyboardInterrupt', message: '', traceback: ['KeyboardInterrupt'] });
}

function writeError({ traceback }) {
  writeStderr(`${traceback.join('\n')}\n`);
}

// -- what cells find ---------------------------------------------------------------------------------

const ownRequire = createRequire(`${process.cwd()}/cells.js`);
const given = {
  require: ownRequire,
  module: { exports: {} },
  exports: {},
  display: makeDisplay((bundle) => answer({ display: bundle, execution: false })),
};
for (const [name, value] of Object.entries(given)) {
  Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
}
for (const name of ownRequire('node:module').builtinModules) {
  if (name.startsWith('_') || name.includes('/') || name in globalThis) continue;
  Object.defineProperty(globalThis, name, {
    get: () => ownRequire(name),
    set: (value) =>
      Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: true }),
    configurable: true,
    enumerable: false,
  });
}
process.exit = (status = process.exitCode ?? 0) => {
  EXIT.status = Number.parseInt(status, 10) & 0xff;
  process.exitCode = undefined;
  throw EXIT;
};
for (const event of ['uncaughtException', 'unhandledRejection']) {
  process.on(event, (error) => {
    if (error === EXIT) finish(EXIT.status);
    else writeError(explain(error));
  });
}
process.on('SIGINT', () => {}); // those it has started get it too; here the thread tells

// -- commands ----------------------------------------------------------------------------------------

const heard = new Int32Array(new SharedArrayBuffer(4));
const thread = new Worker(new URL('./interrupts.mjs', import.meta.url), {
  workerData: { interruptsFd, heard },
  execArgv: [],
});
thread.on('message', (said) => {
  if (said === 'asked') {
    Atomics.store(heard, 0, 1);
    Atomics.notify(heard, 0);
  }
  interrupted();
});

let line = '';
const commands = new Socket({ fd: commandsFd, readable: true, writable: false });
commands.setEncoding('utf8');
commands.on('data', (text) => {
  const lines = (line + text).split('\n');
  line = lines.pop();
  for (const one of lines) obey(parse(one));
});
commands.on('end', exit);

function obey(command) {
  if (command.run !== undefined) run(command.run);
  else completionsOf(session, materialize, command.complete, command.cursor).then(answer);
}
