/** Programs of this machine, which tests use where they are. */
import { execFileSync } from 'node:child_process';

/** Whether the command is there and ends well. */
export function has(command: string, ...args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Those that have boto3: Debian's (python3-boto3), and that of another Python which comes first on PATH. */
export const BOTO_PYTHONS: readonly string[] = ['/usr/bin/python3', 'python3'].filter((python) =>
  has(python, '-c', 'import boto3'),
);
