/** Tells the log what came of loading code ahead: why it failed, or what it has left behind that its events should know of. */
import type { Log } from '../lib/log.ts';
import { errorTypeOf } from './answer.ts';
import type { Generation } from './generation.ts';
import type { LoadOutcome } from './outcome.ts';

export interface Finding {
  what: 'thread' | 'socket' | 'generator';
  /** What it is called there. */
  where: string;
  /** Of a generator: the same in two processes if it was seeded at import. */
  state?: number;
}

const KINDS = ['thread', 'socket', 'generator'];
const FINDINGS_MAX = 20;

export function reportLoad(generation: Generation, outcome: LoadOutcome, log: Log): void {
  const { lambda } = generation.version;
  if (outcome.kind !== 'loaded') {
    log('warn', 'code could not be loaded ahead', { lambda, errorType: errorTypeOf(outcome) });
  } else if (generation.isolatesCalls) {
    for (const { what, where } of generation.findings.fresh(findingsOf(outcome.body))) {
      log('warn', 'code leaves something behind by being imported', { lambda, what, where });
    }
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
      if (this.#told.has(name) || this.#told.size >= FINDINGS_MAX) return false;
      if (state !== undefined) {
        const before = this.#states.get(where);
        if (this.#states.size < FINDINGS_MAX) this.#states.set(where, state);
        if (before !== state) return false;
      }
      this.#told.add(name);
      return true;
    });
  }
}

/** The sandbox writes this itself: what is not as it should be is left out. */
function findingsOf(body: Buffer): Finding[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString());
  } catch {
    return [];
  }
  return Array.isArray(parsed) ? parsed.slice(0, FINDINGS_MAX).filter(isFinding) : [];
}

function isFinding(raw: unknown): raw is Finding {
  const { what, where, state } = (raw ?? {}) as Record<string, unknown>;
  if (!KINDS.includes(what as string) || typeof where !== 'string' || where.length > 100) return false;
  return (what === 'generator') === (typeof state === 'number');
}
