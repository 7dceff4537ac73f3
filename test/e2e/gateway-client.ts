/** A client of the gateway that knows nothing of this program: requests as Backend.AI's clients send them. */
import { createHash, createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { PATIENCE } from './patience.ts';

export interface Keys {
  access_key: string;
  secret_key: string;
}

export interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: Buffer;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  json: any;
}

export interface Asking {
  json?: unknown;
  body?: Buffer | undefined;
  type?: string | undefined;
  /** Of the API; the newest if it is not given. */
  version?: string;
  /** On top of the signed ones, or instead of them. */
  headers?: Record<string, string>;
  unsigned?: boolean;
  keys?: Keys;
  date?: string;
  algorithm?: string;
  /** For X-Method-Override. */
  meant?: string;
  /** Also where the version does not ask for it. */
  signsBody?: boolean;
  signal?: AbortSignal;
  /** How headers are called. */
  words?: 'BackendAI' | 'Sorna';
}

const WAIT_MS = 30_000 * PATIENCE;

export class GatewayClient {
  readonly keys: Keys;
  readonly port: number;

  /** With the keys that the first start has made, unless others are given. */
  constructor(clusterDir: string, keys?: Keys) {
    const read = (...path: string[]) => JSON.parse(readFileSync(join(clusterDir, ...path), 'utf8'));
    this.keys = keys ?? read('gateway', 'admin-key.json');
    this.port = read('config', 'gateway.json').port;
  }

  call(method: string, target: string, asking: Asking = {}): Promise<Answer> {
    const body = asking.json === undefined ? asking.body : Buffer.from(JSON.stringify(asking.json));
    const type = 'type' in asking ? asking.type : asking.json === undefined ? 'text/plain' : 'application/json';
    const headers = {
      ...(type !== undefined && { 'Content-Type': type }),
      ...(body !== undefined && { 'Content-Length': String(body.length) }),
      ...(asking.meant !== undefined && { 'X-Method-Override': asking.meant }),
      ...(asking.unsigned ? {} : this.#signed(asking.meant ?? method, target, { ...asking, type, body })),
      ...asking.headers,
    };
    return new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port: this.port, method, path: target, headers, agent: false };
      const request = http.request({ ...options, timeout: WAIT_MS, signal: asking.signal }, (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece) => pieces.push(piece));
        response.on('error', reject);
        response.on('end', () => {
          const whole = Buffer.concat(pieces);
          resolve({ status: response.statusCode!, headers: response.headers, body: whole, json: parsed(whole) });
        });
      });
      request.on('timeout', () => request.destroy(new Error(`no answer to ${method} ${target}`)));
      request.on('error', reject);
      request.end(body);
    });
  }

  /**
   * A run in a session, asked for again and again as clients do it, for as long as it goes on: what it came to at last,
   * with all that it has said. An answer comes after two seconds, which a busy machine may need for anything.
   */
  async run(target: string, json: { mode: string; code: string; runId: string | null }) {
    const ask = async (body: object) => (await this.call('POST', target, { json: body })).json;
    let { result } = await ask(json);
    const console = [...result.console];
    while (result.status === 'continued') {
      ({ result } = await ask({ mode: 'continue', code: '', runId: result.runId }));
      console.push(...result.console);
    }
    return { ...result, console };
  }

  /** The server's events as they come. */
  events(
    target: string,
    headers: Record<string, string> = {},
  ): Promise<{ response: http.IncomingMessage; text(): string }> {
    const all = { ...this.#signed('GET', target, {}), ...headers };
    return new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port: this.port, path: target, headers: all, agent: false };
      http
        .get(options, (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (piece) => {
            text += piece;
          });
          response.on('error', () => {});
          resolve({ response, text: () => text });
        })
        .on('error', reject);
    });
  }

  /** An open stream with all that it has said. Rejects with the status if it is refused. */
  stream(target: string, asking: { unsigned?: boolean; version?: string } = {}): Promise<Stream> {
    const headers = asking.unsigned ? {} : this.#signed('GET', target, asking);
    const socket = new WebSocket(`ws://127.0.0.1:${this.port}${target}`, { headers });
    const stream = new Stream(socket);
    return new Promise((resolve, reject) => {
      socket.once('open', () => resolve(stream));
      socket.once('unexpected-response', (_request, response) => {
        reject(new Error(`refused with ${response.statusCode}`));
        socket.terminate();
      });
      socket.once('error', reject);
    });
  }

  /** The headers that a call with this JSON would have. */
  headersOf(method: string, target: string, asking: Asking): Record<string, string> {
    const body = Buffer.from(JSON.stringify(asking.json));
    return this.#signed(method, target, { ...asking, type: 'application/json', body });
  }

  #signed(method: string, target: string, asking: Asking): Record<string, string> {
    const { version = 'v4.20190615', keys = this.keys, algorithm = 'sha256', words = 'BackendAI' } = asking;
    const { date = new Date().toISOString(), type } = asking;
    const host = `127.0.0.1:${this.port}`;
    const signsBody = asking.signsBody || (version < 'v4.20181215' && !type?.startsWith('multipart/'));
    const text = [
      method,
      target,
      date,
      `host:${host}`,
      `content-type:${type?.split(';')[0] ?? 'application/octet-stream'}`,
      `x-${words.toLowerCase()}-version:${version}`,
      createHash(algorithm)
        .update(signsBody ? (asking.body ?? '') : '')
        .digest('hex'),
    ].join('\n');
    const hmac = (key: string | Buffer, value: string) => createHmac(algorithm, key).update(value).digest();
    const key = hmac(hmac(keys.secret_key, date.slice(0, 10).replaceAll('-', '')), host);
    const credential = `${keys.access_key}:${hmac(key, text).toString('hex')}`;
    return {
      Host: host,
      [`X-${words}-Date`]: date,
      [`X-${words}-Version`]: version,
      Authorization: `${words} signMethod=HMAC-${algorithm.toUpperCase()}, credential=${credential}`,
    };
  }
}

export class Stream {
  readonly socket: WebSocket;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly said: any[] = [];
  readonly closed: Promise<number>;
  #news = () => {};

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('error', () => {}); // Its end says the same.
    socket.on('message', (data) => {
      this.said.push(JSON.parse(String(data)));
      this.#news();
    });
    this.closed = new Promise((resolve) => {
      socket.on('close', (code) => {
        resolve(code);
        this.#news();
      });
    });
  }

  send(value: unknown): void {
    this.socket.send(typeof value === 'string' ? value : JSON.stringify(value));
  }

  /** Waits for a message. Rejects if the stream ends before. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  async until(is: (said: any) => boolean, from = 0): Promise<any> {
    for (;;) {
      const found = this.said.slice(from).find(is);
      if (found !== undefined) return found;
      if (this.socket.readyState === WebSocket.CLOSED) throw new Error(`closed after ${JSON.stringify(this.said)}`);
      await new Promise<void>((resolve) => {
        this.#news = resolve;
      });
    }
  }
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}

/** A form as browsers and aiohttp write it. */
export function formOf(files: Readonly<Record<string, string>>): { body: Buffer; type: string } {
  const parts = Object.entries(files).map(
    ([name, text]) => `--B\r\nContent-Disposition: form-data; name="src"; filename="${name}"\r\n\r\n${text}\r\n`,
  );
  return { body: Buffer.from(`${parts.join('')}--B--\r\n`), type: 'multipart/form-data; boundary=B' };
}
