/** A registry on a free port, in this process, and a client that signs. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { type IncomingHttpHeaders, request } from 'node:http';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Failure } from '../../../../src/config/failure.ts';
import type { Listener } from '../../../../src/http/listener.ts';
import { type Credentials, signedHeaders } from '../../../../src/lib/signature-v4.ts';
import { serveRegistry } from '../../../../src/registry/server/serve.ts';
import { type BundleCheck, Store } from '../../../../src/registry/server/store.ts';
import { scratchDir } from '../../scratch-dir.ts';

export const KEYS: Credentials = { accessKey: 'AK', secretKey: 'a secret/with+signs' };

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  bytes: Buffer;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  json: any;
}

export interface Asked {
  method?: string;
  /** With the query. */
  path: string;
  headers?: Record<string, string>;
  body?: Buffer | string;
  /** Instead of the body's SHA-256. */
  payloadHash?: string;
  credentials?: Credentials;
  at?: Date;
  /** Changes what is sent after it was signed. */
  tamper?: (headers: Record<string, string>) => void;
}

export class Served {
  readonly dir: string;
  store!: Store;
  readonly logged: string[] = [];
  #listener!: Listener;
  nowMs: () => number = Date.now;
  checkBundle: BundleCheck = async () => {};

  private constructor(dir: string) {
    this.dir = dir;
  }

  static async start(): Promise<Served> {
    const served = new Served(mkdtempSync(join(scratchDir(), 'isla-store-')));
    await served.open();
    return served;
  }

  async open(): Promise<void> {
    const log = (level: string, message: string, facts?: object) => {
      this.logged.push(`${level} ${message} ${JSON.stringify(facts)}`);
    };
    const checkBundle: BundleCheck = (file) => this.checkBundle(file);
    this.store = await Store.open({ dir: this.dir, checkBundle, log, now: () => this.nowMs() });
    this.#listener = await serveRegistry({ store: this.store, keys: KEYS, host: '127.0.0.1', port: 0, log });
  }

  async close(): Promise<void> {
    this.store.changes.close();
    await this.#listener.close(1_000);
    this.store.close();
  }

  async dispose(): Promise<void> {
    await this.close();
    rmSync(this.dir, { recursive: true });
  }

  url(path: string): URL {
    return new URL(`http://127.0.0.1:${this.#listener.port}${path}`);
  }

  ask(asked: Asked): Promise<Answer> {
    const { method = 'GET', path, headers = {}, body = '', credentials = KEYS, at = new Date() } = asked;
    const payloadHash = asked.payloadHash ?? createHash('sha256').update(body).digest('hex');
    const url = this.url(path);
    const signed = signedHeaders({ method, url, headers, payloadHash, credentials, region: 'us-east-1', at });
    asked.tamper?.(signed);
    return send(url, method, signed, body);
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.ask({ path, headers });
  }

  put(path: string, body: Buffer | string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.ask({ method: 'PUT', path, body, headers });
  }
}

/** Paths are sent as they are: a URL would tidy them. */
export function send(
  url: URL,
  method: string,
  headers: Record<string, string>,
  body: Buffer | string,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { hostname, port, pathname, search } = url;
    const sent = request({ hostname, port, path: pathname + search, method, headers, agent: false }, (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.once('error', reject);
      response.once('end', () => {
        const bytes = Buffer.concat(pieces);
        const text = bytes.toString('utf8');
        resolve({ status: response.statusCode ?? 0, headers: response.headers, bytes, text, json: parsed(text) });
      });
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

export function sha256(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function md5(bytes: Buffer | string): string {
  return createHash('md5').update(bytes).digest('hex');
}

/** Takes what begins as gzip does for a bundle, and says why not otherwise. */
export async function gzipOnly(file: string): Promise<void> {
  const { readFile } = await import('node:fs/promises');
  const bytes = await readFile(file);
  if (bytes[0] !== 0x1f)
    throw new Failure('lambda-invalid', 'it is no archive', { problems: ['it is something else'] });
}

export function bundle(text: string): Buffer {
  return gzipSync(text);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
