/** Where `admin dev` keeps what a worker needs, and what of it goes when it ends. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Failure } from '../config/failure.ts';
import type { WorkerSettings } from '../config/settings.ts';
import { readTemplate } from './config-file.ts';
import { createCluster } from './create.ts';
import { Layout } from './layout.ts';
import { workerSettings } from './worker-config.ts';

/** Calls in flight get this long when it ends: somebody sits there and waits. In milliseconds. */
const GRACE_MS_MAX = 2_000;

export interface DevOrder {
  /** Absolute path of a lambda's directory, or of a directory of lambdas; undefined for the registry of the cluster. */
  code: string | undefined;
  /** Absolute path of a cluster, which is made if it is not there and stays; undefined for one that goes. */
  cluster: string | undefined;
  port: number;
  /** Tells whether a directory is a lambda's. */
  isLambda(path: string): boolean;
}

export interface DevPlace {
  layout: Layout;
  /** What is served, where it is edited: as `DevOrder` has it, or the cluster's registry. */
  code: string;
  /** Of its only worker. */
  settings: WorkerSettings;
  /** Removes what was made for the time being. Nothing may run there any more. Idempotent. */
  close(): void;
}

export const DEV_WORKER = 'worker-0';

export function openDevPlace({ code, cluster, port, isLambda }: DevOrder): DevPlace {
  if (code !== undefined) needDirectory(code);
  const temporary = mkdtempSync(join(tmpdir(), 'isla-dev-'));
  const close = () => rmSync(temporary, { recursive: true, force: true });
  try {
    const layout = clusterAt(cluster ?? join(temporary, 'cluster'));
    const template = readTemplate(layout.template);
    const settings = workerSettings(layout, template, { name: DEV_WORKER, port });
    const served = code !== undefined && isLambda(code) ? registryOf(code, join(temporary, 'registry')) : code;
    const registry_dir = served ?? template.registry_dir;
    const grace_ms = Math.min(template.grace_ms, GRACE_MS_MAX);
    return {
      layout,
      code: code ?? registry_dir,
      settings: { ...settings, registry: 'local', registry_dir, grace_ms, log_level: 'error' },
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

function clusterAt(root: string): Layout {
  const layout = new Layout(root);
  return existsSync(layout.template) ? layout : createCluster(root).layout;
}

/** A lambda's own directory becomes the only entry of a registry. */
function registryOf(code: string, registry: string): string {
  mkdirSync(registry);
  symlinkSync(code, join(registry, lambdaNameOf(code)));
  return registry;
}

/** A lambda's name is for URLs, a directory's may be anything. */
function lambdaNameOf(code: string): string {
  return (
    basename(code)
      .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
      .slice(0, LAMBDA_NAME_CHARACTERS_MAX) || 'lambda'
  );
}

const LAMBDA_NAME_CHARACTERS_MAX = 64;

function needDirectory(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  const what = existsSync(path) ? 'is no directory' : 'does not exist';
  throw new Failure('usage', `${path} ${what}; name the directory of a lambda, or one with lambdas in it`);
}
