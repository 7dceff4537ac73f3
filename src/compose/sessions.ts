/** Where a worker's gateway is. Until there is one, this is all that sessions cost. */
import { readFileSync } from 'node:fs';
import { JoinWatch } from '../agent/join-watch.ts';
import { Failure } from '../config/failure.ts';
import type { WorkerSettings } from '../config/settings.ts';
import { errnoWords } from '../lib/errno.ts';
import type { GatewayAddress } from '../session/link/hello.ts';
import type { SessionAgent, SessionParts } from './session-agent.ts';

export interface Sessions {
  /** Ends those that there are. Idempotent. */
  close(): Promise<void>;
}

/** Throws Failure `config-invalid` if the settings name a gateway that can not be joined. */
export function openSessions(settings: WorkerSettings, parts: SessionParts): Sessions {
  let agent: Promise<SessionAgent> | undefined;
  let closed = false;
  const join = (address: GatewayAddress | undefined): void => {
    if (closed || (agent === undefined && address === undefined)) return;
    agent ??= import('./session-agent.ts').then(({ startSessionAgent }) => startSessionAgent(settings, parts));
    agent.then(
      (started) => started.join(address),
      (err: unknown) => parts.log('error', 'there are no sessions here', { err }),
    );
  };
  const watch = settings.gateway === '' ? openWatch(settings, parts, join) : undefined;
  if (settings.gateway !== '') join({ url: settings.gateway, token: readToken(settings) });
  return {
    close: async () => {
      closed = true;
      watch?.close();
      await (await agent?.catch(() => undefined))?.close();
    },
  };
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
