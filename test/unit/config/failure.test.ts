import { expect, test } from 'vitest';
import { Failure, refusalFacts } from '../../../src/config/failure.ts';

test('the log has what a lambda’s author can mend as one sentence, and anything else as an error', () => {
  const cause = new Failure('lambda-invalid', 'its directory is empty');
  const refused = new Failure('lambda-invalid', `lambda x cannot be used: ${cause.message}`, { cause });
  expect(refusalFacts(refused)).toEqual({ reason: 'lambda x cannot be used: its directory is empty' });
  for (const err of [new Failure('sandbox-failed', 'no space left'), new Error('a defect')]) {
    expect(refusalFacts(err)).toEqual({ err });
  }
});
