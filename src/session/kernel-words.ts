/** What a sandbox says of its kernels, checked as far as what is done with it needs: it is a stranger's word. */
import { Failure, type FailureCode } from '../config/failure.ts';
import type { Ending } from '../sandbox/sandbox.ts';
import type { Bundle, Completions, ConsoleItem, KernelEnding, KernelEvent, RaisedError } from './kernel.ts';

export const DESTROYED = 'the kernel was ended because somebody asked for it';
export const OUT_OF_MEMORY = 'the kernel took more memory than it may, and was ended';

const CONSOLE_KINDS = new Set(['stdout', 'stderr', 'html', 'log']);

type Said = Record<string, unknown>;

/** Throws if it is no list of events. */
export function parseEvents(body: Buffer): KernelEvent[] {
  const events: unknown = JSON.parse(body.toString());
  if (!Array.isArray(events)) throw new Error('events that are no list');
  return events.map(eventOf);
}

function eventOf(said: Said): KernelEvent {
  switch (said.kind) {
    case 'output':
      return { kind: 'output', items: list(said.items).map(itemOf), cut: said.cut === true };
    case 'display':
      return { kind: 'display', bundle: bundleOf(said.bundle), execution: said.execution === true };
    case 'waiting-input':
      return { kind: 'waiting-input', isPassword: said.isPassword === true };
    case 'stage':
      return { kind: 'stage', stage: stageOf(said.stage), exitCode: integer(said.exitCode) };
    case 'finished': {
      const finished = { kind: 'finished', exitCode: integer(said.exitCode) } as const;
      return said.error === undefined ? finished : { ...finished, error: errorOf(said.error as Said) };
    }
    default:
      throw new Error('an event of no known kind');
  }
}

function itemOf(said: unknown): ConsoleItem {
  const [kind, data] = list(said);
  if (kind === 'media') {
    const [mime, content] = list(data);
    return ['media', [text(mime), text(content)]];
  }
  if (CONSOLE_KINDS.has(kind as string)) return [kind as 'stdout', text(data)];
  throw new Error('an item of a console that is of no known kind');
}

function bundleOf(said: unknown): Bundle {
  if (typeof said !== 'object' || said === null || Array.isArray(said)) throw new Error('a bundle that is none');
  for (const data of Object.values(said)) text(data);
  return said as Bundle;
}

function errorOf({ name, message, traceback }: Said): RaisedError {
  return { name: text(name), message: text(message), traceback: list(traceback).map(text) };
}

function stageOf(said: unknown): 'clean-finished' | 'build-finished' {
  if (said === 'clean-finished' || said === 'build-finished') return said;
  throw new Error('a stage of no known name');
}

/** Of `code`, which was asked about. */
export function completionsOf(said: unknown, code: string): Completions {
  const { completions, start, end } = said as Said;
  const characters = [...code];
  const unitsBefore = (count: unknown) => characters.slice(0, integer(count)).join('').length;
  return { completions: list(completions).map(text), start: unitsBefore(start), end: unitsBefore(end) };
}

const REFUSALS: ReadonlySet<string> = new Set<FailureCode>([
  'session-missing',
  'session-invalid',
  'cannot-fork',
  'path-invalid',
  'file-missing',
  'store-full',
  'sandbox-failed',
]);

/** What something was refused for: a code and a message. */
export function failureOf(said: unknown): Failure {
  const [code, message] = list(said);
  if (!REFUSALS.has(code as string)) return new Failure('sandbox-failed', text(message), { step: 'ask the kernel' });
  return new Failure(code as FailureCode, text(message));
}

/** The end of a sandbox as that of its kernels. `lastWords`: what its runner has printed, if it has. */
export function endingOf(ending: Ending, lastWords: string): KernelEnding {
  switch (ending.cause) {
    case 'out-of-memory':
      return { cause: 'out-of-memory', reason: OUT_OF_MEMORY };
    case 'destroyed':
      return { cause: 'destroyed', reason: DESTROYED };
    case 'exit':
    case 'signal': {
      const how = ending.cause === 'exit' ? `status ${ending.status}` : ending.signal;
      return { cause: 'lost', reason: `what runs the kernel has ended with ${how}${lastWords && `: ${lastWords}`}` };
    }
    default:
      return { cause: 'lost', reason: `the sandbox was lost: ${ending.reason}` };
  }
}

/** The end of a kernel whose sandbox goes on, by its runner's word and what the kernel of the machine has counted. */
export function kernelEndingOf(said: { cause: string; reason: string; oomKilled: boolean | undefined }): KernelEnding {
  const { cause, reason, oomKilled } = said;
  if (cause === 'destroyed') return { cause, reason: DESTROYED };
  if (cause === 'killed' && oomKilled) return { cause: 'out-of-memory', reason: OUT_OF_MEMORY };
  if (cause !== 'killed')
    return { cause: cause === 'signal' ? 'signal' : 'exit', reason: `the kernel has ended: ${reason}` };
  const why = oomKilled === undefined ? ', for want of memory or by one of its own' : ', by one of its own';
  return { cause: 'signal', reason: `the kernel has ended: ${reason}${why}` };
}

function list(said: unknown): unknown[] {
  if (!Array.isArray(said)) throw new Error('what should be a list is none');
  return said;
}

function text(said: unknown): string {
  if (typeof said !== 'string') throw new Error('what should be text is none');
  return said;
}

function integer(said: unknown): number {
  if (!Number.isSafeInteger(said)) throw new Error('what should be a whole number is none');
  return said as number;
}
