/** Somebody else's S3 server with one bucket, in this process. It knows one pair of keys. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import S3rver from 's3rver';
import { freePorts } from './free-ports.ts';

export const FOREIGN_KEYS = { access_key: 'S3RVER', secret_key: 'S3RVER' };
export const FOREIGN_BUCKET = 'team-registry';

export class ForeignStore {
  readonly #directory = mkdtempSync(join(tmpdir(), 'isla-store-'));
  #server: S3rver | undefined;
  #port = 0;

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Where it was before, if it was: no outgoing connection has been given its port meanwhile. */
  async start(): Promise<void> {
    const address = '127.0.0.1';
    if (this.#port === 0) [this.#port] = (await freePorts(1)) as [number];
    const configureBuckets = [{ name: FOREIGN_BUCKET }];
    const options = { address, port: this.#port, silent: true, directory: this.#directory, configureBuckets };
    this.#server = new S3rver(options);
    await this.#server.run();
  }

  async stop(): Promise<void> {
    await this.#server?.close();
    this.#server = undefined;
  }

  async dispose(): Promise<void> {
    await this.stop();
    rmSync(this.#directory, { recursive: true });
  }

  /** What a cluster's template says of it. */
  settings(): Record<string, unknown> {
    return { registry: 'remote', registry_server: this.url, registry_bucket: FOREIGN_BUCKET, registry_cache_ms: 0 };
  }

  writeKeys(clusterDir: string): void {
    const file = join(clusterDir, 'config/registry-keys.json');
    writeFileSync(file, JSON.stringify(FOREIGN_KEYS), { mode: 0o600 });
  }
}
