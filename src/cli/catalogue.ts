/** Every command, its one line, and where its module is; a module is loaded when its command is meant. */
import type { CommandModule } from './command.ts';

export interface CatalogueEntry {
  readonly name: string;
  readonly about: string;
  readonly load: () => Promise<CommandModule>;
}

export const CATALOGUE: readonly CatalogueEntry[] = [
  { name: 'new', about: 'make a cluster directory', load: () => import('./commands/new.ts') },
  { name: 'setconf', about: "change settings in a cluster's template", load: () => import('./commands/setconf.ts') },
  {
    name: 'base',
    about: 'choose what sandboxes see as their system: this machine, a tarball or an image',
    load: () => import('./commands/base.ts'),
  },
  {
    name: 'secrets',
    about: 'keep secrets, and say which lambdas may read them',
    load: () => import('./commands/secrets.ts'),
  },
  {
    name: 'upload',
    about: 'put a lambda into the registry, as a new version',
    load: () => import('./commands/upload.ts'),
  },
  {
    name: 'lambdas',
    about: 'list the lambdas in the registry and their versions, roll back, delete',
    load: () => import('./commands/lambdas.ts'),
  },
  {
    name: 'packages',
    about: 'install, list and remove the Python packages of lambdas',
    load: () => import('./commands/packages.ts'),
  },
  { name: 'workers', about: 'start workers in the background', load: () => import('./commands/workers.ts') },
  { name: 'worker-exec', about: 'run one worker in the foreground', load: () => import('./commands/worker-exec.ts') },
  {
    name: 'registry',
    about: 'start the registry in the background, check it, tidy it up',
    load: () => import('./commands/registry.ts'),
  },
  {
    name: 'registry-exec',
    about: 'run the registry in the foreground',
    load: () => import('./commands/registry-exec.ts'),
  },
  {
    name: 'gateway',
    about: 'start the gateway of live code sessions in the background',
    load: () => import('./commands/gateway.ts'),
  },
  {
    name: 'gateway-exec',
    about: 'run the gateway in the foreground',
    load: () => import('./commands/gateway-exec.ts'),
  },
  { name: 'dev', about: 'serve lambdas where they are edited, and watch', load: () => import('./commands/dev.ts') },
  { name: 'invoke', about: 'call a lambda and print its result', load: () => import('./commands/invoke.ts') },
  {
    name: 'bench',
    about: 'call a lambda at a given rate and say how long calls took',
    load: () => import('./commands/bench.ts'),
  },
  {
    name: 'session',
    about: 'make live code sessions, run code in them, type into them',
    load: () => import('./commands/session.ts'),
  },
  { name: 'run', about: 'run a file as a program in a sandbox of its own', load: () => import('./commands/run.ts') },
  {
    name: 'async',
    about: 'list asynchronous calls and dead letters, run those again or remove them',
    load: () => import('./commands/async.ts'),
  },
  {
    name: 'schedules',
    about: 'list when lambdas are called by schedule, next and last',
    load: () => import('./commands/schedules.ts'),
  },
  { name: 'status', about: 'ask workers how they are, list sandboxes', load: () => import('./commands/status.ts') },
  { name: 'ps', about: 'list workers and the instances of all lambdas', load: () => import('./commands/ps.ts') },
  {
    name: 'top',
    about: 'watch workers and lambdas: rates, instances, memory',
    load: () => import('./commands/top.ts'),
  },
  {
    name: 'zygotes',
    about: 'draw the import cache: what zygotes hold, and what that saves',
    load: () => import('./commands/zygotes.ts'),
  },
  {
    name: 'logs',
    about: 'show what handlers print and what became of calls',
    load: () => import('./commands/logs.ts'),
  },
  {
    name: 'calls',
    about: 'list, show and replay calls that were kept; what they would have cost elsewhere',
    load: () => import('./commands/calls.ts'),
  },
  { name: 'kill', about: 'stop all workers and everything below them', load: () => import('./commands/kill.ts') },
  {
    name: 'install',
    about: 'make the workers of a cluster services of systemd',
    load: () => import('./commands/install.ts'),
  },
  {
    name: 'doctor',
    about: 'say what this machine can do and what it lacks',
    load: () => import('./commands/doctor.ts'),
  },
  {
    name: 'completion',
    about: 'print a script with which a shell completes command lines',
    load: () => import('./commands/completion.ts'),
  },
];

/** Commands of OpenLambda that are not in this version: better said than guessed at. */
export const LATER: readonly string[] = ['rethinkdb', 'nginx'];
