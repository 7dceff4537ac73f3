/** How long a call over the link may go without an answer; then it rejects with Failure `unreachable`, which says of whom. */
import { Failure } from '../../config/failure.ts';

export interface Patience {
  ms: number;
  whom: string;
}

export function tooLate(method: string, { ms, whom }: Patience): Failure {
  return new Failure('unreachable', `${whom} has not answered "${method}" for ${ms / 1_000} s, though it is there`);
}
