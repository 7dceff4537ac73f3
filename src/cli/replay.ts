/** A kept call's event once more, and whether the answer is the same. */
import { type Invoked, invoke } from '../cluster/invoke.ts';
import { Failure } from '../config/failure.ts';
import { plainLines } from '../lib/plain-text.ts';
import type { WholeCall } from './call-report.ts';
import { clusterOf } from './cluster-flag.ts';
import type { CommandCall } from './command.ts';
import { EXIT, exitCodeOfAnswer } from './exit-codes.ts';
import { typedErrorOf } from './typed-error.ts';

/** Digests of the code that calls of a lambda ran on and that begin so, as far as that worker's calls are kept. */
export type KnownVersions = (worker: string, lambda: string, begin: string) => Promise<readonly string[]>;

/** Returns the exit code. Throws Failure if the event or the version is not kept, or no worker can be asked. */
export async function replay(call: CommandCall, kept: WholeCall, versions: KnownVersions): Promise<number> {
  const { flags } = call;
  const { event } = kept;
  if (event === null) {
    throw new Failure('usage', `the event of this call has ${kept.eventBytes} bytes, which is more than is kept`);
  }
  const layout = clusterOf(call);
  const target = await targetOf(call, kept, versions);
  const worker = (flags.worker as number | undefined) ?? target.worker;
  const invoked = await invoke({ layout, lambda: target.name, event, worker, waitMs: undefined });
  if (flags.version !== undefined && isGone(invoked)) throw gone(target.name, invoked.worker);
  const verdict = judge(kept, invoked);
  if (flags.json) call.caller.stdout.write(`${factsOf(kept, invoked, verdict)}\n`);
  else say(call, kept, verdict);
  return verdict.exitCode;
}

/** What is to be called, and by which worker, if not by any. */
interface Target {
  name: string;
  worker: number | undefined;
}

const NUMBER = /^[1-9][0-9]{0,8}$/;
const DIGEST_BEGIN = /^[0-9a-f]{4,64}$/;

/** A published version is on all workers, code by its digest on the one that ran it. Throws Failure. */
async function targetOf(call: CommandCall, kept: WholeCall, versions: KnownVersions): Promise<Target> {
  const asked = call.flags.version as string | undefined;
  if (asked === undefined) return { name: kept.lambda, worker: undefined };
  const [lambda = '', published] = kept.lambda.split('~');
  if (NUMBER.test(asked)) return { name: `${lambda}~${asked}`, worker: undefined };
  const worker = Number(kept.worker.replace(/^.*-/, ''));
  if (asked === 'same') {
    // What was published never changes; and what no instance had, ran on nothing.
    if (published !== undefined && NUMBER.test(published)) return { name: kept.lambda, worker: undefined };
    if (kept.version === null) throw new Failure('usage', 'this call was given to no instance: it ran on no version');
    return { name: `${lambda}~${kept.version}`, worker };
  }
  if (!DIGEST_BEGIN.test(asked)) {
    const forms = 'the number of a published version, `same`, or the begin of a digest (4 or more of 0-9 a-f)';
    throw new Failure('usage', `--version: ${JSON.stringify(asked)} is not ${forms}`);
  }
  const where = `of the calls of ${lambda} that ${kept.worker} keeps`;
  const digest = theOne(await versions(kept.worker, lambda, asked), { begin: asked, where });
  return { name: `${lambda}~${digest}`, worker };
}

/** `where` says whose they are. Throws Failure unless there is exactly one. */
function theOne(digests: readonly string[], { begin, where }: { begin: string; where: string }): string {
  const [digest, ...more] = digests;
  if (digest !== undefined && more.length === 0) return digest;
  if (digest === undefined) throw new Failure('lambda-missing', `none ${where} ran on a version ${begin}...`);
  throw new Failure('usage', `more than one version ${where} begins with ${begin}`, { problems: digests });
}

function isGone({ heard }: Invoked): boolean {
  return heard.kind === 'answer' && heard.httpStatus === 404;
}

function gone(name: string, worker: string): Failure {
  const [lambda, version = ''] = name.split('~');
  return new Failure('lambda-missing', `${worker} has no code of version ${version} of ${lambda} any more`, {
    problems: [
      NUMBER.test(version)
        ? '`aws lambda list-versions-by-function` lists those that were published'
        : 'a worker keeps the code of the last versions ("code_kept", `admin setconf`) as long as it runs; what is published stays',
    ],
  });
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
