import { existsSync } from 'node:fs';
import type { Settings, WorkerSettings } from '../config/settings.ts';
import { writeFileAtomic } from '../lib/atomic-write.ts';
import { readWorkerConfig } from './config-file.ts';
import type { Layout } from './layout.ts';
import { formatSettings } from './template.ts';

/** The port of worker 0 where nobody has said another; the others follow. */
export const FIRST_PORT = 8_080;

/** The settings of a worker of a cluster: those of the template, and where it is. */
export function workerSettings(
  layout: Layout,
  settings: Settings,
  { name, port }: { name: string; port: number },
): WorkerSettings {
  return {
    ...settings,
    worker_port: port,
    worker_dir: layout.workerDir(name),
    logs_dir: layout.logsDir,
    pid_file: layout.pidFile(name),
  };
}

/** Writes `config/worker-<N>.json`. OpenLambda wrote the port as a string, and its tools read it so. */
export function writeWorkerConfig(layout: Layout, name: string, settings: WorkerSettings): void {
  writeFileAtomic(
    layout.workerConfig(name),
    formatSettings({ ...settings, worker_port: String(settings.worker_port) }),
  );
}

/** The port that the worker had when it was started last, if it was. */
export function lastPort(layout: Layout, name: string): number | undefined {
  const path = layout.workerConfig(name);
  return existsSync(path) ? readWorkerConfig(path).worker_port : undefined;
}
