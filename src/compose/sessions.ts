/** Where a worker's gateway is. Until there is one, this is all that sessions cost. */
import { readFileSync } from 'node:fs';
import { backoffMs } from '../agent/backoff.ts';
import { JoinWatch } from '../agent/join-watch.ts';
import { Failure } from '../config/failure.ts';
import type { WorkerSettings } from '../config/settings.ts';
import { errnoWords } from '../lib/errno.ts';
import type { Log } from '../lib/log.ts';
import type { GatewayAddress } from '../session/link/hello.ts';
import type { SessionAgent, SessionParts } from './session-agent.ts';

export interface Sessions {
  /** Ends those that there are. Idempotent. */
  close(): Promise<void>;
}

/** Throws Failure `config-invalid` if the settings name a gateway that can not be joined. */
export function openSessions(settings: WorkerSettings, parts: SessionParts, start = startAgent): Sessions {
  const joining = new Joining(() => start(settings, parts), parts.log);
  const onChange = (address: GatewayAddress | undefined): void => joining.join(address);
  const watch = settings.gateway === '' ? openWatch(settings, parts, onChange) : undefined;
  if (settings.gateway !== '') joining.join({ url: settings.gateway, token: readToken(settings) });
  return {
    close: async () => {
      watch?.close();
      await joining.close();
    },
  };
}

async function startAgent(settings: WorkerSettings, parts: SessionParts): Promise<SessionAgent> {
  const { startSessionAgent } = await import('./session-agent.ts');
  return startSessionAgent(settings, parts);
}

/** Has the agent started when there is somebody to join, and again if that fails: what it needs may be there a moment later. */
class Joining {
  readonly #start: () => Promise<SessionAgent>;
  readonly #log: Log;
  #agent: Promise<SessionAgent> | undefined;
  #address: GatewayAddress | undefined;
  #retry: NodeJS.Timeout | undefined;
  #tries = 0;
  #closed = false;

  constructor(start: () => Promise<SessionAgent>, log: Log) {
    this.#start = start;
    this.#log = log;
  }

  join(address: GatewayAddress | undefined): void {
    this.#address = address;
    if (this.#closed || (this.#agent === undefined && address === undefined)) return;
    clearTimeout(this.#retry);
    this.#agent ??= this.#start();
    this.#agent.then(
      // Another may have been named since.
      (started) => started.join(this.#address),
      (error: unknown) => this.#failed(error),
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    await (await this.#agent?.catch(() => undefined))?.close();
  }

  #failed(err: unknown): void {
    if (this.#closed) return;
    this.#agent = undefined;
    if (this.#tries === 0) this.#log('error', 'there can be no sessions here; tried again', { err });
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.join(this.#address), backoffMs(this.#tries, Math.random()));
    this.#tries += 1;
  }
}

function openWatch({ gateway_dir: dir }: WorkerSettings, { log }: SessionParts, onChange: JoinChange): JoinWatch {
  return new JoinWatch({ dir, onChange, log });
}

type JoinChange = (address: GatewayAddress | undefined) => void;

function readToken({ gateway, gateway_token_file: file }: WorkerSettings): string {
  const said = process.env.ISLA_GATEWAY_TOKEN ?? '';
  if (said !== '') return said;
  try {
    const token = readFileSync(file, 'utf8').trim();
    if (token !== '') return token;
    throw new Error('it is empty');
  } catch (error) {
    throw new Failure(
      'config-invalid',
      `gateway ${gateway} asks for a token: set ISLA_GATEWAY_TOKEN, or write it to ${file} (${errnoWords(error)})`,
      { cause: error },
    );
  }
}
