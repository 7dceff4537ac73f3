/** What an agent and its gateway say of themselves, and how an agent finds its gateway. Pure. */
import { Failure } from '../../config/failure.ts';
import type { LanguageFacts, SessionEnding, SessionFacts } from '../host.ts';

/** Where an agent knocks, as a WebSocket, with `Authorization: Bearer <token>`. */
export const LINK_PATH = '/agents/link';
/** Another one is refused: both ends are of one release then. */
export const LINK_PROTOCOL = 2;
/** How often an agent says that it lives, and how long each end waits for a word of the other. In milliseconds. */
export const BEAT_MS = 3_000;
export const SILENCE_MS_MAX = 10_000;

export interface AgentCapacity {
  /** Cores. */
  cpus: number;
  /** What all its sandboxes may take. */
  memoryBytes: number;
  sessionsMax: number;
}

/** Note `hello` of an agent, first of all; the gateway's answer is note `welcome`, or it closes the connection. */
export interface AgentHello {
  protocol: number;
  /** Its own for as long as its worker's directory is where it is. */
  id: string;
  /** Of the program. */
  version: string;
  startedAtMs: number;
  capacity: AgentCapacity;
  languages: readonly LanguageFacts[];
  sessions: readonly SessionFacts[];
  /** Those that have ended while nobody listened. */
  ended: readonly EndedSession[];
}

export type EndedSession = SessionFacts & { ending: SessionEnding };

/** Note `welcome` of a gateway. */
export interface GatewayWelcome {
  /** Sessions that nobody knows any more: they are to end. */
  end: readonly string[];
}

/** Note `beat` of an agent; the gateway's answer is note `seen`. */
export interface AgentBeat {
  sessions: number;
  /** Of all its sandboxes; null where nobody counts it. */
  memoryUsedBytes: number | null;
}

/** Of a link that is closed for what was said. */
export const CLOSE_CODES = { protocol: 4_000, replaced: 4_001, silent: 4_002, stopping: 4_003 } as const;

/** How a gateway is reached. */
export interface GatewayAddress {
  /** `http:`, `https:`, `ws:` or `wss:` with a host and port. */
  url: string;
  token: string;
}

/** The file below a cluster's gateway directory that says so; for the eyes of its owner only. */
export const JOIN_FILE = 'join.json';

export function formatJoin({ url, token }: GatewayAddress): string {
  return `${JSON.stringify({ url, token })}\n`;
}

/** Throws Failure `config-invalid`. */
export function parseJoin(text: string, file: string): GatewayAddress {
  const wrong = (what: string, cause?: unknown) =>
    new Failure('config-invalid', `${file}: ${what}; \`admin gateway\` writes it anew when it starts`, { cause });
  let said: Partial<GatewayAddress> | null;
  try {
    said = JSON.parse(text);
  } catch (error) {
    throw wrong('it is not JSON', error);
  }
  if (typeof said?.url !== 'string' || typeof said.token !== 'string') throw wrong('it lacks url or token');
  return { url: said.url, token: said.token };
}

/** Throws Failure `config-invalid` if it is no address of a gateway. */
export function linkUrl(url: string): string {
  const wrong = (cause?: unknown) =>
    new Failure('config-invalid', `${JSON.stringify(url)} is no address of a gateway, such as http://127.0.0.1:8090`, {
      cause,
    });
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch (error) {
    throw wrong(error);
  }
  const scheme = SCHEMES.get(parsed.protocol);
  if (scheme === undefined || parsed.host === '') throw wrong();
  return `${scheme}//${parsed.host}${parsed.pathname.replace(/\/$/, '')}${LINK_PATH}`;
}

const SCHEMES: ReadonlyMap<string, string> = new Map([
  ['http:', 'ws:'],
  ['ws:', 'ws:'],
  ['https:', 'wss:'],
  ['wss:', 'wss:'],
]);
