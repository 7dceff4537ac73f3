/** A gateway of which a test says what it answers: real sockets, so that connections can break. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';

export interface Asked {
  method: string;
  target: string;
  headers: http.IncomingHttpHeaders;
  body: string;
}

export class ScriptedGateway {
  /** Every request but those of streams. */
  readonly asked: Asked[] = [];
  /** Answers to requests by `METHOD /path`. */
  readonly answers = new Map<
    string,
    { status: number; type?: string; body?: string | Buffer; headers?: http.OutgoingHttpHeaders }
  >();
  /** What to do with each stream, in the order in which they are opened; the last for all that follow. */
  streams: ((socket: WebSocket) => void)[] = [];
  readonly #server = http.createServer();
  readonly #sockets = new WebSocketServer({ noServer: true });
  #opened = 0;

  static async start(): Promise<ScriptedGateway> {
    const gateway = new ScriptedGateway();
    gateway.#server.on('request', (request, response) => gateway.#answer(request, response));
    gateway.#server.on('upgrade', (request, socket, head) => {
      const script = gateway.streams[Math.min(gateway.#opened, gateway.streams.length - 1)];
      gateway.#opened += 1;
      if (script === undefined) {
        const body = JSON.stringify({
          type: 'https://x/probs/kernel-not-found',
          title: 'No such kernel.',
          detail: 'It ended.',
        });
        socket.end(
          `HTTP/1.1 404 Not Found\r\nContent-Type: application/problem+json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
        );
        return;
      }
      gateway.#sockets.handleUpgrade(request, socket, head, script);
    });
    await new Promise<void>((done) => gateway.#server.listen(0, '127.0.0.1', done));
    return gateway;
  }

  get access() {
    return { endpoint: `http://127.0.0.1:${this.port}`, accessKey: 'AKIA', secretKey: 'secret' };
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  #answer(request: http.IncomingMessage, response: http.ServerResponse): void {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      this.asked.push({ method, target: url, headers, body: Buffer.concat(pieces).toString() });
      const answer = this.answers.get(`${method} ${url.split('?')[0]}`) ?? {
        status: 404,
        body: '{"title":"not scripted"}',
      };
      response.writeHead(answer.status, { 'content-type': answer.type ?? 'application/json', ...answer.headers });
      response.end(answer.body);
    });
  }
}

/** Answers the first message of a stream. */
export function onRequest(
  answer: (request: Record<string, unknown>, socket: WebSocket) => void,
): (socket: WebSocket) => void {
  return (socket) => {
    socket.once('message', (data) => answer(JSON.parse(String(data)), socket));
  };
}

export function frame(more: Record<string, unknown>): string {
  return JSON.stringify({
    status: 'continued',
    runId: 'r',
    exitCode: null,
    options: null,
    files: [],
    console: [],
    ...more,
  });
}
