/**
 * A small load generator: keep-alive connections that each send the same request again as soon as
 * its answer is complete. Raw sockets, because an HTTP client of Node's costs more than the call
 * that is measured.
 */
import { connect } from 'node:net';

const HEADERS_END = Buffer.from('\r\n\r\n');

export function postRequest({ port, path, body }) {
  return Buffer.from(
    `POST ${path} HTTP/1.1\r\nHost: localhost:${port}\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

/** One keep-alive connection. `send` resolves with the answer and how long it took. */
export class Connection {
  #socket;
  #pieces = Buffer.alloc(0);
  #waiting;

  static async open(port, host = 'localhost') {
    const socket = connect({ port, host, noDelay: true });
    await new Promise((done, fail) => socket.once('connect', done).once('error', fail));
    return new Connection(socket);
  }

  constructor(socket) {
    this.#socket = socket;
    socket.on('data', (piece) => this.#take(piece));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the server hung up')));
  }

  send(request) {
    return new Promise((done, fail) => {
      this.#waiting = { done, fail, began: process.hrtime.bigint() };
      this.#socket.write(request);
    });
  }

  close() {
    this.#waiting = undefined;
    this.#socket.destroy();
  }

  #take(piece) {
    this.#pieces = this.#pieces.length === 0 ? piece : Buffer.concat([this.#pieces, piece]);
    const end = this.#pieces.indexOf(HEADERS_END);
    if (end === -1) return;
    const head = this.#pieces.toString('latin1', 0, end);
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    if (length === undefined) return this.#fail(new Error(`an answer without a length:\n${head}`));
    const total = end + HEADERS_END.length + Number(length);
    if (this.#pieces.length < total) return;
    const body = this.#pieces.toString('utf8', end + HEADERS_END.length, total);
    this.#pieces = this.#pieces.subarray(total);
    const { done, began } = this.#waiting;
    this.#waiting = undefined;
    done({ status: Number(head.slice(9, 12)), head, body, ms: Number(process.hrtime.bigint() - began) / 1e6 });
  }

  #fail(error) {
    this.#waiting?.fail(error);
    this.#waiting = undefined;
  }
}

/** Runs `clients` connections for `forMs`, posting to the paths by turns; resolves with every latency and the calls per second. */
export async function load({ port, paths, body, clients, forMs, expected }) {
  const requests = paths.map((path) => postRequest({ port, path, body }));
  let turn = 0;
  const connections = await Promise.all(Array.from({ length: clients }, () => Connection.open(port)));
  const times = [];
  const began = Date.now();
  const until = began + forMs;
  await Promise.all(
    connections.map(async (connection) => {
      while (Date.now() < until) {
        const answer = await connection.send(requests[turn++ % requests.length]);
        if (answer.status !== 200 || answer.body !== expected) throw new Error(`${answer.status}: ${answer.body}`);
        times.push(answer.ms);
      }
    }),
  );
  const perSecond = (times.length * 1000) / (Date.now() - began);
  for (const connection of connections) connection.close();
  return { times, perSecond };
}
