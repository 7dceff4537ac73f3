/** A cluster of one test's own, made, run and ended through the built `bin/admin` alone. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Finished, ROOT, runAdmin, succeeded } from './admin.ts';
import { eventually } from './eventually.ts';
import { Footprint } from './footprint.ts';
import { PATIENCE } from './patience.ts';

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  /** The body as JSON; undefined if it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  json: any;
}

export interface ClusterOptions {
  /** Merged into the template with `admin setconf` before the first worker starts. */
  settings?: Record<string, unknown>;
  /** Folders below the temporary directory in which the cluster lies. */
  below?: string;
  workers?: number;
  env?: NodeJS.ProcessEnv;
}

export class TestCluster {
  readonly dir: string;
  readonly footprint: Footprint;
  readonly #temp: string;
  readonly #env: NodeJS.ProcessEnv | undefined;
  #urls: string[] = [];

  private constructor(temp: string, dir: string, env: NodeJS.ProcessEnv | undefined) {
    this.#temp = temp;
    this.dir = dir;
    this.#env = env;
    this.footprint = new Footprint(dir);
  }

  /** `admin new`, and `admin setconf` if there is something to set. */
  static async make(options: ClusterOptions = {}): Promise<TestCluster> {
    const temp = mkdtempSync(join(tmpdir(), 'isla-e2e-'));
    const parent = join(temp, options.below ?? '');
    mkdirSync(parent, { recursive: true });
    const cluster = new TestCluster(temp, join(parent, 'cluster'), options.env);
    succeeded(await cluster.admin('new'), 'admin new');
    const { settings } = options;
    if (settings) succeeded(await cluster.admin('setconf', JSON.stringify(settings)), 'admin setconf');
    return cluster;
  }

  /** Made and with a worker that is ready. */
  static async start(options: ClusterOptions = {}): Promise<TestCluster> {
    const cluster = await TestCluster.make(options);
    try {
      await cluster.startWorkers(options.workers ?? 1);
      return cluster;
    } catch (error) {
      await cluster.dispose();
      throw error;
    }
  }

  /** An admin command on this cluster. */
  admin(command: string, ...args: string[]): Promise<Finished> {
    return runAdmin([command, `--cluster=${this.dir}`, ...args], this.#env ? { env: this.#env } : {});
  }

  async startWorkers(count = 1): Promise<void> {
    const started = await this.admin('workers', '--port=0', `--num-workers=${count}`);
    succeeded(started, 'admin workers');
    await this.readUrls();
    this.footprint.look();
  }

  /** Asks `admin status` where the workers are. */
  async readUrls(): Promise<readonly string[]> {
    const { stdout } = await this.admin('status');
    this.#urls = [...stdout.matchAll(/^ {2}(http:\/\/\S+)\/status => ready \[200 OK\]$/gm)].map((found) => found[1]!);
    return this.#urls;
  }

  url(worker = 0): string {
    const url = this.#urls[worker];
    if (url === undefined) throw new Error(`worker ${worker} is not ready`);
    return url;
  }

  /** Writes a lambda into the registry. A string is the text of lambda_func.py. */
  install(lambda: string, code: string | Record<string, string>): void {
    const dir = join(this.dir, 'registry', lambda);
    mkdirSync(dir, { recursive: true });
    const files = typeof code === 'string' ? { 'lambda_func.py': code } : code;
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(join(dir, name, '..'), { recursive: true });
      writeFileSync(join(dir, name), text);
    }
  }

  /** Copies one of the examples of handlers/ or quickstart/handlers/. */
  installExample(name: string): void {
    const found = [join(ROOT, 'handlers', name), join(ROOT, 'quickstart/handlers', name)].find(existsSync);
    if (found === undefined) throw new Error(`there is no example ${name}`);
    cpSync(found, join(this.dir, 'registry', name), { recursive: true });
  }

  call(lambda: string, event: unknown = {}, worker = 0): Promise<Answer> {
    return this.post(`/runLambda/${lambda}`, JSON.stringify(event), {}, worker);
  }

  /** As curl -d does it: POST with the content type of a form. */
  post(path: string, body: string, init: RequestInit = {}, worker = 0): Promise<Answer> {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return request(`${this.url(worker)}${path}`, { method: 'POST', headers, body, ...init });
  }

  /** Directories of a lambda's instances, by number. */
  instanceDirs(lambda: string, worker = 0): string[] {
    const dir = join(this.dir, 'workers', `worker-${worker}`, 'handlers', lambda);
    if (!existsSync(dir)) return [];
    return readdirSync(dir)
      .sort((a, b) => Number(a) - Number(b))
      .map((name) => join(dir, name));
  }

  workerPid(worker = 0): number {
    return Number(readFileSync(join(this.dir, 'logs', `worker-${worker}.pid`), 'utf8'));
  }

  log(worker = 0): string {
    const path = join(this.dir, 'logs', `worker-${worker}.out`);
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }

  /** Waits until nothing that was ever seen of this cluster is left. */
  async gone(waitMs?: number): Promise<void> {
    await eventually(() => {
      const left = this.footprint.left();
      if (left.length > 0) throw new Error(`left behind:\n  ${left.join('\n  ')}`);
    }, waitMs);
  }

  /** Ends it as people do. Throws if `kill` fails, if anything is left, or if `rm -r` does not work. */
  async dispose(): Promise<void> {
    this.footprint.look();
    const killed = await this.admin('kill');
    // kill has waited: what is there now stays there.
    const left = this.footprint.left();
    const problems = left.length > 0 ? [`left behind:\n  ${left.join('\n  ')}`] : [];
    const log = this.log();
    if (killed.status !== 0) problems.push(`admin kill: ${killed.status} ${killed.stderr}`);
    try {
      rmSync(this.#temp, { recursive: true });
    } catch (error) {
      problems.push(`rm -r: ${error}`);
    }
    if (problems.length > 0) throw new Error(`${problems.join('\n')}\n--- log of worker-0\n${log.slice(-4000)}`);
  }
}

export async function request(url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, { signal: AbortSignal.timeout(30_000 * PATIENCE), ...init });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: parsed(text) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
