/** What is asked for with a session, and how. */
import { randomBytes } from 'node:crypto';
import type { Connection } from './connection.ts';

export interface SessionOptions {
  /** 4 to 64 letters, digits, dots, dashes, underscores; a random one if it is not given. */
  name?: string | undefined;
  /** If there is one of that name already it is a mistake; else that one is used. */
  exclusive?: boolean | undefined;
  /** Packages, as in a requirements.txt or one to an entry; Python only. */
  requirements?: string | readonly string[] | undefined;
  env?: Readonly<Record<string, string>> | undefined;
  limits?: { memoryMb?: number | undefined; cpus?: number | undefined } | undefined;
  network?: string | undefined;
  /** How long it may be unused; at most, and otherwise, what the key's policy says. 0 for ever, as elsewhere. */
  idleTimeoutMs?: number | undefined;
  lifetimeMs?: number | undefined;
  /** What was before each run is kept, for `rewind`; each run then costs a fork more. Python only. */
  rewindable?: boolean | undefined;
  /** A shell command that is run at once; the session ends with it. */
  startupCommand?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** @internal Resolves when it runs. `created` is false if there was one of that name. */
export async function requestSession(
  connection: Connection,
  language: string,
  options: SessionOptions,
): Promise<{ name: string; created: boolean }> {
  const name = options.name ?? randomName();
  const { created } = await connection.json<{ created: boolean }>({
    method: 'POST',
    path: '/kernel',
    json: createBody(language, name, options),
    signal: options.signal,
  });
  return { name, created };
}

/** @internal */
export function randomName(): string {
  return `s-${randomBytes(8).toString('hex')}`;
}

function createBody(language: string, name: string, options: SessionOptions): object {
  const { requirements, env, limits = {}, network, idleTimeoutMs, lifetimeMs, startupCommand } = options;
  const resources = {
    ...(limits.memoryMb !== undefined && { mem: `${limits.memoryMb}m` }),
    ...(limits.cpus !== undefined && { cpu: limits.cpus }),
  };
  return {
    clientSessionToken: name,
    image: language,
    reuseIfExists: options.exclusive !== true,
    ...(startupCommand !== undefined && { type: 'batch', startupCommand }),
    config: {
      ...(env !== undefined && { environ: env }),
      ...(Object.keys(resources).length > 0 && { resources }),
      ...(requirements !== undefined && { requirements: [requirements].flat().join('\n') }),
      ...(network !== undefined && { network }),
      ...(idleTimeoutMs !== undefined && { idleTimeout: idleTimeoutMs / 1_000 }),
      ...(options.rewindable === true && { rewindable: true }),
      ...(lifetimeMs !== undefined && { lifetime: lifetimeMs / 1_000 }),
    },
  };
}
