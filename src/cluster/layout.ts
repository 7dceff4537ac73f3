/** Where everything of a cluster lies. No other file spells these paths. */
import { join } from 'node:path';

/** What `admin new` makes, in the words of the README. */
export const CLUSTER_DIRS = ['config', 'logs', 'base', 'packages', 'registry', 'workers'] as const;

/** A worker's number counts from 0; `worker-<N>` is its name. */
export const WORKER_NAME = /^worker-(0|[1-9][0-9]{0,5})$/;

export class Layout {
  /** Absolute path of the cluster directory, which is also the cluster's name. */
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  get configDir(): string {
    return join(this.root, 'config');
  }

  /** Its presence is what makes a directory a cluster. */
  get template(): string {
    return join(this.root, 'config', 'template.json');
  }

  get logsDir(): string {
    return join(this.root, 'logs');
  }

  get baseDir(): string {
    return join(this.root, 'base');
  }

  get registryDir(): string {
    return join(this.root, 'registry');
  }

  /** What the registry's server keeps: its index and the bytes of all objects. */
  get registryStoreDir(): string {
    return join(this.root, 'registry-store');
  }

  /** Where the registry's server listens. */
  get registryConfig(): string {
    return join(this.root, 'config', 'registry.json');
  }

  get registryLog(): string {
    return join(this.root, 'logs', 'registry.out');
  }

  get registryPidFile(): string {
    return join(this.root, 'logs', 'registry.pid');
  }

  /** What a gateway keeps, all of it for the cluster's owner only: keys, sessions, how agents join. */
  get gatewayDir(): string {
    return join(this.root, 'gateway');
  }

  /** Keys, policies and sessions: a database. */
  get gatewayStore(): string {
    return join(this.root, 'gateway', 'gateway.db');
  }

  /** The pair of keys that the first start has made. */
  get gatewayAdminKey(): string {
    return join(this.root, 'gateway', 'admin-key.json');
  }

  /** Where the gateway listens. */
  get gatewayConfig(): string {
    return join(this.root, 'config', 'gateway.json');
  }

  get gatewayLog(): string {
    return join(this.root, 'logs', 'gateway.out');
  }

  get gatewayPidFile(): string {
    return join(this.root, 'logs', 'gateway.pid');
  }

  get workersDir(): string {
    return join(this.root, 'workers');
  }

  workerConfig(name: string): string {
    return join(this.root, 'config', `${name}.json`);
  }

  /** What the worker keeps of calls: a database. */
  workerCalls(name: string): string {
    return join(this.root, 'logs', `${name}.calls`);
  }

  workerLog(name: string): string {
    return join(this.root, 'logs', `${name}.out`);
  }

  pidFile(name: string): string {
    return join(this.root, 'logs', `${name}.pid`);
  }

  workerDir(name: string): string {
    return join(this.root, 'workers', name);
  }
}

/** `/etc` of sandboxes whose base is this machine. */
export function etcDirOf(baseDir: string): string {
  return join(baseDir, 'etc');
}
