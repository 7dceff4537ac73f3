import { checkDocker, type DockerWish } from './doctor-docker.ts';
import { checkHost } from './doctor-host.ts';
import { judgeKernel, type Probe, probeKernel } from './doctor-kernel.ts';
import { checkHostNetwork, checkNetwork } from './doctor-network.ts';
import { checkScratch } from './doctor-scratch.ts';
import type { Check } from './machine-check.ts';
import { programDir } from './program-dir.ts';

/** What this machine can do, most fundamental things first. Changes nothing; takes about 0.5 s. */
export async function examineMachine(wish: DockerWish): Promise<Check[]> {
  const host = await checkHost();
  const docker = await checkDocker(wish);
  if (host.python === undefined) return [...host.checks, ...docker];
  const probe: Probe | Check = await probeKernel(host.python, programDir());
  const scratch = await checkScratch(host.python, programDir());
  const network = await checkNetwork(host.python, programDir());
  const kernel = 'attempts' in probe ? judgeKernel(probe) : [probe];
  const sandboxes = [...kernel, scratch, network, checkHostNetwork()];
  return [...(wish.needed ? sandboxes.map(notNeeded) : sandboxes), ...host.checks, ...docker];
}

/** Where lambdas run in containers. */
function notNeeded(check: Check): Check {
  return { ...check, needed: false };
}

/** Whether lambdas can run. */
export function isFit(checks: readonly Check[]): boolean {
  return checks.every((check) => !check.needed || check.state !== 'missing');
}
