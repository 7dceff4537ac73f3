/** From what a client wants to what an agent is asked for. */
import type { Limits } from '../config/settings.ts';
import type { SessionSpec } from '../session/host.ts';
import type { Wanted } from './create-params.ts';
import type { ResourcePolicy } from './key-pair.ts';

type Needs = Pick<
  Wanted,
  'requirements' | 'environ' | 'cpu' | 'memoryBytes' | 'network' | 'idleTimeoutMs' | 'lifetimeMs' | 'startupCommand'
> & { rewindable?: boolean | undefined };

/** A policy's time is the longest that there is: a client may ask for less. */
export function specOf(
  needs: Needs,
  { id, language, policy }: { id: string; language: string; policy: ResourcePolicy },
): SessionSpec {
  const { requirements, environ, network, startupCommand } = needs;
  return {
    id,
    language,
    env: environ,
    limits: limitsOf(needs),
    idleTimeoutMs: shorter(needs.idleTimeoutMs, policy.idleTimeoutMs),
    lifetimeMs: shorter(needs.lifetimeMs, policy.lifetimeMs),
    ...(requirements !== undefined && { requirements }),
    ...(network === 'outbound' && { network: { mode: network, egress: null } }),
    ...(network !== undefined && network !== 'outbound' && { network: { mode: network } }),
    ...(startupCommand !== undefined && { startupCommand }),
    ...(needs.rewindable === true && { rewindable: true }),
  };
}

export function limitsOf({ cpu, memoryBytes }: Pick<Needs, 'cpu' | 'memoryBytes'>): Partial<Limits> {
  return {
    ...(cpu !== undefined && { cpu_percent: Math.max(1, Math.round(cpu * 100)) }),
    ...(memoryBytes !== undefined && { memory_mb: Math.floor(memoryBytes / 1_048_576) }),
  };
}

/** 0 is for ever. */
function shorter(wanted: number | undefined, most: number): number {
  if (wanted === undefined) return most;
  if (most === 0) return wanted;
  return wanted === 0 ? most : Math.min(wanted, most);
}
