/**
 * A worker's end of the link to a gateway: dials it, says what runs here, beats, answers its calls, and dials again
 * when it is lost. Sessions do not notice: they go on, and the gateway finds them again.
 */
import type { WebSocket } from 'ws';
import { Failure } from '../config/failure.ts';
import { Deadline } from '../lib/deadline.ts';
import type { Log } from '../lib/log.ts';
import type { HostEvent, SessionHost } from '../session/host.ts';
import {
  type AgentBeat,
  type AgentCapacity,
  type AgentHello,
  BEAT_MS,
  type EndedSession,
  type GatewayAddress,
  type GatewayWelcome,
  LINK_PROTOCOL,
  linkUrl,
  SILENCE_MS_MAX,
} from '../session/link/hello.ts';
import { MESSAGE_BYTES_MAX } from '../session/link/message.ts';
import { Peer } from '../session/link/peer.ts';
import { backoffMs } from './backoff.ts';
import { callHost, openHost } from './served-host.ts';

export interface AgentOptions {
  id: string;
  version: string;
  capacity: AgentCapacity;
  host: SessionHost;
  /** Those that live, or are being made. */
  sessions(): number;
  /** Of all sandboxes of this machine's engine, in bytes. */
  memoryUsed(): number | undefined;
  log: Log;
}

/** Ends that are kept for a gateway that does not listen. */
const ENDED_MAX = 1_000;
/** The longest wait for a gateway to answer the first request, in milliseconds. */
const HANDSHAKE_MS_MAX = 10_000;

interface Link {
  socket: WebSocket;
  peer: Peer;
  welcomed: boolean;
  /** Ends that were told before its hello, or its last beat. */
  told: readonly string[];
}

