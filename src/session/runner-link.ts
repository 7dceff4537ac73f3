/** How a kernel speaks with the runner of its sandbox. */
import { Failure } from '../config/failure.ts';
import { within } from '../lib/within.ts';
import type { Kernel, KernelUsage } from './kernel.ts';

/** What a kernel may take to fork, in milliseconds: it copies its directory first. */
const FORK_MS_MAX = 60_000;

export interface Answer {
  value: unknown;
  body: Buffer;
}

/** Kernels go by numbers. */
export interface RunnerLink {
  say(meta: Record<string, unknown>, body?: Uint8Array): void;
  /** Rejects with what the runner refuses it for, or `session-missing` if it ends before it has answered. */
  ask(meta: Record<string, unknown>, body?: Uint8Array): Promise<Answer>;
  fork(from: number, name: string): Promise<Kernel>;
  usage(number: number): Promise<KernelUsage>;
  /** Resolves within a time, whatever runs there. */
  destroy(number: number): Promise<void>;
}

/** Of a kernel that is to fork: it may never do, whoever it is. */
export function answeredInTime(asked: Promise<Answer>): Promise<Answer> {
  return within(FORK_MS_MAX, asked, () => {
    throw new Failure('cannot-fork', `its kernel has not answered for ${FORK_MS_MAX / 1000} s; restart it`);
  });
}
