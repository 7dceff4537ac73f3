/** How containers and volumes of a worker are found again, whoever looks for them. */
import { realpathSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { markerOf } from '../worker-marker.ts';

const WORKER = 'isla.worker';
const SLOT = 'isla.slot';

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

export function ofSlot(labels: Record<string, string>, slot: number): Record<string, string> {
  return { ...labels, [SLOT]: String(slot) };
}

/** Not a number if there is none. */
export function slotOf(labels: Record<string, string> | undefined): number {
  return Number(labels?.[SLOT]);
}
