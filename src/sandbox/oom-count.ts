/**
 * How often the kernel has killed a process of a sandbox for its memory. The kernel counts before the victim
 * dies, so whoever waited for the victim answers later: looked at after an answer, the count is never late.
 * An event would be. The file is readable by everyone; a descriptor kept open makes a look 5 µs instead of 13.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import type { Spent } from './channel.ts';

const BUFFER = Buffer.alloc(1024);
/** By our own clock: in such a time somebody may have died, whatever the answer says. */
const LOOK_US = 5_000;
/** A line of memory.oom_control (v1) and memory.events (v2) alike. */
const KILLED = /^oom_kill [1-9]/m;

export class OomCount {
  #fd: number | undefined;

  constructor(path: string) {
    try {
      this.#fd = openSync(path, 'r');
    } catch {
      // The sandbox is gone already, which its owner is being told.
    }
  }

  /**
   * The same, told when a call that took so long is answered. Who says nothing of its memory has
   * been alone in its sandbox since the call before, and has run too short to make another process: it would be itself
   * that had died, and not answer.
   */
  killedBy({ peakBytes }: Spent, passedUs: number): boolean {
    return (peakBytes !== undefined || passedUs >= LOOK_US) && this.killed();
  }

  /** Whether it has happened at all. */
  killed(): boolean {
    if (this.#fd === undefined) return false;
    try {
      return KILLED.test(BUFFER.toString('latin1', 0, readSync(this.#fd, BUFFER, 0, BUFFER.length, 0)));
    } catch {
      return false; // the group has been removed under us: its end has been, or will be, told with its cause
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}
