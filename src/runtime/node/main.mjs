/**
 * What a sandbox for Node handlers runs, from its start to its end.
 *
 * Theory of operation. The sandbox is finished when this is started in it, by exec, and has no right left. Descriptor 3
 * is the channel to the worker, over which nothing comes yet; 4 is the spawner's. This process warms itself up with a
 * call of its own, says on 4 that it waits, and waits there for one message: the description of the lambda whose code
 * has just been attached at /handler. Then it serves that. The end of 4 without a message means that it is not needed.
 * A container starts this when it is wanted, with the description as an argument and no descriptor 4.
 */
import { closeSync, readSync, writeSync } from 'node:fs';
import { introduce } from './context.mjs';
import { CALL, Channel } from './frames.mjs';
import { openStreams } from './output.mjs';
import { Server } from './server.mjs';
import { awslambda } from './streams.mjs';

const CHANNEL_FD = 3;
const CONTROL_FD = 4;
/** A description with all the environment that a lambda may have takes less than half of it. */
const DESCRIPTION_BYTES_MAX = 1 << 16;
const NODE_OLDEST = 20;

const WARM_UP = {
  lambda: 'warm-up',
  instance: 0,
  memory_mb: 0,
  response_bytes_max: 4096,
  env: {},
  entry: { file: 'warm-up.mjs', function: 'handler' },
};

await main();

async function main() {
  if (Number(process.versions.node.split('.')[0]) < NODE_OLDEST) {
    say({ failed: `Node ${process.versions.node} is too old: lambdas need ${NODE_OLDEST} or newer` });
    process.exit(1);
  }
  openStreams();
  // Where it was not started ahead, it is told at once.
  const [given] = process.argv.splice(2);
  if (given !== undefined) {
    serve(JSON.parse(given));
    return;
  }
  await warmUp();
  say({ waiting: true });
  const description = receive();
  if (description === undefined) process.exit(0);
  serve(description);
}

function say(message) {
  writeSync(CONTROL_FD, JSON.stringify(message));
}

function receive() {
  const buffer = Buffer.allocUnsafe(DESCRIPTION_BYTES_MAX);
  const count = readSync(CONTROL_FD, buffer);
  closeSync(CONTROL_FD);
  return count === 0 ? undefined : JSON.parse(buffer.toString('utf8', 0, count));
}

function serve(facts) {
  introduce(facts);
  globalThis.awslambda = awslambda;
  process.chdir('/handler');
  const server = new Server(new Channel(CHANNEL_FD), facts);
  process.on('uncaughtException', (error, origin) => {
    // Who listens, too, has dealt with it.
    if (process.listenerCount('uncaughtException') === 1) server.uncaught(error, origin);
  });
  process.on('beforeExit', () => server.ranEmpty());
  process.on('exit', (status) => server.exiting(status));
  void server.run();
}

/** Serves one call with nothing at stake, from loading to hanging up: a first real one is then several ms cheaper. */
function warmUp() {
  const calls = [
    { kind: CALL, meta: Buffer.from('{"id":"warm-up","deadline":0}'), body: Buffer.from('{"name":"Alice"}') },
  ];
  const channel = { read: () => calls.shift(), write: () => {} };
  return new Promise((resolve) => {
    const server = new Server(channel, WARM_UP, {
      codeDir: import.meta.dirname ?? '/runtime/isla_node',
      onHangUp: resolve,
    });
    void server.run();
  });
}
