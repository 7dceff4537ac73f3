/** Kernels in real sandboxes, and what becomes of what they run. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { NO_NETWORK } from '../../src/config/network.ts';
import type { Limits } from '../../src/config/settings.ts';
import type { Engine } from '../../src/sandbox/sandbox.ts';
import { viewOfHost } from '../../src/session/base-view.ts';
import type {
  Bundle,
  ConsoleItem,
  Kernel,
  KernelEvent,
  KernelSpec,
  RaisedError,
  RunRequest,
} from '../../src/session/kernel.ts';
import { OfferedLanguages } from '../../src/session/languages.ts';
import { startKernel } from '../../src/session/sandbox-kernel.ts';
import { type Bench, LIMITS } from './engine-fixture.ts';

export interface Outcome {
  stdout: string;
  stderr: string;
  /** What is neither. */
  others: ConsoleItem[];
  items: ConsoleItem[];
  displays: { bundle: Bundle; execution: boolean }[];
  cut: boolean;
  exitCode: number;
  error: RaisedError | undefined;
  events: KernelEvent[];
}

/** `engine`: instead of the bench's own. */
export type Wish = Partial<Omit<KernelSpec, 'limits'>> & { limits?: Partial<Limits>; engine?: Engine };

/** What this machine has, as a sandbox with it as base sees it. */
export function languagesOn(bench: Bench): OfferedLanguages {
  const etcDir = join(bench.dir, '../base-etc');
  return new OfferedLanguages(viewOfHost(etcDir), { node: process.execPath });
}

export function startOn(
  bench: Bench,
  { limits = {}, language = 'python', engine = bench.engine, ...wish }: Wish = {},
): Promise<Kernel> {
  const spec = {
    session: randomUUID(),
    language,
    env: {},
    packages: undefined,
    network: NO_NETWORK,
    limits: { ...LIMITS, ...limits },
    ...wish,
  };
  return startKernel(engine, spec, languagesOn(bench).runnerFacts(language));
}

/** `answer` is typed, line by line, whenever the code waits for input; `hear` is told each event. */
export function run(
  kernel: Kernel,
  code: string,
  { answer = [] as readonly Line[], hear = (_event: KernelEvent): void => {} } = {},
): Promise<Outcome> {
  return follow(kernel, { mode: 'query', code }, { answer, hear });
}

/** Undefined for the end of input. */
type Line = string | undefined;

/** The same of any request. */
export function follow(
  kernel: Kernel,
  request: RunRequest,
  { answer = [] as readonly Line[], hear = (_event: KernelEvent): void => {} } = {},
): Promise<Outcome> {
  const lines = [...answer];
  return new Promise((resolve) => {
    const events: KernelEvent[] = [];
    kernel.run(request, (event) => {
      events.push(event);
      hear(event);
      if (event.kind === 'waiting-input' && lines.length > 0) kernel.input(lines.shift());
      if (event.kind === 'finished') resolve(outcomeOf(events, event));
    });
  });
}

function outcomeOf(events: KernelEvent[], { exitCode, error }: KernelEvent & { kind: 'finished' }): Outcome {
  const outputs = events.filter((event) => event.kind === 'output');
  const items = outputs.flatMap((event) => event.items);
  const textOf = (stream: string) => items.map(([kind, data]) => (kind === stream ? data : '')).join('');
  return {
    stdout: textOf('stdout'),
    stderr: textOf('stderr'),
    others: items.filter(([kind]) => kind !== 'stdout' && kind !== 'stderr'),
    items,
    displays: events
      .filter((event) => event.kind === 'display')
      .map(({ bundle, execution }) => ({ bundle, execution })),
    cut: outputs.some((event) => event.cut),
    exitCode,
    error,
    events,
  };
}

/** What code has printed, without its last newline. Rejects with the traceback of what it raised. */
export async function printed(kernel: Kernel, code: string): Promise<string> {
  const { stdout, error } = await run(kernel, code);
  if (error !== undefined) throw new Error(error.traceback.join('\n'));
  return stdout.trimEnd();
}
