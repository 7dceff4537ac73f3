/** The event of a call as commands take it: an argument, a file, or standard input. */
import { createReadStream } from 'node:fs';
import { resolve } from 'node:path';
import { Failure } from '../config/failure.ts';
import { errnoWords } from '../lib/errno.ts';
import type { CommandCall } from './command.ts';

/** The second argument, else `--file`, else standard input; on a terminal nothing at all. Throws Failure `usage`. */
export async function readEvent({ args, flags, caller }: CommandCall): Promise<Buffer> {
  const [, argument] = args;
  const file = flags.file as string | undefined;
  if (argument !== undefined && file !== undefined) {
    throw new Failure('usage', 'the event is given twice: as an argument and with --file');
  }
  if (argument !== undefined) return Buffer.from(argument);
  if (file === undefined && caller.stdin.isTTY) return Buffer.alloc(0);
  if (file === undefined || file === '-') return readAll(caller.stdin);
  const path = resolve(caller.cwd, file);
  try {
    return await readAll(createReadStream(path));
  } catch (error) {
    throw new Failure('usage', `can not read ${path}: ${errnoWords(error)}`, { cause: error });
  }
}

async function readAll(stream: AsyncIterable<Buffer | string>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}
