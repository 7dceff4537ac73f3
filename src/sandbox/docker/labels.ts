/** How containers and volumes of a worker are found again, whoever looks for them. */
import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { basename, dirname } from 'node:path';

const WORKER = 'isla.worker';

export function markerOf(workerDir: string): string {
  return createHash('sha256').update(realpathSync(workerDir)).digest('hex').slice(0, 12);
}

/** The marker is for programs, the rest for people. */
export function labelsOf(workerDir: string): Record<string, string> {
  return {
    [WORKER]: markerOf(workerDir),
    'isla.cluster': dirname(dirname(realpathSync(workerDir))),
    'isla.worker.name': basename(workerDir),
  };
}

/** A filter as Docker's API takes it. */
export function ofWorker(workerDir: string): { label: string[] } {
  return { label: [`${WORKER}=${markerOf(workerDir)}`] };
}
