/** How a server in the background says that it serves: a line of JSON on a descriptor that whoever started it reads. */
import { closeSync, writeSync } from 'node:fs';
import { type Command, InvalidArgumentError } from 'commander';

export function addReadyFd(command: Command): Command {
  return command.option('--ready-fd <fd>', 'descriptor on which to say, in one JSON line, that it serves', descriptor);
}

export function sayReady(fd: number, port: number): void {
  try {
    writeSync(fd, `${JSON.stringify({ ready: true, port, pid: process.pid })}\n`);
    closeSync(fd);
  } catch {
    // Whoever wanted to know has gone; it serves all the same.
  }
}

function descriptor(text: string): number {
  if (!/^[0-9]{1,6}$/.test(text)) throw new InvalidArgumentError('It must be the number of an open descriptor');
  return Number(text);
}
