/** Both versions of the AWS command line, where they are. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Path of the first of that major version on PATH; undefined if there is none. Debian's awscli is version 2, pip's is 1. */
export function awsCommand(major: 1 | 2): string | undefined {
  const found = (process.env.PATH ?? '').split(delimiter).map((dir) => join(dir, 'aws'));
  return found.find((path) => existsSync(path) && versionOf(path).startsWith(`aws-cli/${major}.`));
}

const versions = new Map<string, string>();

function versionOf(path: string): string {
  const known = versions.get(path);
  if (known !== undefined) return known;
  const version = askVersion(path);
  versions.set(path, version);
  return version;
}

function askVersion(path: string): string {
  try {
    return execFileSync(path, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    // A shim of a Python that has none.
    return '';
  }
}
