/** What is asked of an execution, in the words of the version 4 API, as what a kernel is to do. Pure. */
import { Failure } from '../config/failure.ts';
import type { ExecuteRequest } from './host.ts';
import type { RunRequest } from './kernel.ts';
import { RUN_ID_CHARS_MAX } from './limits.ts';

/** Throws Failure `session-invalid` if there must be one, or it can not be one. */
export function parseRunId({ mode, runId }: ExecuteRequest): string | undefined {
  if (runId === undefined) {
    if (mode === 'query' || mode === 'batch') return undefined;
    throw new Failure('session-invalid', `mode ${mode} needs the runId of an execution`);
  }
  if (runId.length > 0 && runId.length <= RUN_ID_CHARS_MAX) return runId;
  throw new Failure('session-invalid', `a runId has 1 to ${RUN_ID_CHARS_MAX} characters; this one has ${runId.length}`);
}

export function runRequest({ mode, code, options = {} }: ExecuteRequest): RunRequest {
  if (mode === 'query') return { mode, code };
  const { clean, build, exec } = options;
  return { mode: 'batch', clean: clean ?? '', build: build ?? '', exec: exec ?? '' };
}

/** The cursor stands at `row` and `col` of the code, or at its end. */
export function completionRequest({ code, options = {} }: ExecuteRequest): { code: string; cursor: number } {
  const { row, col } = options;
  if (row === undefined || col === undefined) return { code, cursor: code.length };
  const lines = code.split('\n');
  const before = lines.slice(0, row).reduce((chars, line) => chars + line.length + 1, 0);
  return { code, cursor: Math.min(code.length, before + Math.min(col, lines[row]?.length ?? 0)) };
}
