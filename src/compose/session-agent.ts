/** Sessions of a worker, and its end of the link to a gateway. Loaded when there is a gateway. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { availableParallelism, hostname } from 'node:os';
import { basename, join } from 'node:path';
import { Agent } from '../agent/agent.ts';
import type { WorkerSettings } from '../config/settings.ts';
import type { Log } from '../lib/log.ts';
import type { Packages } from '../packages/packages.ts';
import type { Engine } from '../sandbox/sandbox.ts';
import type { GatewayAddress } from '../session/link/hello.ts';
import { LocalHost } from '../session/local-host.ts';
import { startKernel } from '../session/sandbox-kernel.ts';
import { programDir } from './program-dir.ts';
import { offeredLanguages } from './session-languages.ts';
import { sessionPackages } from './session-packages.ts';

export interface SessionParts {
  engine: Engine;
  packages: Packages;
  /** What all sandboxes of the worker may take together, in bytes. */
  memoryBytesMax: number;
  log: Log;
}

export interface SessionAgent {
  join(address: GatewayAddress | undefined): void;
  /** Ends all sessions, and tells the gateway. */
  close(): Promise<void>;
}

export async function startSessionAgent(
  settings: WorkerSettings,
  { engine, packages, memoryBytesMax, log }: SessionParts,
): Promise<SessionAgent> {
  const { sessions_max: sessionsMax } = settings;
  engine.expectSessions?.();
  const languages = await offeredLanguages(settings, engine);
  const host = new LocalHost({
    startKernel: (spec) => startKernel(engine, spec, languages.runnerFacts(spec.language)),
    languages,
    packages: sessionPackages(settings, packages),
    terms: settings,
    sessionsMax,
    hasMemory: () => (engine.memoryInUse() ?? 0) < memoryBytesMax,
    log,
  });
  const agent = new Agent({
    id: agentId(settings.worker_dir),
    version: programVersion(),
    capacity: { cpus: availableParallelism(), memoryBytes: memoryBytesMax, sessionsMax },
    host,
    sessions: () => host.size,
    memoryUsed: () => engine.memoryInUse(),
    log,
  });
  return {
    join: (address) => agent.join(address),
    close: async () => {
      await host.close();
      await agent.close();
    },
  };
}

/** The same for each run of a worker, and another one for each worker's directory on each machine. */
function agentId(workerDir: string): string {
  const digest = createHash('sha256').update(workerDir).digest('hex').slice(0, 6);
  return `${hostname()}-${basename(workerDir)}-${digest}`;
}

function programVersion(): string {
  return JSON.parse(readFileSync(join(programDir(), '..', 'package.json'), 'utf8')).version;
}
