/** Kernels in real sandboxes, and what becomes of what they run. */
import { randomUUID } from 'node:crypto';
import { NO_NETWORK } from '../../src/config/network.ts';
import type { Limits } from '../../src/config/settings.ts';
import type { Bundle, ConsoleItem, Kernel, KernelEvent, KernelSpec, RaisedError } from '../../src/session/kernel.ts';
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

export type Wish = Partial<Omit<KernelSpec, 'limits'>> & { limits?: Partial<Limits> };

export function startOn(bench: Bench, { limits = {}, ...wish }: Wish = {}): Promise<Kernel> {
  return startKernel(bench.engine, {
    session: randomUUID(),
    language: 'python',
    env: {},
    packages: undefined,
    network: NO_NETWORK,
    limits: { ...LIMITS, ...limits },
    ...wish,
  });
}

/** `answer` is typed, line by line, whenever the code waits for input; `hear` is told each event. */
export function run(
  kernel: Kernel,
  code: string,
  { answer = [] as string[], hear = (_event: KernelEvent): void => {} } = {},
): Promise<Outcome> {
  const lines = [...answer];
  return new Promise((resolve) => {
    const events: KernelEvent[] = [];
    kernel.run({ mode: 'query', code }, (event) => {
      events.push(event);
      hear(event);
      if (event.kind === 'waiting-input' && lines.length > 0) kernel.input(lines.shift() as string);
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
