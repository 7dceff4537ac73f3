/**
 * `/stream/kernel/:token/execute`: the client says what to run and hears of it as it happens; while the program waits for
 * input, what the client sends is the line. An execution that the client has named goes on when the client has gone, and
 * can be watched again: `{"mode": "continue", "runId": …, "options": {"after": …}}`. One without a name is interrupted, as
 * the original does it: nobody could come back to it.
 */
import { isPlain } from '../../config/parse.ts';
import type { ExecuteResult, RunStream, SessionHost, StreamRequest } from '../../session/host.ts';
import { apiProblemOf } from '../api-problem.ts';
import type { ApiVersion } from '../api-version.ts';
import { readExecution } from '../execute-routes.ts';
import { invalidParams, Params } from '../params.ts';
import type { ClientSocket } from './socket.ts';

interface Streamed {
  id: string;
  host: SessionHost;
  version: ApiVersion;
}

export function streamExecution(socket: ClientSocket, { id, host, version }: Streamed): void {
  let run: RunStream | undefined;
  /** Lines that came before the run had begun. */
  const early: string[] = [];
  /** What came after its last frame: the client has heard of the end sooner than we. */
  const next: string[] = [];
  let isNamed = false;
  let isOver = false;
  let state: 'idle' | 'starting' | 'running' | 'closed' = 'idle';

  const begin = async (first: string): Promise<void> => {
    state = 'starting';
    const { request, keepOpen } = readFirst(first, version);
    isNamed = request.runId !== undefined;
    isOver = false;
    const started = await host.stream(id, request, (frame) => {
      isOver = frame.status === 'finished' || frame.status === 'exec-timeout';
      return socket.send(frameOf(frame));
    });
    if ((state as string) === 'closed') {
      if (!isNamed) started.interrupt();
      return started.leave();
    }
    run = started;
    state = 'running';
    for (const line of early.splice(0)) run.input(line);
    await started.done;
    run = undefined;
    if (state !== 'running') return;
    if (!keepOpen) return end();
    state = 'idle';
    const text = next.shift();
    if (text !== undefined) void begin(text).catch(fail);
  };
  const fail = (error: unknown): void => {
    const { title, facts } = apiProblemOf(error);
    socket.send({ status: 'error', msg: facts.detail ?? title, title });
    end();
  };
  /** What comes until the client has closed its side is nobody's. */
  const end = (): void => {
    state = 'closed';
    socket.close();
  };
  socket.onMessage((text) => {
    if (state === 'closed') return;
    if (state === 'idle') begin(text).catch(fail);
    else if (isOver) next.push(text);
    else if (state === 'starting') early.push(text);
    else run?.input(text);
  });
  socket.onDrained(() => run?.goOn());
  socket.onClosed(() => {
    state = 'closed';
    if (!isNamed) run?.interrupt();
    run?.leave();
  });
}

/** Throws ApiProblem `invalid-api-params`. */
function readFirst(text: string, version: ApiVersion): { request: StreamRequest; keepOpen: boolean } {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    throw invalidParams('The first message is not JSON');
  }
  if (!isPlain(raw)) throw invalidParams('The first message is not a JSON object');
  const params = new Params(raw);
  const keepOpen = params.flag('keepOpen') ?? false;
  const request = readExecution(params, version);
  const { mode } = request;
  if (mode === 'input' || mode === 'complete') throw invalidParams(`mode: ${mode} is not possible here`);
  return { request: { ...request, mode }, keepOpen };
}

function frameOf(frame: ExecuteResult): object {
  const { status, console, exitCode, options, files, ...own } = frame;
  return { status, console, exitCode, options, files, ...own };
}
