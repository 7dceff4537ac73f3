/** All slots of an engine, by number: what is told of each reaches it and the pool that it is of. */
import type { GroupCounts } from './group-counts.ts';
import type { Making, SlotEnding } from './maker.ts';
import type { Pool } from './pool.ts';
import type { EngineLog } from './sandbox.ts';
import { Slot, type SlotContext } from './slot.ts';
import type { Charged } from './usage.ts';

export interface SlotTableOptions {
  context: SlotContext;
  /** The pool that makes such slots, if there still is one. */
  poolOf(slot: Slot): Pool | undefined;
  log: EngineLog;
}

export class SlotTable {
  /** How many have been made. */
  made = 0;
  readonly #options: SlotTableOptions;
  readonly #slots = new Map<number, Slot>();
  #next = 0;

  constructor(options: SlotTableOptions) {
    this.#options = options;
  }

  get all(): Slot[] {
    return [...this.#slots.values()];
  }

  prepare(making: Making): Slot {
    const slot = new Slot(this.#next++, this.#options.context, making);
    this.#slots.set(slot.number, slot);
    return slot;
  }

  listening(number: number): void {
    this.made += 1;
    this.#slots.get(number)?.listening();
  }

  waiting(number: number): void {
    const slot = this.#slots.get(number);
    slot?.waiting();
    if (slot !== undefined) this.#options.poolOf(slot)?.made();
  }

  started(number: number): void {
    this.#slots.get(number)?.handedOver();
  }

  forkEnded(number: number, fork: number, counts: GroupCounts): void {
    this.#slots.get(number)?.forkEnded(fork, counts);
  }

  /** Which one it was. */
  ended(number: number, ending: SlotEnding, charged: Charged): Slot | undefined {
    const slot = this.#slots.get(number);
    if (slot === undefined) return undefined;
    this.#slots.delete(number);
    slot.gone(ending, charged);
    const failed = ending.cause === 'failed';
    if (failed) {
      const { step, reason } = ending;
      this.#options.log('error', 'a sandbox could not be made', { step, reason });
    }
    this.#options.poolOf(slot)?.ended(slot, failed);
    return slot;
  }

  /** What makes them is gone, and all with it. The pools are to be cleared before. */
  lose(reason: string): void {
    const slots = this.all;
    this.#slots.clear();
    for (const slot of slots) slot.lose(reason);
  }
}