export class Agent {
  readonly #options: AgentOptions;
  readonly #startedAtMs = Date.now();
  readonly #unlisten: () => void;
  readonly #silence = new Deadline(() => this.#link?.socket.terminate());
  #address: GatewayAddress | undefined;
  #link: Link | undefined;
  #retry: NodeJS.Timeout | undefined;
  #beat: NodeJS.Timeout | undefined;
  #tries = 0;
  /** What was said last of a gateway that can not be had: each reason once. */
  #complaint = '';
  readonly #ended = new Map<string, EndedSession>();
  #closed = false;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#unlisten = options.host.onEvent((event) => this.#tell(event));
  }

  /** From now on this is the gateway; undefined for none. */
  join(address: GatewayAddress | undefined): void {
    if (this.#closed) return;
    const before = this.#address;
    if (before?.url === address?.url && before?.token === address?.token) return;
    this.#address = address;
    this.#tries = 0;
    clearTimeout(this.#retry);
    if (this.#link === undefined) this.#dial();
    else this.#link.socket.close();
  }

  /** The gateway is told of all that was to be told, and that there will be no more. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#unlisten();
    clearTimeout(this.#retry);
    const link = this.#link;
    if (link !== undefined) {
      const gone = new Promise<void>((resolve) => link.socket.once('close', () => resolve()));
      if (link.welcomed) link.peer.note('bye', null);
      link.socket.close();
      // A gateway that does not close its side keeps nobody waiting.
      const cut = setTimeout(() => link.socket.terminate(), CLOSE_MS_MAX);
      await gone;
      clearTimeout(cut);
    }
    this.#silence.close();
  }

  #dial(): void {
    const address = this.#address;
    if (address === undefined || this.#closed || this.#link !== undefined) return;
    void this.#connect(address).catch((error: unknown) => {
      this.#complain(error instanceof Failure ? error.message : String(error));
      this.#again();
    });
  }

  async #connect(address: GatewayAddress): Promise<void> {
    const target = linkUrl(address.url);
    const { WebSocket: Socket } = await import('ws');
    // Another may have been named meanwhile.
    if (this.#closed || this.#link !== undefined || this.#address !== address) return;
    const socket = new Socket(target, {
      headers: { Authorization: `Bearer ${address.token}` },
      perMessageDeflate: false,
      maxPayload: MESSAGE_BYTES_MAX,
      handshakeTimeout: HANDSHAKE_MS_MAX,
    });
    const { host, log } = this.#options;
    const peer = new Peer({
      send: (frame) => socket.send(frame),
      served: {
        call: (method, args, about) => callHost(host, method, args, about),
        open: (method, args, stream) => openHost(host, method, args, stream),
        note: (name, value) => this.#noted(link, name, value),
      },
      onFault: (method, err) => log('error', 'a call of the gateway failed', { method, err }),
    });
    const link: Link = { socket, peer, welcomed: false, told: [] };
    this.#link = link;
    let why = '';
    socket.on('open', () => void this.#hello(link).catch((err: unknown) => this.#broken(link, err)));
    socket.on('message', (data, isBinary) => {
      this.#silence.set(SILENCE_MS_MAX);
      try {
        peer.take(data as Buffer, isBinary);
      } catch (error) {
        this.#broken(link, error);
      }
    });
    socket.on('error', (error) => {
      why = error.message;
    });
    socket.on('close', (code, reason) => this.#lost(link, reason.toString() || why || `closed with code ${code}`));
  }

  async #hello(link: Link): Promise<void> {
    const { id, version, capacity, host } = this.#options;
    this.#silence.set(SILENCE_MS_MAX);
    const languages = await host.languages();
    // From here on in one go: what happens after it is told as an event.
    const sessions = await host.list();
    const hello: AgentHello = {
      protocol: LINK_PROTOCOL,
      id,
      version,
      startedAtMs: this.#startedAtMs,
      capacity,
      languages,
      sessions,
      ended: [...this.#ended.values()],
    };
    link.told = [...this.#ended.keys()];
    if (link.socket.readyState === link.socket.OPEN) link.peer.note('hello', hello);
  }

  #noted(link: Link, name: string, value: unknown): void {
    if (name === 'welcome') this.#welcomed(link, value as GatewayWelcome);
    else if (name === 'seen') this.#forget(link.told);
  }

  /** The gateway has heard of these. */
  #forget(ended: readonly string[]): void {
    for (const session of ended) this.#ended.delete(session);
  }

  #welcomed(link: Link, { end }: GatewayWelcome): void {
    const { host, log } = this.#options;
    link.welcomed = true;
    this.#tries = 0;
    this.#complaint = '';
    this.#forget(link.told);
    for (const [session, facts] of this.#ended) link.peer.note('event', { kind: 'ended', session, facts });
    log('info', 'joined the gateway', { url: this.#address?.url });
    for (const id of end) {
      log('warn', 'a session is ended: its gateway has given it up', { session: id });
      host.destroy(id, 'agent-lost').catch(() => {}); // It has ended by itself meanwhile.
    }
    const beat = (): void => {
      link.told = [...this.#ended.keys()];
      link.peer.note('beat', this.#pulse());
    };
    clearInterval(this.#beat);
    this.#beat = setInterval(beat, BEAT_MS);
    beat();
  }

  #pulse(): AgentBeat {
    return { sessions: this.#options.sessions(), memoryUsedBytes: this.#options.memoryUsed() ?? null };
  }

  #tell(event: HostEvent): void {
    if (this.#link?.welcomed) this.#link.peer.note('event', event);
    if (event.kind !== 'ended') return;
    // Kept until the gateway answers something that was said later: a link can end at any time.
    this.#ended.set(event.session, event.facts);
    const oldest = this.#ended.keys().next().value;
    if (this.#ended.size > ENDED_MAX && oldest !== undefined) this.#ended.delete(oldest);
  }

  #broken({ socket }: Link, error: unknown): void {
    this.#options.log('error', 'the link to the gateway is broken', { err: error });
    socket.terminate();
  }

  #lost(link: Link, reason: string): void {
    link.peer.close(new Failure('unreachable', 'the gateway has gone'));
    this.#link = undefined;
    clearInterval(this.#beat);
    this.#silence.lift();
    if (link.welcomed && !this.#closed) this.#options.log('warn', 'the gateway is lost; sessions go on', { reason });
    else this.#complain(reason);
    this.#again();
  }

  #complain(reason: string): void {
    if (this.#closed || this.#address === undefined || reason === this.#complaint) return;
    this.#complaint = reason;
    this.#options.log('warn', 'the gateway can not be joined; tried again', { url: this.#address.url, reason });
  }

  #again(): void {
    if (this.#closed || this.#address === undefined) return;
    this.#retry = setTimeout(() => this.#dial(), backoffMs(this.#tries, Math.random()));
    this.#tries += 1;
  }
}

const CLOSE_MS_MAX = 1_000;
