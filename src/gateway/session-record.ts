/** A session as the gateway knows it, in memory and in the store. Times are Unix times in milliseconds. */
import type { SessionFacts } from '../session/host.ts';

export type SessionStatus =
  | 'PENDING'
  | 'PREPARING'
  | 'RUNNING'
  | 'RESTARTING'
  | 'TERMINATING'
  | 'TERMINATED'
  | 'CANCELLED'
  | 'ERROR';

export interface SessionRecord {
  /** What its agent calls it. */
  id: string;
  /** What its owner calls it. */
  token: string;
  accessKey: string;
  /** As it was asked for. */
  image: string;
  /** What that is. */
  language: string;
  type: 'interactive' | 'batch';
  tag: string | null;
  /** Null as long as none has it. */
  agent: string | null;
  /** As they were when it began. */
  facts: SessionFacts | null;
  status: SessionStatus;
  /** Why it has this status: the reason of its end. */
  statusInfo: string | null;
  /** The same in a sentence. */
  detail: string | null;
  createdMs: number;
  endedMs: number | null;
  startupCommand: string | null;
  /** Of a batch session that has ended. */
  exitCode: number | null;
  environ: Readonly<Record<string, string>>;
  memoryBytes: number | null;
  idleTimeoutMs: number;
  lifetimeMs: number;
  /** Id of the session that it is a fork of. */
  forkOf: string | null;
}

const OVER: ReadonlySet<SessionStatus> = new Set(['TERMINATED', 'CANCELLED', 'ERROR']);

export function isOver({ status }: SessionRecord): boolean {
  return OVER.has(status);
}

/** A token is its owner's: others may have the same. */
export function ownKey(accessKey: string, token: string): string {
  return `${accessKey} ${token}`;
}
