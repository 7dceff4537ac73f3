/** The edge: this process's arguments and streams in, its exit code out. */
import { readlinkSync } from 'node:fs';
import { isSea } from 'node:sea';
import { fileURLToPath } from 'node:url';
import { runProgram } from './cli/program.ts';

for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    // Whoever read us has gone, as in `admin status | head -1`: nobody is left to tell, but something may be to tidy up.
    if (process.listenerCount('SIGPIPE') === 0) process.exit();
    process.emit('SIGPIPE', 'SIGPIPE');
  });
}

const exitCode = await runProgram(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  cwd: process.cwd(),
  program: {
    node: process.execPath,
    main: fileURLToPath(import.meta.url),
    // What lies elsewhere was laid out by it, and may be again.
    singleFile: isSea() ? readlinkSync('/proc/self/exe') : undefined,
  },
  onSignal(signals, listener) {
    for (const signal of signals) process.on(signal, listener);
    return () => {
      for (const signal of signals) process.off(signal, listener);
    };
  },
});

// Output to a pipe is written later; only then may the process end, which it must even if a
// socket is still half-open somewhere.
process.stdout.write('', () => process.stderr.write('', () => process.exit(exitCode)));
