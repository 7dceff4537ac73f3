/** How a sandbox ended, or why it was never made, in words. */
import type { SlotEnding } from './maker.ts';

export function describeEnding(ending: SlotEnding): string {
  switch (ending.cause) {
    case 'failed':
      return `${ending.step}: ${ending.reason}`;
    case 'lost':
      return ending.reason;
    case 'exit':
      return `it ended with status ${ending.status} before it was used`;
    case 'signal':
      return `it was ended by ${ending.signal} before it was used`;
    default:
      return `it was ${ending.cause === 'destroyed' ? 'destroyed' : 'out of memory'} before it was used`;
  }
}
