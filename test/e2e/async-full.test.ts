/** Asynchronous calls where the disk of the whole cluster is full: a small file system in its own mount namespace. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ADMIN, cleanEnvironment, run, succeeded } from './admin.ts';
import { request, type TestCluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { withCluster } from './use-cluster.ts';

const MAY_MOUNT = spawnSync('unshare', ['--mount', 'true']).status === 0;
const SIZE = '96m';
const ECHO = 'def handler(event):\n    print("ran", event["n"])\n    return event["n"]\n';

/** A worker that sees the cluster's directory on a file system of its own. */
class SmallDisk {
  readonly #cluster: TestCluster;
  readonly #worker: ChildProcess;
  url = '';

  constructor(cluster: TestCluster) {
    this.#cluster = cluster;
    const script =
      'cp -a "$1" "$1.made" && mount -t tmpfs -o size="$3" none "$1" && cp -a "$1.made/." "$1" && exec "$2" worker-exec --cluster="$1" --port=0';
    const args = ['--mount', '--propagation=private', 'sh', '-c', script, 'sh', cluster.dir, ADMIN, SIZE];
    this.#worker = spawn('unshare', args, { env: cleanEnvironment(), stdio: 'ignore' });
  }

  async ready(): Promise<this> {
    await eventually(async () => {
      const { stdout } = await this.admin('status');
      const found = /^ {2}(http:\/\/\S+)\/status => ready \[200 OK\]$/m.exec(stdout);
      expect(found, stdout).not.toBeNull();
      this.url = found![1]!;
    }, 60_000);
    this.#cluster.footprint.look();
    return this;
  }

  /** An admin command that sees what the worker sees. */
  admin(...args: string[]) {
    const inside = ['--mount', `--target=${this.#worker.pid}`, ADMIN, ...args, `--cluster=${this.#cluster.dir}`];
    return run('nsenter', inside);
  }

  post(path: string, event: unknown) {
    return request(`${this.url}${path}`, { method: 'POST', body: JSON.stringify(event) });
  }

  /** A file of it, as this process reaches it. */
  path(...names: string[]): string {
    return join(`/proc/${this.#worker.pid}/root`, this.#cluster.dir, ...names);
  }

  /** Not a byte more fits. */
  fill(): void {
    const fd = openSync(this.path('ballast'), 'w');
    try {
      for (const size of [1 << 20, 1 << 12, 1]) {
        try {
          for (;;) if (writeSync(fd, Buffer.alloc(size)) < size) break;
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
        }
      }
    } finally {
      closeSync(fd);
    }
  }

  empty(): void {
    rmSync(this.path('ballast'));
  }

  alive(): boolean {
    return this.#worker.exitCode === null && this.#worker.signalCode === null;
  }

  async end(): Promise<void> {
    if (!this.alive()) return;
    const ended = once(this.#worker, 'exit');
    this.#worker.kill('SIGTERM');
    await ended;
  }
}

// Without root nobody mounts a file system to fill.
test.skipIf(!MAY_MOUNT)(
  'where nothing can be written an event is refused by name, what was taken runs when it can, and the worker stays up',
  { timeout: 400_000 },
  async () => {
    await withCluster({ running: false }, async (cluster) => {
      cluster.install('echo', ECHO);
      const disk = new SmallDisk(cluster);
      try {
        await disk.ready();
        const ids: string[] = [];
        const send = async (padding = 0) => {
          const answer = await disk.post('/async/echo', { n: ids.length, padding: 'x'.repeat(padding) });
          if (answer.status === 202) ids.push(answer.json.requestId);
          return answer;
        };
        const state = async (id: string) => (await request(`${disk.url}/async/echo/${id}`)).json?.state;
        for (let n = 0; n < 5; n += 1) expect(await send()).toMatchObject({ status: 202 });
        expect(await disk.post('/runLambda/echo', { n: 1 })).toMatchObject({ status: 200, json: 1 });

        for (let round = 0; round < 3; round += 1) {
          disk.fill();
          const refused = await eventually(async () => {
            const answer = await send(20_000);
            expect(answer.status).not.toBe(202);
            return answer;
          });
          expect(refused).toMatchObject({ status: 507, json: { errorType: 'Store.Full' } });
          const event = {
            headers: { 'x-amz-invocation-type': 'Event' },
            method: 'POST',
            body: `"${'x'.repeat(20_000)}"`,
          };
          const aws = await request(`${disk.url}/2015-03-31/functions/echo/invocations`, event);
          expect([aws.status, aws.headers.get('x-amzn-errortype')]).toEqual([500, 'ServiceException']);
          expect((await request(`${disk.url}/status`)).status).toBe(200);
          expect(await disk.post('/runLambda/echo', { n: 7 })).toMatchObject({ status: 200, json: 7 });
          disk.empty();
          const taken = await eventually(async () => {
            const answer = await send();
            expect(answer.status).toBe(202);
            return answer;
          });
          expect(taken.json.requestId).toBe(ids.at(-1));
        }
        for (const id of ids) await eventually(async () => expect(await state(id)).toBe('done'), 60_000);
        const totals = JSON.parse(succeeded(await disk.admin('async', 'list', '--json'), 'async list').stdout).totals;
        expect(totals).toMatchObject({ queued: { count: 0 }, running: { count: 0 }, dead: { count: 0 } });
        expect(totals.done.count).toBe(ids.length);
        expect(disk.alive()).toBe(true);
      } finally {
        await disk.end();
      }
    });
  },
);
