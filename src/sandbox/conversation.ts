/** What a sandbox that runs kernels is used by, instead of calls: messages both ways, each whenever its side likes. */
import type { GroupCounts } from './group-counts.ts';

/**
 * Told a message: JSON of at most 65,535 bytes, and bytes; 4 MiB in all, or as much as an answer may be if that is more.
 * Its throwing breaks the channel.
 */
export type Hear = (meta: Buffer, body: Buffer) => void;

export interface Conversation {
  /**
   * `meta` is JSON of ASCII characters only, 65,535 at most. What the other side does not read for long is kept; one that
   * leaves 64 MiB unread is ended.
   */
  say(meta: string, body: Uint8Array): void;
  /** Of the sandbox until now, or of the fork of that number; all undefined for one without control groups of its own. */
  counts(fork?: number): GroupCounts;
  /**
   * Ends all that is in the control groups of a fork, if it has any; resolves when nothing is left of them, with what was
   * counted. To be called for every fork, however it has ended, or if it never came to be. Never rejects.
   */
  endFork(fork: number): Promise<GroupCounts>;
}
