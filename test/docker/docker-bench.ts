/** A real docker engine in a directory of its own, as engine-fixture.ts makes a sock engine. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { startDockerEngine } from '../../src/sandbox/docker/engine.ts';
import type { Engine } from '../../src/sandbox/sandbox.ts';
import { type Bench, benchOf, LIMITS } from '../sandbox/engine-fixture.ts';
import { IMAGE } from './dockerd.ts';

/** `below`: name of the directory in which all others lie. */
export async function startDockerBench({ poolSize = 2, image = IMAGE, below = '' } = {}): Promise<Bench<Engine>> {
  const temp = mkdtempSync(join(tmpdir(), 'isla-docker-engine-'));
  const top = join(temp, below);
  mkdirSync(top, { recursive: true });
  for (const name of ['worker', 'packages', 'code', 'secrets']) mkdirSync(join(top, name), { mode: 0o755 });
  const logged: string[] = [];
  const close = () => rmSync(temp, { recursive: true });
  const engine = await startDockerEngine({
    workerDir: join(top, 'worker'),
    image,
    packagesDir: join(top, 'packages'),
    secretsDir: join(top, 'secrets'),
    programDir: resolve(import.meta.dirname, '../../src'),
    limits: LIMITS,
    poolSize,
    poolMax: poolSize,
    log: (_level, message, facts) => logged.push(`${message} ${JSON.stringify(facts)}`),
  }).catch((error: unknown) => {
    close();
    throw error;
  });
  return benchOf(engine, { top, logged, close });
}

/** Lines of what Docker's own tool prints. */
export function docker(...words: string[]): string[] {
  return execFileSync('docker', words, { encoding: 'utf8' }).split('\n').filter(Boolean);
}

/** What Isla has in the daemon, a line each: containers, whatever their state, and volumes. */
export function inDocker(): string[] {
  const label = ['--filter', 'label=isla.worker'];
  return [
    ...docker('ps', '--all', ...label, '--format', '{{.Names}} {{.State}}'),
    ...docker('volume', 'ls', ...label, '--format', 'volume {{.Name}}'),
  ];
}
