/** Which agent a new session is made by. Pure. */
import type { LanguageFacts } from '../../session/host.ts';
import { offers } from '../../session/language-names.ts';
import type { AgentCapacity } from '../../session/link/hello.ts';

/** An agent that answers, as placement sees it. */
export interface Candidate {
  id: string;
  capacity: AgentCapacity;
  languages: readonly LanguageFacts[];
  /** Those that it runs, or has been asked for. */
  sessions: number;
  memoryUsedBytes: number | null;
}

/** Those that have room and the language, the least loaded first. */
export function inOrder<C extends Candidate>(candidates: readonly C[], language: string): C[] {
  const able = candidates.filter(({ languages }) => offers(languages, language) !== undefined);
  const free = able.filter(({ sessions, capacity }) => sessions < capacity.sessionsMax);
  return free.sort((a, b) => loadOf(a) - loadOf(b) || (a.id < b.id ? -1 : 1));
}

/** From 0 to 1: what is nearest to its end, places or memory. */
function loadOf({ sessions, capacity, memoryUsedBytes }: Candidate): number {
  const { sessionsMax, memoryBytes } = capacity;
  return Math.max(sessions / sessionsMax, memoryBytes > 0 ? (memoryUsedBytes ?? 0) / memoryBytes : 0);
}
