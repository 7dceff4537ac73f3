/** What a session may ask for on this machine. Pure. */
import { Failure } from '../config/failure.ts';
import { LIMIT_FIELDS } from '../config/limit-fields.ts';
import { LIMIT_BOUNDS } from '../config/limits.ts';
import { type NetworkSpec, NO_NETWORK, notAllowed } from '../config/network.ts';
import type { Limits, Settings } from '../config/settings.ts';
import type { SessionSpec } from './host.ts';
import { TIMER_MS_MAX } from './limits.ts';

export type SessionTerms = Pick<Settings, 'limits' | 'limits_max' | 'network_allowed'>;

export interface Settled {
  limits: Limits;
  network: NetworkSpec;
}

/** Throws Failure `session-invalid` with all problems. */
export function settle(spec: SessionSpec, terms: SessionTerms): Settled {
  const problems: string[] = [];
  for (const key of ['idleTimeoutMs', 'lifetimeMs', 'runTimeoutMs'] as const) {
    const ms = spec[key] ?? 0;
    if (Number.isInteger(ms) && ms >= 0 && ms <= TIMER_MS_MAX) continue;
    problems.push(`${key}: ${ms} is no whole number of milliseconds up to ${TIMER_MS_MAX} (24 days)`);
  }
  const limits = limitsOf(spec.limits ?? {}, terms, problems);
  const network = spec.network ?? NO_NETWORK;
  if (network.mode !== 'none' && !terms.network_allowed.includes(network.mode)) {
    problems.push(`network: ${notAllowed(network.mode, terms.network_allowed)}`);
  }
  if (problems.length > 0) throw new Failure('session-invalid', problems.join('; '), { problems });
  return { limits, network };
}

function limitsOf(asked: Partial<Limits>, { limits, limits_max }: SessionTerms, problems: string[]): Limits {
  const settled = { ...limits };
  for (const [name, value] of Object.entries(asked)) {
    if (!Object.hasOwn(LIMIT_FIELDS, name)) {
      problems.push(`limits: there is no ${name}; there are ${Object.keys(LIMIT_FIELDS).join(', ')}`);
      continue;
    }
    if (value === undefined) continue;
    const key = name as keyof Limits;
    const { min, unit } = LIMIT_BOUNDS[key];
    const max = Math.max(limits[key], limits_max[key]);
    if (!Number.isInteger(value) || value < min)
      problems.push(`${key}: ${value} is no whole number from ${min} (${unit})`);
    else if (value > max) problems.push(`${key}: ${value} is more than ${max}, which limits_max allows here`);
    else settled[key] = value;
  }
  return settled;
}
