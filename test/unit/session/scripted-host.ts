import { LIMIT_FIELDS } from '../../../src/config/limit-fields.ts';
import type { Limits } from '../../../src/config/settings.ts';
import { uuidV7 } from '../../../src/lib/uuid-v7.ts';
import type { SessionSpec } from '../../../src/session/host.ts';
import { LocalHost } from '../../../src/session/local-host.ts';
import { ScriptedKernel } from './scripted-kernel.ts';

const LIMITS = Object.fromEntries(
  Object.entries(LIMIT_FIELDS).map(([key, { initial }]) => [key, initial]),
) as unknown as Limits;

export interface ScriptedHost {
  host: LocalHost;
  kernels: ScriptedKernel[];
}

/** Installs the packages of sessions that require some. */
export interface ScriptedPackages {
  obtain(user: string): Promise<void>;
  forget?(user: string): void;
}

const NO_PACKAGES: ScriptedPackages = { obtain: async () => {} };

export function scriptedHost(sessionsMax = 10, { obtain, forget } = NO_PACKAGES): ScriptedHost {
  const kernels: ScriptedKernel[] = [];
  const host = new LocalHost({
    startKernel: async (spec) => {
      const kernel = new ScriptedKernel(spec);
      kernels.push(kernel);
      return kernel;
    },
    languages: {
      list: async () => [{ id: 'python', version: '3.11.2', aliases: ['py'] }],
      resolve: async (name) => (['python', 'py'].includes(name) ? 'python' : undefined),
    },
    packages: {
      obtain: async (user) => {
        await obtain(user);
        return undefined;
      },
      forget: (user) => forget?.(user),
    },
    terms: { limits: LIMITS, limits_max: LIMITS, network_allowed: ['none'] },
    sessionsMax,
    hasMemory: () => true,
    log: () => {},
  });
  return { host, kernels };
}

export function specOf(more: Partial<SessionSpec> = {}): SessionSpec {
  return { id: uuidV7(), language: 'python', env: {}, idleTimeoutMs: 0, lifetimeMs: 0, ...more };
}
