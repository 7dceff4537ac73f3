/** What `admin packages` does: installs before anybody calls, shows and removes. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../config/failure.ts';
import type { Settings, WorkerSettings } from '../config/settings.ts';
import type { Log } from '../lib/log.ts';
import { Scope } from '../lib/scope.ts';
import type { Declared } from '../packages/declared.ts';
import type { OnProgress } from '../packages/fetching.ts';
import { type Inventory, type LambdaState, readInventory, readStates } from '../packages/inventory.ts';
import { PackagesPlaces } from '../packages/places.ts';
import { type PrunePlan, planPrune, prune } from '../packages/pruning.ts';
import type { Member } from '../packages/resolution.ts';
import { readCodeFacts } from '../registry/code-facts.ts';
import { parseLambdaName } from '../registry/source.ts';
import { listTree } from '../registry/tree.ts';
import { openSource } from './code-source.ts';
import { lambdasIn } from './lambda-dirs.ts';
import { openPackages, packagesStateDir, pythonsOfMachine } from './packages.ts';
import { programDir } from './program-dir.ts';
import { startEngine } from './worker-engine.ts';

export interface PackagesCluster {
  settings: Settings;
  logsDir: string;
  /** Directory that holds workers' directories. */
  workersDir: string;
  /** Names of the workers whose lambdas count: those that run. */
  workers: readonly string[];
}

/** A package and what it is there for. */
export interface PackageRow {
  name: string;
  version: string;
  sha256: string;
  interpreter: string;
  bytes: number;
  files: number;
  lambdas: string[];
}

/** What one lambda has, or would have. */
export interface LambdaPackagesView {
  lambda: string;
  requirements: readonly string[];
  interpreter: string;
  resolvedAt: string;
  /** Who has chosen: pip or uv, with its version. */
  resolver: string;
  members: readonly Member[];
}

export interface InstallHooks {
  log: Log;
  onProgress: (lambda: string, ...how: Parameters<OnProgress>) => void;
  /** It is done, or why it cannot be; nothing if the lambda needs no packages. */
  onDone: (lambda: string, outcome: 'installed' | 'none' | Failure) => void;
  signal: AbortSignal;
}

/** Installs for these lambdas; for all of the local registry if none is named. */
export async function installPackages(
  cluster: PackagesCluster,
  lambdas: readonly string[],
  hooks: InstallHooks,
): Promise<void> {
  const scope = new Scope();
  try {
    const settings = temporaryWorker(cluster, scope);
    const source = openSource(settings, hooks.log, { onChange: () => {}, onFlood: () => {} });
    scope.onClose(() => source.close());
    const engine = await startEngine(settings, hooks.log);
    scope.onClose(() => engine.close());
    const packages = openPackages(settings, { engine, log: hooks.log, onProgress: hooks.onProgress });
    scope.onClose(() => packages.close());
    hooks.signal.addEventListener('abort', () => void packages.close());
    for (const name of lambdas.length > 0 ? lambdas : lambdasIn(settings.registry_dir)) {
      if (hooks.signal.aborted) return;
      const outcome = await installOne(name).catch((error: unknown) => {
        if (error instanceof Failure && error.code !== 'stopping') return error;
        throw error;
      });
      hooks.onDone(name, outcome);
    }

    async function installOne(text: string): Promise<'installed' | 'none'> {
      const name = parseLambdaName(text);
      const version = name && (await source.current(name));
      if (name === undefined || version === undefined) {
        throw new Failure('lambda-missing', `There is no lambda ${text} in the registry.`);
      }
      source.release(version);
      if (version.declared === undefined) return 'none';
      await packages.obtain(name, version.declared, undefined);
      return 'installed';
    }
  } finally {
    await scope.close();
  }
}

