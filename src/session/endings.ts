/** Why sessions end, in words. */
import type { EndReason } from './host.ts';
import type { KernelEnding } from './kernel.ts';

export interface EndCause {
  reason: EndReason;
  /** A sentence for people. */
  detail: string;
  exitCode?: number | undefined;
}

const REASONS: Readonly<Record<KernelEnding['cause'], EndReason>> = {
  exit: 'kernel-crashed',
  signal: 'kernel-crashed',
  'out-of-memory': 'out-of-memory',
  destroyed: 'user-requested',
  lost: 'sandbox-lost',
};

export function causeOf({ cause, reason }: KernelEnding): EndCause {
  return { reason: REASONS[cause], detail: reason };
}

/** What people read where nobody has said more. */
export function detailOf(reason: EndReason): string {
  return DETAILS[reason];
}

const DETAILS: Readonly<Record<EndReason, string>> = {
  'user-requested': 'Its owner ended it.',
  'force-terminated': 'It was ended by force.',
  'idle-timeout': 'Nobody used it for as long as its idle timeout allows.',
  lifetime: 'It lived as long as its lifetime allows.',
  'exec-timeout': 'One of its executions took longer than it may.',
  'task-finished': 'Its start-up command has ended.',
  'out-of-memory': 'It needed more memory than it may have.',
  'kernel-crashed': 'Its kernel has ended by itself.',
  'sandbox-lost': 'What made its sandbox has died.',
  'failed-to-start': 'It could not be started.',
  'agent-lost': 'Its machine does not answer any more.',
  'agent-termination': 'Its machine was told to stop.',
};

/** Of milliseconds, for people. */
export function spanWords(ms: number): string {
  return ms < 10_000 ? `${ms} ms` : `${Math.round(ms / 1_000)} s`;
}
