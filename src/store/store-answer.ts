import { Failure } from '../config/failure.ts';
import { assertNever } from '../lib/assert-never.ts';
import type { Answer, FailureFacts } from './batches.ts';

/** What a store has answered. Throws Failure if it refused, Error for a fault of the program. */
export function storeAnswer(answer: Answer): unknown {
  switch (answer.kind) {
    case 'value':
      return answer.value;
    case 'refused':
      throw failureOf(answer.failure);
    case 'broken':
      throw new Error(answer.message);
    default:
      return assertNever(answer);
  }
}

export function failureOf({ code, message, problems }: FailureFacts): Failure {
  return new Failure(code, message, { problems });
}
