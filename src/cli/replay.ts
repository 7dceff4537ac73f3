/** A kept call's event once more, and whether the answer is the same. */
import { type Invoked, invoke } from '../cluster/invoke.ts';
import { Failure } from '../config/failure.ts';
import { plainLines } from '../lib/plain-text.ts';
import type { WholeCall } from './call-report.ts';
import { clusterOf } from './cluster-flag.ts';
import type { CommandCall } from './command.ts';
import { EXIT, exitCodeOfAnswer } from './exit-codes.ts';
import { typedErrorOf } from './typed-error.ts';

/** Returns the exit code. Throws Failure if the event is not kept, or no worker can be asked. */
export async function replay(call: CommandCall, kept: WholeCall): Promise<number> {
  const { flags } = call;
  const { event, lambda } = kept;
  if (event === null) {
    throw new Failure('usage', `the event of this call has ${kept.eventBytes} bytes, which is more than is kept`);
  }
  const worker = flags.worker as number | undefined;
  const invoked = await invoke({ layout: clusterOf(call), lambda, event, worker, waitMs: undefined });
  const verdict = judge(kept, invoked);
  if (flags.json) call.caller.stdout.write(`${factsOf(kept, invoked, verdict)}\n`);
  else say(call, kept, verdict);
  return verdict.exitCode;
}

interface Verdict {
  exitCode: number;
  same: boolean;
  now: string;
  before: string;
}

function judge(kept: WholeCall, { heard }: Invoked): Verdict {
  if (heard.kind === 'silent') return { exitCode: EXIT.timeout, same: false, now: heard.reason, before: wordsOf(kept) };
  const { httpStatus, body } = heard;
  const answered = body.toString('utf8').trim();
  if (httpStatus === 200) {
    const same = kept.outcome === 'result' && kept.result !== null && textOf(kept.result) === answered;
    return { exitCode: same ? EXIT.ok : EXIT.failed, same, now: answered, before: wordsOf(kept) };
  }
  const { errorType = `HTTP status ${httpStatus}`, errorMessage = '' } = typedErrorOf(body);
  const exitCode = exitCodeOfAnswer(httpStatus, errorType);
  // Tracebacks and request ids differ from call to call.
  return { exitCode, same: errorType === kept.errorType, now: `${errorType}: ${errorMessage}`, before: wordsOf(kept) };
}

function wordsOf({ outcome, errorType, result, resultBytes }: WholeCall): string {
  if (outcome !== 'result') return errorType ?? outcome;
  return result === null ? `(${resultBytes} bytes; longer than is kept)` : textOf(result);
}

function say({ caller, paint }: CommandCall, kept: WholeCall, { same, now, before }: Verdict): void {
  caller.stdout.write(`${plainLines(now).join('\n')}\n`);
  if (same) caller.stderr.write(`${paint('green', 'the same')} as ${kept.requestId}\n`);
  else
    caller.stderr.write(
      `${paint('red', 'not the same')} as ${kept.requestId}, which was:\n${plainLines(before).join('\n')}\n`,
    );
}

function factsOf(kept: WholeCall, { worker, heard }: Invoked, { same, now, before }: Verdict): string {
  const requestId = heard.kind === 'answer' ? (heard.headers['x-request-id'] ?? null) : null;
  const { lambda, version } = kept;
  return JSON.stringify({ lambda, worker, of: kept.requestId, version, request_id: requestId, same, now, before });
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8').trim();
}
