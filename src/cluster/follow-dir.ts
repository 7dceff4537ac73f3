import { watch } from 'node:fs';
import { Failure } from '../config/failure.ts';

/**
 * Calls `look` now and whenever something in the directory has changed, one call at a time, until the signal is
 * aborted. Rejects with what `look` throws, or Failure `machine-unfit` if the directory can not be watched.
 */
export async function followDir(dir: string, look: () => Promise<void>, signal: AbortSignal): Promise<void> {
  let changed = true;
  let wake = (): void => {};
  let broken: Error | undefined;
  const notice = (): void => {
    changed = true;
    wake();
  };
  const watcher = watchDir(dir, notice);
  watcher.on('error', (error) => {
    broken = error;
    wake();
  });
  signal.addEventListener('abort', notice);
  try {
    while (!signal.aborted) {
      if (broken !== undefined) throw unwatchable(dir, broken);
      if (changed) {
        changed = false;
        await look();
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    watcher.close();
    signal.removeEventListener('abort', notice);
  }
}

function watchDir(dir: string, notice: () => void) {
  try {
    return watch(dir, notice);
  } catch (error) {
    throw unwatchable(dir, error);
  }
}

function unwatchable(dir: string, error: unknown): Failure {
  // ENOSPC is no full disk here but a full table of watchers, which the message says.
  return new Failure('machine-unfit', `can not watch ${dir}: ${(error as Error).message}`, { cause: error });
}
