/** Tells the log what came of loading code ahead: why it failed, or what it has left behind that its events should know of. */
import type { Log } from '../lib/log.ts';
import { errorTypeOf } from './answer.ts';
import type { Generation } from './generation.ts';
import type { LoadOutcome } from './outcome.ts';

export interface Finding {
  /** One of `KINDS`. */
  what: string;
  /** What it is called there. */
  where: string;
  /** Of a generator: the same in two processes if it was seeded at import. */
  state?: number;
}

/** What each event finds as its own import, but old, or the same as others. */
const TOLD: readonly string[] = ['thread', 'socket', 'generator'];
/** What only matters to forks (runtime/python/forkable.py). */
const UNFORKABLE = ['file', 'process', 'memory', 'ipc', 'timer', 'handler', 'directory', 'device', 'runtime'];
const KINDS = [...TOLD, ...UNFORKABLE];
const FINDINGS_MAX = 40;
/** As many are told of one version. */
const TOLD_MAX = 20;

export function reportLoad(generation: Generation, outcome: LoadOutcome, log: Log): void {
  const { lambda } = generation.version;
  if (outcome.kind !== 'loaded') {
    log('warn', 'code could not be loaded ahead', { lambda, errorType: errorTypeOf(outcome) });
  } else if (generation.isolatesCalls) {
    tell(generation, findingsIn(outcome.body), log);
  }
}

/** What another process of that version has found, as JSON that was parsed. */
export function reportFindings(generation: Generation, findings: unknown, log: Log): void {
  tell(generation, findingsOf(findings), log);
}

function tell(generation: Generation, findings: readonly Finding[], log: Log): void {
  const { lambda } = generation.version;
  for (const { what, where } of generation.findings.fresh(findings.filter((one) => TOLD.includes(one.what)))) {
    log('warn', 'code leaves something behind by being imported', { lambda, what, where });
  }
}

/** What one version of the code has left behind in all its processes. */
export class Findings {
  readonly #told = new Set<string>();
  readonly #states = new Map<string, number>();

  /** Those that are to be told: each once, and generators when they have turned out to be the same in two processes. */
  fresh(findings: readonly Finding[]): Finding[] {
    return findings.filter(({ what, where, state }) => {
      const name = `${what} ${where}`;
      if (this.#told.has(name) || this.#told.size >= TOLD_MAX) return false;
      if (state !== undefined) {
        const before = this.#states.get(where);
        if (this.#states.size < TOLD_MAX) this.#states.set(where, state);
        if (before !== state) return false;
      }
      this.#told.add(name);
      return true;
    });
  }
}

/** The sandbox writes this itself: what is not as it should be is left out. */
export function findingsIn(body: Buffer): Finding[] {
  try {
    return findingsOf(JSON.parse(body.toString()));
  } catch {
    return [];
  }
}

function findingsOf(parsed: unknown): Finding[] {
  return Array.isArray(parsed) ? parsed.slice(0, FINDINGS_MAX).filter(isFinding) : [];
}

function isFinding(raw: unknown): raw is Finding {
  const { what, where, state } = (raw ?? {}) as Record<string, unknown>;
  if (!KINDS.includes(what as string) || typeof where !== 'string' || where.length > 100) return false;
  return (what === 'generator') === (typeof state === 'number');
}
