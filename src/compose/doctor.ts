import { checkHost } from './doctor-host.ts';
import { judgeKernel, type Probe, probeKernel } from './doctor-kernel.ts';
import { checkHostNetwork, checkNetwork } from './doctor-network.ts';
import { checkScratch } from './doctor-scratch.ts';
import type { Check } from './machine-check.ts';
import { programDir } from './program-dir.ts';

/** What this machine can do, most fundamental things first. Changes nothing; takes about 0.3 s. */
export async function examineMachine(): Promise<Check[]> {
  const host = await checkHost();
  if (host.python === undefined) return host.checks;
  const probe: Probe | Check = await probeKernel(host.python, programDir());
  const scratch = await checkScratch(host.python, programDir());
  const network = await checkNetwork(host.python, programDir());
  const kernel = 'attempts' in probe ? judgeKernel(probe) : [probe];
  return [...kernel, scratch, network, checkHostNetwork(), ...host.checks];
}

/** Whether lambdas can run. */
export function isFit(checks: readonly Check[]): boolean {
  return checks.every((check) => !check.needed || check.state !== 'missing');
}
