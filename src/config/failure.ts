/**
 * The one error class of the program and the closed set of its codes.
 *
 * A failure is the unexpected or the refused. What happened to a user's program (it raised, it
 * died, it ran out of memory) is a value instead: see `Reply` in sandbox/sandbox.ts.
 * Codes become HTTP statuses in http/problem.ts and exit codes in cli/exit-codes.ts.
 */
export type FailureCode =
  | 'usage' // the command line is wrong
  | 'config-invalid' // a setting is unknown or has an illegal value
  | 'config-missing' // no such configuration file
  | 'cluster-missing' // no cluster directory where one is needed
  | 'conflict' // it exists already, or it runs already
  | 'revision-old' // it has been changed since the caller read it
  | 'secret-missing' // no secret of that name
  | 'lambda-missing' // no such lambda in the registry
  | 'lambda-invalid' // it is there, but its directory cannot be used
  | 'packages-failed' // what its code needs cannot be installed
  | 'packages-installing' // it is being installed, which takes longer than the caller was to wait
  | 'name-invalid' // not a legal lambda name
  | 'method-invalid'
  | 'event-invalid' // the event is not JSON
  | 'event-too-large'
  | 'event-memory-full' // the events of other calls take all memory that there is for them
  | 'queue-full'
  | 'queue-timeout'
  | 'async-full' // as many asynchronous calls wait as may
  | 'async-no-room' // their events have as many bytes as they may
  | 'async-unavailable' // this machine can keep none
  | 'call-missing' // no asynchronous call of that id
  | 'idempotency-key-invalid'
  | 'idempotency-conflict' // the key came with another event before
  | 'store-full' // the disk is full
  | 'store-unavailable' // what must be on disk can not be kept now
  | 'stopping' // the worker takes no more calls
  | 'sandbox-failed' // our own set-up of a sandbox failed; `step` names where
  | 'worker-failed' // a worker did not become ready
  | 'unreachable' // a worker does not answer
  | 'registry-unreachable' // the registry does not answer, and what is asked of it is not at hand
  | 'registry-refused' // the registry answers, but does not do it
  | 'session-missing' // no such session, or it has ended
  | 'session-invalid' // what is asked of a session can not be, or is not allowed here
  | 'sessions-full' // as many sessions as may be, or no memory for one more
  | 'language-missing' // no agent, or not this one, has that language
  | 'run-missing' // no execution of that id
  | 'run-conflict' // another execution has that id, or it is not its turn
  | 'cannot-fork' // this session's state can not be had twice, or not again
  | 'path-invalid' // it leads out of the session's directory
  | 'file-missing' // no such file in the session's directory
  | 'agent-missing' // no agent that could take the session
  | 'machine-unfit'; // this machine lacks something that is needed

export interface FailureFacts {
  cause?: unknown;
  /** The step of a longer operation that failed, such as `attach code`. */
  step?: string;
  /** All problems, where one message is not enough; one line each. */
  problems?: readonly string[];
}

/** What failed, on what, and what to do next. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly code: FailureCode;
  readonly step: string | undefined;
  readonly problems: readonly string[];

  constructor(code: FailureCode, message: string, facts: FailureFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.code = code;
    this.step = facts.step;
    this.problems = facts.problems ?? [];
  }
}

/** What a lambda's author can mend, or wait for. */
const OF_PEOPLE: readonly FailureCode[] = [
  'lambda-invalid',
  'registry-unreachable',
  'registry-refused',
  'packages-failed',
  'packages-installing',
];

/** For the log: what a lambda's author or an operator can mend is a sentence, anything else an error with its stack. */
export function refusalFacts(error: unknown): { reason: string } | { err: unknown } {
  return error instanceof Failure && OF_PEOPLE.includes(error.code) ? { reason: error.message } : { err: error };
}
