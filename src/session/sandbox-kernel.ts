/** Kernels out of an engine's sandboxes. */
import type { Engine } from '../sandbox/sandbox.ts';
import type { Kernel, KernelSpec } from './kernel.ts';
import { KernelRunner } from './kernel-runner.ts';
import type { RunnerFacts } from './languages.ts';

/** Of what a runner has printed, at most. */
const LAST_WORDS_CHARACTERS_MAX = 300;

/**
 * Rejects as Engine.create does. Resolves before the interpreter has started: what is asked of it meanwhile waits.
 * `runs`: of the spec's language.
 */
export async function startKernel(engine: Engine, spec: KernelSpec, runs: RunnerFacts): Promise<Kernel> {
  const { session, env, packages, limits, network, rewindable = false } = spec;
  const kernel = { ...runs, output_bytes_max: limits.output_kb * 1024, rewindable };
  const printed: Buffer[] = [];
  const sandbox = await engine.create({
    lambda: session,
    instance: 1,
    kernel,
    packages,
    limits,
    env,
    network,
    zygote: true,
    secrets: [],
    // Of the runner, which prints nothing unless it fails.
    onOutput: ({ bytes }) => printed.push(bytes),
  });
  return new KernelRunner(engine, sandbox, () => lastLine(printed)).first;
}

function lastLine(printed: readonly Buffer[]): string {
  const text = Buffer.concat(printed).toString().trim();
  return text.slice(text.lastIndexOf('\n') + 1).slice(0, LAST_WORDS_CHARACTERS_MAX);
}
