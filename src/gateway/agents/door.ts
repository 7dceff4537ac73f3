/** Where agents knock: a WebSocket for those who have the token. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { WebSocket, WebSocketServer } from 'ws';
import { Failure } from '../../config/failure.ts';
import type { Endpoints } from '../../http/endpoint.ts';
import { Deadline } from '../../lib/deadline.ts';
import type { Log } from '../../lib/log.ts';
import type { HostEvent } from '../../session/host.ts';
import { type AgentBeat, type AgentHello, CLOSE_CODES, LINK_PATH, SILENCE_MS_MAX } from '../../session/link/hello.ts';
import { MESSAGE_BYTES_MAX } from '../../session/link/message.ts';
import { Peer } from '../../session/link/peer.ts';
import type { Served } from '../../session/link/served-calls.ts';
import type { Fleet } from './fleet.ts';
import type { AgentLink } from './known-agent.ts';

export interface DoorOptions {
  fleet: Fleet;
  /** Asked at each knock: it may be another one by now. */
  token(): string;
  log: Log;
}

export const LINK_ENDPOINTS = {
  link: {
    method: 'WebSocket',
    path: LINK_PATH,
    takes: '`Authorization: Bearer TOKEN`, of the join file',
    answers: "101, then [the agents' own words](../agents.md); 401 with another token",
  },
} as const satisfies Endpoints;

/** The longest reason that a close frame holds, in bytes. */
const REASON_BYTES_MAX = 120;

/** Loads what is needed for it. */
export async function openDoor(options: DoorOptions): Promise<AgentDoor> {
  const { WebSocketServer: Server } = await import('ws');
  const server = new Server({ noServer: true, perMessageDeflate: false, maxPayload: MESSAGE_BYTES_MAX });
  return new AgentDoor(server, options);
}

export class AgentDoor {
  readonly #server: WebSocketServer;
  readonly #options: DoorOptions;

  constructor(server: WebSocketServer, options: DoorOptions) {
    this.#server = server;
    this.#options = options;
  }

  /** A request to upgrade at LINK_PATH. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const from = request.socket.remoteAddress ?? '';
    if (!this.#isTrusted(request.headers.authorization)) {
      this.#options.log('warn', 'an agent was refused: its token is wrong', { from });
      refuse(socket, 401);
      return;
    }
    this.#server.handleUpgrade(request, socket, head, (accepted) => this.#accept(accepted, from));
  }

  /** Cuts all links. */
  close(): void {
    for (const socket of this.#server.clients) socket.terminate();
    this.#server.close();
  }

  #isTrusted(authorization: string | undefined): boolean {
    const said = /^Bearer (.+)$/.exec(authorization ?? '')?.[1] ?? '';
    const digest = (text: string) => createHash('sha256').update(text).digest();
    return said !== '' && timingSafeEqual(digest(said), digest(this.#options.token()));
  }

  #accept(socket: WebSocket, from: string): void {
    const { fleet, log } = this.#options;
    let agent: string | undefined;
    const served: Served = {
      call: (method) => Promise.reject(unasked(method)),
      open: (method) => Promise.reject(unasked(method)),
      note: (name, value) => {
        if (agent === undefined && name === 'hello') agent = this.#greet(link, value as AgentHello);
        // What an agent said before it has joined again is no word of the one that there is now.
        else if (agent !== undefined && fleet.speaks(agent, link)) this.#noted(link, agent, { name, value });
      },
    };
    const peer = new Peer({
      send: (frame) => socket.send(frame),
      served,
      onFault: (method, err) => log('error', 'a call of an agent failed', { method, err }),
    });
    const link: AgentLink = {
      peer,
      from,
      close: (code, reason) => {
        socket.close(code, Buffer.from(reason).subarray(0, REASON_BYTES_MAX));
        patience.set(CLOSE_MS_MAX);
      },
    };
    const patience = new Deadline(() => socket.terminate());
    patience.set(SILENCE_MS_MAX);
    socket.on('message', (data, isBinary) => {
      try {
        peer.take(data as Buffer, isBinary);
        if (agent === undefined || !fleet.speaks(agent, link)) return;
        patience.lift();
        fleet.seen(agent);
      } catch (err) {
        log('error', 'an agent does not keep to the protocol', { agent, from, err });
        link.close(CLOSE_CODES.protocol, 'a message that can not be read');
      }
    });
    socket.on('error', (err) => log('debug', 'the link to an agent failed', { agent, from, err }));
    socket.on('close', () => {
      patience.close();
      peer.close(
        new Failure('unreachable', `the link to agent ${agent ?? from} has ended; try again in a few seconds`),
      );
      if (agent !== undefined) fleet.left(agent, link);
    });
  }

  /** Its id, or undefined if it is not welcome. */
  #greet(link: AgentLink, hello: AgentHello): string | undefined {
    try {
      link.peer.note('welcome', this.#options.fleet.arrived(link, hello));
      return hello.id;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      this.#options.log('warn', 'an agent was refused', { reason: error.message });
      link.close(CLOSE_CODES.protocol, error.message);
      return undefined;
    }
  }

  #noted(link: AgentLink, agent: string, { name, value }: { name: string; value: unknown }): void {
    const { fleet } = this.#options;
    if (name === 'event') fleet.heard(agent, value as HostEvent);
    else if (name === 'bye') fleet.goodbye(agent);
    else if (name === 'beat') {
      fleet.beat(agent, value as AgentBeat);
      link.peer.note('seen', null);
    }
  }
}

/** How long an agent may take to close its side, in milliseconds. */
const CLOSE_MS_MAX = 1_000;

function unasked(method: string): Failure {
  return new Failure('usage', `an agent can not call "${method}" here`);
}

function refuse(socket: Duplex, status: number): void {
  const text = STATUS_CODES[status];
  socket.end(`HTTP/1.1 ${status} ${text}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
