/** Sessions as the API tells of them. */
import type { Failure } from '../config/failure.ts';
import type { SessionFacts } from '../session/host.ts';
import { ApiProblem, problemOfFailure } from './api-problem.ts';
import type { User } from './key-pair.ts';
import type { SessionRecord } from './session-record.ts';

interface Told {
  record: SessionRecord;
  facts: SessionFacts;
  user: User | undefined;
}

/** `GET /kernel/:token`: what 19.09 says, what clients of 2017 print, and what is Isla's own. */
export function sessionInfo({ record, facts, user }: Told): object {
  const memory = facts.limits.memory_mb;
  return {
    domainName: user?.domain ?? 'default',
    groupId: 'default',
    userId: user?.uuid ?? null,
    lang: record.image,
    image: record.image,
    registry: null,
    tag: record.tag,
    containerId: record.id,
    occupiedSlots: JSON.stringify({ cpu: String(facts.limits.cpu_percent / 100), mem: String(memory * 1_048_576) }),
    occupiedShares: '{}',
    environ: JSON.stringify(record.environ),
    status: record.status,
    statusInfo: record.statusInfo,
    age: Date.now() - facts.createdAtMs,
    creationTime: new Date(facts.createdAtMs).toISOString(),
    terminationTime: null,
    numQueriesExecuted: facts.executions,
    lastStat: metricsOf(facts),
    queryTimeout: -1,
    idleTimeout: Math.round(facts.idleTimeoutMs / 1_000),
    memoryLimit: memory * 1_024,
    maxCpuCredit: -1,
    idle: facts.idleSinceMs === null ? -1 : Date.now() - facts.idleSinceMs,
    memoryUsed: facts.memoryBytes === null ? -1 : Math.round(facts.memoryBytes / 1_024),
    cpuCreditUsed: -1,
    ...ownInfo(record, facts),
  };
}

function ownInfo(record: SessionRecord, facts: SessionFacts): object {
  return {
    sessionId: record.id,
    language: record.language,
    agent: record.agent,
    runId: facts.runId,
    queued: facts.queued,
    idleTimeLeftMs: facts.idleLeftMs,
    lifetimeMs: facts.lifetimeMs,
    lifetimeLeftMs: facts.lifetimeLeftMs,
    network: facts.network,
    forkOf: record.forkOf,
  };
}

/** `stats` of a session that has ended: each metric with its values as texts. */
export function statsOf(facts: SessionFacts | undefined): object {
  if (facts === undefined) return { version: 2, status: 'cancelled' };
  return { ...metricsOf(facts), version: 2, status: 'terminated', reason: facts.ending?.reason ?? null };
}

function metricsOf({ cpuMs, memoryBytes, limits }: SessionFacts): object {
  const capacity = limits.memory_mb * 1_048_576;
  return {
    ...(cpuMs !== null && { cpu_used: metric(cpuMs, 'msec', undefined) }),
    ...(memoryBytes !== null && { mem: metric(memoryBytes, 'bytes', capacity) }),
  };
}

function metric(current: number, unit: string, capacity: number | undefined): object {
  const pct = capacity === undefined ? '0.00' : ((current / capacity) * 100).toFixed(2);
  const now = String(Math.round(current));
  return {
    current: now,
    capacity: capacity === undefined ? null : String(capacity),
    pct,
    unit_hint: unit,
    'stats.min': now,
    'stats.max': now,
    'stats.sum': now,
    'stats.avg': now,
    'stats.diff': '0',
    'stats.rate': '0',
  };
}

/** Why a session could not be started, to its client. */
export function creationFailed(failure: Failure): ApiProblem {
  const problem = problemOfFailure(failure);
  if (problem.status < 500 || problem.status === 503) return problem;
  const exception = failure.step === undefined ? failure.code : `${failure.code} (${failure.step})`;
  return new ApiProblem('kernel-creation-failed', undefined, {
    detail: failure.message,
    cause: failure,
    agent: { title: failure.message, exception },
  });
}
