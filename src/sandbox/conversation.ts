/** What a sandbox that runs kernels is used by, instead of calls: messages both ways, each whenever its side likes. */

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
  /** Whether the kernel has killed one of its processes for memory so far. */
  outOfMemory(): boolean;
}