export function listPackages(cluster: PackagesCluster, declared: ReadonlyMap<string, Declared>): PackageRow[] {
  const { inventory, states } = look(cluster);
  return inventory.wheels.map(({ name, version, sha256, interpreter, bytes, files }) => {
    const holds = ({ members }: { members: readonly { sha256: string }[] }) =>
      members.some((one) => one.sha256 === sha256);
    const ofRegistry = [...declared].filter(([, { digest }]) =>
      inventory.resolutions.some(
        (one) => one.digest === digest && one.interpreter === interpreter && holds(one.resolution),
      ),
    );
    const ofWorkers = states.filter(({ resolution }) => resolution.interpreter === interpreter && holds(resolution));
    const lambdas = [
      ...new Set([...ofRegistry.map(([lambda]) => lambda), ...ofWorkers.map(({ lambda }) => lambda)]),
    ].sort();
    return { name, version, sha256, interpreter, bytes, files, lambdas };
  });
}

/** One for each interpreter that they were chosen for. */
export function showPackages(
  cluster: PackagesCluster,
  lambda: string,
  declared: Declared | undefined,
): LambdaPackagesView[] {
  const { inventory, states } = look(cluster);
  const ofRegistry = inventory.resolutions.filter(({ digest }) => digest === declared?.digest);
  const found = ofRegistry.length > 0 ? ofRegistry : states.filter((state) => state.lambda === lambda);
  return found.map(({ resolution }) => {
    const { requirements, interpreter, resolvedAt, pip, uv, members } = resolution;
    const resolver = uv === undefined ? `pip ${pip}` : `uv ${uv}`;
    return { lambda, requirements, interpreter, resolvedAt, resolver, members };
  });
}

/** Removes what no lambda of the registry and of a running worker has; only says what would go if `dry`. */
export async function prunePackages(
  cluster: PackagesCluster,
  declared: Iterable<Declared>,
  dry: boolean,
): Promise<PrunePlan> {
  const digests = new Set([...declared].map(({ digest }) => digest));
  const places = new PackagesPlaces(cluster.settings.packages_dir);
  if (!places.isClaimed) return { sets: [], wheels: [], resolutions: [] };
  if (dry) {
    const { inventory, states } = look(cluster);
    return planPrune(inventory, places, { declared: digests, states });
  }
  const [python] = pythonsOfMachine();
  if (python === undefined) throw new Failure('machine-unfit', 'there is no python3 on this machine');
  const scriptDir = join(programDir(), 'packages/python');
  return prune({ places, stateDirs: stateDirsOf(cluster), declared: digests, python, scriptDir });
}

/** What the lambdas of the local registry say that they need now; those whose files are wrong need nothing. */
export async function declaredInRegistry(settings: Settings): Promise<Map<string, Declared>> {
  const { registry, registry_dir } = settings;
  const found = new Map<string, Declared>();
  if (registry !== 'local') return found;
  for (const lambda of lambdasIn(registry_dir)) {
    try {
      const tree = await listTree(join(registry_dir, lambda), () => {});
      const { root } = tree;
      const { declared } = await readCodeFacts({ dir: root, kept: root, tree }, settings);
      if (declared !== undefined) found.set(lambda, declared);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
    }
  }
  return found;
}

function look(cluster: PackagesCluster): { inventory: Inventory; states: LambdaState[] } {
  const places = new PackagesPlaces(cluster.settings.packages_dir);
  return { inventory: readInventory(places), states: readStates(stateDirsOf(cluster)) };
}

function stateDirsOf({ workersDir, workers }: PackagesCluster): Record<string, string> {
  return Object.fromEntries(workers.map((name) => [name, packagesStateDir(join(workersDir, name))]));
}

/** A worker's directory for the time of the command, in which no sandbox waits. */
function temporaryWorker({ settings, logsDir, workersDir }: PackagesCluster, scope: Scope): WorkerSettings {
  mkdirSync(workersDir, { recursive: true });
  const worker_dir = mkdtempSync(join(workersDir, '.packages-'));
  scope.onClose(() => rmSync(worker_dir, { recursive: true, force: true }));
  return { ...settings, pool_size: 0, pool_max: 0, worker_port: 0, worker_dir, logs_dir: logsDir, pid_file: '' };
}
