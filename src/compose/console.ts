/** The console out of its parts: the worker behind it, the registry that it edits, the files of its page. */
import { join } from 'node:path';
import type { Settings } from '../config/settings.ts';
import { Assets } from '../console/assets.ts';
import { CodeFiles, type CodePlaces } from '../console/code-files.ts';
import { Pulse } from '../console/pulse.ts';
import type { CallHistory, ConsoleOptions } from '../console/routes.ts';
import { lambdasIn } from './lambda-dirs.ts';
import { programDir } from './program-dir.ts';
import { openRegistry } from './registry-access.ts';

export type ConsoleParts = Omit<ConsoleOptions, 'status'>;

/** Undefined if the settings want none. */
export function openConsole(
  settings: Settings,
  { calls, places }: { calls: CallHistory | undefined; places: Omit<CodePlaces, 'registryDir'> },
): ConsoleParts | undefined {
  if (settings.console === 'off') return undefined;
  const { registry, registry_dir, worker_host: host, console_token: token } = settings;
  return {
    terms: { host, token },
    assets: new Assets(join(programDir(), 'console', 'page')),
    pulse: new Pulse(),
    calls,
    files: new CodeFiles({ ...places, registryDir: registry === 'local' ? registry_dir : undefined }),
    lambdas: async () => (registry === 'local' ? lambdasIn(registry_dir) : namesInRegistry(settings)),
  };
}

/** Throws Failure if the registry can not be asked. */
async function namesInRegistry(settings: Settings): Promise<string[]> {
  const registry = openRegistry(settings, { flags: {}, env: {} });
  try {
    return (await registry.list()).map(({ name }) => name);
  } finally {
    registry.close();
  }
}
