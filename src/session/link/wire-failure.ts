/** Failures as they go over the wire. */
import { Failure, type FailureCode } from '../../config/failure.ts';

interface WireFailure {
  code: FailureCode;
  message: string;
  step?: string | undefined;
  problems?: readonly string[];
}

/** What nobody foresaw keeps its message to itself: the log where it happened has it. */
export function wireFailure(error: unknown): WireFailure {
  if (!(error instanceof Failure))
    return { code: 'worker-failed', message: 'the agent failed at it; its log says why' };
  const { code, message, step, problems } = error;
  return { code, message, step, problems };
}

export function failureOf(said: unknown): Failure {
  const { code, message, step, problems } = (said ?? {}) as Partial<WireFailure>;
  return new Failure(code ?? 'worker-failed', message ?? 'the agent failed at it', {
    ...(step === undefined ? {} : { step }),
    ...(problems === undefined ? {} : { problems }),
  });
}
