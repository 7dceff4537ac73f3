/** Calls of a gateway's API, signed as Backend.AI's clients sign them, over connections that stay open. */
import { createHash, createHmac } from 'node:crypto';
import { Agent, request } from 'node:http';
import { WebSocket } from 'ws';

const VERSION = 'v4.20190615';
const NO_BODY = createHash('sha256').update('').digest('hex');

export class GatewayClient {
  #agent = new Agent({ keepAlive: true });

  constructor(port, { accessKey, secretKey }) {
    this.host = `127.0.0.1:${port}`;
    this.keys = { accessKey, secretKey };
  }

  /** Resolves with the answer's JSON; rejects unless its status is good. */
  async call(method, path, json) {
    const body = json === undefined ? undefined : JSON.stringify(json);
    const type = body === undefined ? 'text/plain' : 'application/json';
    const [hostname, port] = this.host.split(':');
    const headers = { ...this.#signed(method, path, type), 'Content-Type': type };
    if (body !== undefined) headers['Content-Length'] = Buffer.byteLength(body);
    return new Promise((done, fail) => {
      const asked = request({ hostname, port, method, path, headers, agent: this.#agent }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (piece) => {
          text += piece;
        });
        response.on('end', () => {
          if (response.statusCode < 300) done(text === '' ? undefined : JSON.parse(text));
          else fail(new Error(`${method} ${path}: ${response.statusCode} ${text}`));
        });
      });
      asked.on('error', fail).end(body);
    });
  }

  /** A stream of executions: `run(code)` resolves with the console's items. */
  async stream(session) {
    const path = `/stream/kernel/${session}/execute`;
    const socket = new WebSocket(`ws://${this.host}${path}`, {
      headers: this.#signed('GET', path, 'application/octet-stream'),
      perMessageDeflate: false,
    });
    await new Promise((done, fail) => socket.once('open', done).once('error', fail));
    return {
      run: (code) => runOn(socket, code),
      close: () => socket.close(),
    };
  }

  close() {
    this.#agent.destroy();
  }

  #signed(method, path, type) {
    const date = new Date().toISOString();
    const lines = [method, path, date, `host:${this.host}`, `content-type:${type}`, `x-backendai-version:${VERSION}`];
    const day = hmac(this.keys.secretKey, date.slice(0, 10).replaceAll('-', ''));
    const signature = hmac(hmac(day, this.host), [...lines, NO_BODY].join('\n')).toString('hex');
    return {
      Authorization: `BackendAI signMethod=HMAC-SHA256, credential=${this.keys.accessKey}:${signature}`,
      'X-BackendAI-Date': date,
      'X-BackendAI-Version': VERSION,
    };
  }
}

function hmac(key, text) {
  return createHmac('sha256', key).update(text).digest();
}

function runOn(socket, code) {
  return new Promise((done, fail) => {
    const console = [];
    const hear = (data) => {
      const frame = JSON.parse(data);
      console.push(...(frame.console ?? []));
      if (frame.status === 'finished') settle(done, console);
      else if (frame.status === 'error') settle(fail, new Error(frame.msg));
    };
    const gone = () => settle(fail, new Error('the stream was closed'));
    const settle = (how, what) => {
      socket.off('message', hear).off('close', gone);
      how(what);
    };
    socket.on('message', hear).on('close', gone);
    socket.send(JSON.stringify({ mode: 'query', code, options: {}, keepOpen: true }));
  });
}
