/** A worker on a free port with a fake engine and a real registry, and a client to talk to it. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { join } from 'node:path';
import { LogTails } from '../../../src/aws/log-tail.ts';
import { serveWorker } from '../../../src/compose/worker-http.ts';
import { DEFAULT_TERMS } from '../../../src/config/lambda-spec.ts';
import { BodyMemory } from '../../../src/http/body-memory.ts';
import type { Listener } from '../../../src/http/listener.ts';
import { UnreadAnswers } from '../../../src/http/unread-answers.ts';
import type { MachineMemory } from '../../../src/lib/machine-memory.ts';
import { Metrics } from '../../../src/lib/metrics.ts';
import type { Credentials } from '../../../src/lib/signature-v4.ts';
import { LocalSource } from '../../../src/registry/local.ts';
import { LocalFunctions } from '../../../src/registry/local-functions.ts';
import { CallMetrics } from '../../../src/worker/call-metrics.ts';
import type { CallRecord, LoadRecord } from '../../../src/worker/call-record.ts';
import { CallTally } from '../../../src/worker/call-tally.ts';
import type { Grants } from '../../../src/worker/generation.ts';
import type { LambdaPackages } from '../../../src/worker/lambda-packages.ts';
import type { LambdaPolicy } from '../../../src/worker/lambda-policy.ts';
import { Worker } from '../../../src/worker/worker.ts';
import { scratchDir } from '../scratch-dir.ts';
import { FakeEngine } from './fake-engine.ts';

export interface ServingOptions extends Partial<LambdaPolicy> {
  timeoutMs?: number;
  concurrencyMax?: number;
  instancesMax?: number;
  eventBytesMax?: number;
  largeBytesMax?: number;
  memoryBytesMax?: number;
  packages?: LambdaPackages;
  /** Of answers that nobody reads. */
  unreadBytesMax?: number;
  stallMs?: number;
  /** That AWS's clients sign with. */
  keys?: Credentials;
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

export class Serving {
  readonly engine = new FakeEngine();
  readonly home = realpathSync(mkdtempSync(join(scratchDir(), 'isla-serving-')));
  readonly logged: string[] = [];
  /** The same, with the facts. */
  readonly told: { message: string; facts: Record<string, unknown> | undefined }[] = [];
  readonly metrics = new Metrics();
  readonly tally = new CallTally();
  readonly tails = new LogTails();
  readonly records: CallRecord[] = [];
  readonly loads: LoadRecord[] = [];
  /** What the kernel says. */
  readonly machine: MachineMemory = { totalBytes: 2 ** 33, availableBytes: 2 ** 32, stalledPercent: 0 };
  /** What every lambda is granted. */
  grants: Grants = { names: [], edition: '' };
  readonly worker: Worker;
  readonly #source: LocalSource;
  readonly #keys: Credentials | undefined;
  readonly #agent = new Agent({ keepAlive: true });
  #listener: Listener | undefined;
  readonly bodies: BodyMemory;
  readonly unread: UnreadAnswers;

  constructor({
    instancesMax = 10,
    eventBytesMax = 1000,
    largeBytesMax = 10_000_000,
    timeoutMs = 5000,
    concurrencyMax = 4,
    memoryBytesMax = 2 ** 32,
    packages,
    unreadBytesMax = 2 ** 28,
    stallMs = 60_000,
    keys,
    ...policy
  }: ServingOptions = {}) {
    this.#keys = keys;
    const limits = { ...DEFAULT_TERMS.limits, timeout_ms: timeoutMs, concurrency: concurrencyMax, memory_mb: 128 };
    mkdirSync(join(this.home, 'registry'));
    const log = (level: string, message: string, facts?: Record<string, unknown>): void => {
      this.logged.push(`${level} ${message}`);
      this.told.push({ message, facts });
    };
    this.bodies = new BodyMemory({ bodyBytesMax: eventBytesMax, largeBytesMax });
    this.unread = new UnreadAnswers({ bytesMax: unreadBytesMax, stallMs, log });
    this.#source = new LocalSource({
      registryDir: join(this.home, 'registry'),
      codeDir: join(this.home, 'code'),
      log,
      terms: { ...DEFAULT_TERMS, limits },
      onChange: (lambda) => this.worker.codeChanged(lambda),
    });
    this.worker = new Worker({
      engine: this.engine,
      source: this.#source,
      grants: () => this.grants,
      ...(packages === undefined ? {} : { packages }),
      sinks: [
        { onCall: (record) => this.records.push(record), onLoad: (record) => this.loads.push(record) },
        new CallMetrics(this.metrics),
        this.tally,
        this.tails,
      ],
      instancesMax,
      memoryBytesMax,
      readMachine: () => this.machine,
      log,
      policy: {
        pauseAfterMs: 20,
        queueMax: 100,
        queueWaitMsMax: 5000,
        ...policy,
      },
    });
  }

  async open(): Promise<this> {
    const source = this.#source;
    const { worker, engine, tally, tails, metrics, bodies, unread } = this;
    const log = (level: string, message: string): void => {
      this.logged.push(`${level} ${message}`);
    };
    this.#listener = await serveWorker(
      {
        worker,
        source,
        engine,
        tally,
        tails,
        access: { keys: this.#keys, host: '127.0.0.1' },
        functions: new LocalFunctions(join(this.home, 'registry'), DEFAULT_TERMS),
        tellsFailures: false,
        metrics,
        bodies,
        unread,
        log,
      },
      { host: '127.0.0.1', port: 0 },
    );
    return this;
  }

  get port(): number {
    return this.listener.port;
  }

  get listener(): Listener {
    if (this.#listener === undefined) throw new Error('not open');
    return this.#listener;
  }

  lambda(name: string, code = 'def handler(event): return event'): string {
    const dir = join(this.home, 'registry', name);
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, 'lambda_func.py'), code);
    return dir;
  }

  run(name: string, event: unknown = {}, signal?: AbortSignal): Promise<Answer> {
    const options = signal === undefined ? {} : { signal };
    return this.send('POST', `/runLambda/${name}`, { body: JSON.stringify(event), ...options });
  }

  send(
    method: string,
    path: string,
    options: { body?: string | Buffer; headers?: Record<string, string>; signal?: AbortSignal } = {},
  ): Promise<Answer> {
    const { body, ...rest } = options;
    return new Promise((resolve, reject) => {
      const agent = this.#agent;
      const sent = request({ port: this.port, host: '127.0.0.1', method, path, agent, ...rest }, (incoming) => {
        const pieces: Buffer[] = [];
        incoming.on('data', (piece) => pieces.push(piece));
        incoming.on('error', reject);
        incoming.on('end', () => {
          const text = Buffer.concat(pieces).toString();
          resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text });
        });
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }

  async close(): Promise<void> {
    this.#agent.destroy();
    await this.worker.close();
    await this.#listener?.close(0);
    await this.#source.close();
    rmSync(this.home, { recursive: true });
  }
}
