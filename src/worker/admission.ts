/** A request to run a lambda, in whichever API's words: what it holds from its head to its answer, and gives back. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Failure } from '../config/failure.ts';
import { readBody } from '../http/body.ts';
import type { BodyClaim, BodyMemory } from '../http/body-memory.ts';
import { Caller } from '../http/caller.ts';
import type { PlainAnswer } from '../http/plain-answer.ts';
import { requestIdOf } from '../http/request-id.ts';
import type { UnreadAnswers } from '../http/unread-answers.ts';
import type { Worker } from './worker.ts';

export interface AdmissionOptions {
  worker: Worker;
  /** For events. */
  bodies: BodyMemory;
  unread: UnreadAnswers;
}

export interface Admitted {
  incoming: IncomingMessage;
  requestId: string;
  claim: BodyClaim;
  caller: Caller;
}

/** What an API does with a request that is let in, and how it says that something failed. */
export interface Api {
  act(admitted: Admitted): Promise<PlainAnswer>;
  refuse(error: unknown, requestId: string): PlainAnswer;
}

/** Never rejects. */
export async function admit(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  { act, refuse }: Api,
  options: AdmissionOptions,
): Promise<PlainAnswer> {
  const { worker, bodies, unread } = options;
  const requestId = requestIdOf(incoming);
  if (!worker.enter()) {
    return lastOf(refuse(new Failure('stopping', 'The worker is stopping; the event was not run.'), requestId));
  }
  const claim = bodies.claim();
  const caller = new Caller(outgoing);
  try {
    const answered = await act({ incoming, requestId, claim, caller });
    unread.hold(incoming, outgoing, answered.body?.length ?? 0);
    return worker.state === 'stopping' ? lastOf(answered) : answered;
  } catch (error) {
    return refuse(error, requestId);
  } finally {
    worker.leave();
    // The answer to a large event may be as large: there is room for another when it is out.
    if (claim.large && !caller.gone && !caller.pipelined) caller.onGone(() => claim.release());
    else claim.release();
  }
}

/** The next request of this connection had better go to another worker. */
function lastOf({ headers, ...rest }: PlainAnswer): PlainAnswer {
  return { ...rest, headers: [...headers, 'Connection', 'close'] };
}

/** The request's body; undefined if its caller went away. Throws Failure `event-too-large`, `event-memory-full`. */
export async function readEvent(
  { incoming, claim, caller }: Admitted,
  bodies: BodyMemory,
): Promise<Buffer | undefined> {
  const { bodyBytesMax } = bodies;
  // Node may have read it in one go with the request before it, and so ahead of watch events that
  // preceded it; a turn later they have come (see registry/local.ts).
  if (caller.pipelined) await nextTurn();
  const body = await readBody(incoming, bodyBytesMax, claim);
  switch (body.kind) {
    case 'cut-off':
      return undefined;
    case 'too-large':
      throw new Failure(
        'event-too-large',
        `An event may have ${bodyBytesMax} bytes at most; \`admin setconf\` changes that (event_kb).`,
      );
    case 'no-room': {
      const message = 'The events of other calls take all memory that there is for them; this one was not run.';
      throw new Failure('event-memory-full', message);
    }
    case 'whole':
      return body.bytes;
  }
}
