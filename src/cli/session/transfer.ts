/** Files go into a session's working directory, and out of it. */
import { mkdirSync, readdirSync, readFileSync, type Stats, statSync } from 'node:fs';
import { basename, join, posix, relative, resolve } from 'node:path';
import type { ReadEntry } from 'tar';
import type { TransferSettings } from '../../client/files.ts';
import type { Gateway } from '../../client/gateway.ts';
import { Failure } from '../../config/failure.ts';
import { errnoWords } from '../../lib/errno.ts';
import { plainText } from '../../lib/plain-text.ts';
import type { CommandCall } from '../command.ts';
import { howMuch, Progress } from '../progress.ts';
import { type Said, sessionOf } from './said.ts';

/** `session upload NAME FILE... [--to DIR]`; a directory goes with all in it. */
export async function upload(gateway: Gateway, call: CommandCall): Promise<Said> {
  const session = sessionOf(gateway, call);
  const { args, flags, caller } = call;
  const paths = args.slice(2);
  if (paths.length === 0) throw new Failure('usage', 'session upload needs files or directories');
  const to = (flags.to as string | undefined) ?? '.';
  const found = paths.flatMap((path) => filesAt(resolve(caller.cwd, path)));
  const files = Object.fromEntries(found.map(({ name, path }) => [posix.join(to, name), readFileSync(path)]));
  await watched(call, session.name, (settings) => session.files.upload(files, settings));
  const names = Object.keys(files);
  return { lines: names, facts: { uploaded: names } };
}

interface Found {
  name: string;
  path: string;
}

function filesAt(path: string): Found[] {
  try {
    if (!statSync(path).isDirectory()) return [{ name: basename(path), path }];
    const inside = readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    return inside.map((entry) => {
      const file = join(entry.parentPath ?? entry.path, entry.name);
      return { name: join(basename(path), relative(path, file)), path: file };
    });
  } catch (error) {
    throw new Failure('usage', `can not read ${path}: ${errnoWords(error)}`, { cause: error });
  }
}

/** `session download NAME PATH... [--to DIR]`. */
export async function download(gateway: Gateway, call: CommandCall): Promise<Said> {
  const session = sessionOf(gateway, call);
  const { args, flags, caller } = call;
  const paths = args.slice(2);
  if (paths.length === 0) throw new Failure('usage', 'session download needs paths in the session');
  const to = resolve(caller.cwd, (flags.to as string | undefined) ?? '.');
  const { extract, list } = await import('tar');
  mkdirSync(to, { recursive: true });
  const names: string[] = [];
  for (const path of paths) {
    const archive = await watched(call, path, (settings) => session.files.download(path, settings));
    list({ sync: true, onReadEntry: (entry) => names.push(entry.path) }).end(archive);
    // What a session's code has packed may not write beside the directory, nor over what is newer by links.
    extract({ sync: true, cwd: to, strict: true, preserveOwner: false, filter: (_, entry) => isHarmless(entry) }).end(
      archive,
    );
  }
  const downloaded = names.map((name) => join(to, name));
  return { lines: downloaded.map(plainText), facts: { downloaded } };
}

/** A link that a stranger made leads anywhere; and a program of theirs is not to run as whoever has fetched it. */
function isHarmless(entry: Stats | ReadEntry): boolean {
  if (!('type' in entry)) return false;
  if (entry.mode !== undefined) entry.mode &= 0o777;
  return entry.type === 'File' || entry.type === 'Directory';
}

/** Shows how far it is, as long as it goes on. */
async function watched<T>(
  { caller, flags }: CommandCall,
  what: string,
  transfer: (settings: TransferSettings) => Promise<T>,
): Promise<T> {
  const progress = new Progress(caller);
  const onProgress = (bytes: number, of: number | undefined) => progress.show(`${what}: ${howMuch(bytes, of)}`);
  try {
    return await transfer(flags.json ? {} : { onProgress });
  } finally {
    progress.clear();
  }
}
