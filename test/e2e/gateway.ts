/** The gateway of a test's cluster, on a free port, which goes with the cluster. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { succeeded } from './admin.ts';
import type { TestCluster } from './cluster.ts';
import { eventually } from './eventually.ts';

export interface TestGateway {
  endpoint: string;
  accessKey: string;
  secretKey: string;
}

/** Resolves when a worker of the cluster has joined it. `flags`: of `admin gateway`. */
export async function startGateway(cluster: TestCluster, ...flags: string[]): Promise<TestGateway> {
  const started = succeeded(await cluster.admin('gateway', '--port=0', '--json', ...flags), 'admin gateway');
  const { port } = JSON.parse(started.stdout);
  cluster.footprint.look();
  await eventually(async () => {
    const { stdout } = await cluster.admin('status');
    if (!/ alive /.test(stdout)) throw new Error(`no worker has joined:\n${stdout}`);
  });
  const key = JSON.parse(readFileSync(join(cluster.dir, 'gateway/admin-key.json'), 'utf8'));
  return { endpoint: `http://127.0.0.1:${port}`, accessKey: key.access_key, secretKey: key.secret_key };
}
