/**
 * What `POST /kernel` is told, in the forms of all versions. What a single machine has no use for, such as groups and
 * mounts, is checked and then refused if it asks for something that there is not.
 */
import { NETWORKS, type Network } from '../config/settings.ts';
import { type ApiVersion, isAtLeast } from './api-version.ts';
import { readByteSize } from './byte-size.ts';
import { CREATE_WAIT_S_MAX, ENVIRON_BYTES_MAX } from './limits.ts';
import { invalidParams, type Params, SAYABLE } from './params.ts';

export const TOKEN_PATTERN = /^(?=.{4,64}$)\w[\w.-]*\w$/;
/** Of a shell. */
export const COMMAND = { pattern: SAYABLE, what: 'a command without NUL and half characters' };
const ENVIRON_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

export interface Wanted {
  token: string;
  image: string;
  type: 'interactive' | 'batch';
  tag: string | null;
  startupCommand: string | undefined;
  enqueueOnly: boolean;
  /** 0 for as long as it takes. */
  maxWaitMs: number;
  reuseIfExists: boolean;
  environ: Readonly<Record<string, string>>;
  /** Cores. */
  cpu: number | undefined;
  memoryBytes: number | undefined;
  requirements: string | undefined;
  network: Network | undefined;
  /** In milliseconds; of the key's policy if it is not given. */
  idleTimeoutMs: number | undefined;
  lifetimeMs: number | undefined;
  /** What was before each cell is kept, for one rewind. */
  rewindable: boolean | undefined;
}

/** Throws ApiProblem `invalid-api-params` with all that is wrong. */
export function readWanted(params: Params, version: ApiVersion): Wanted {
  const token = params.requiredText('clientSessionToken', {
    pattern: TOKEN_PATTERN,
    what: 'a token of 4 to 64 letters, digits, dots, dashes and underscores',
  });
  const image = params.requiredText('image|lang', { charsMax: 256 });
  const type = params.choice('type|sessionType', ['interactive', 'batch']) ?? 'interactive';
  for (const names of ['group|groupName|group_name', 'domain|domainName|domain_name']) {
    const name = params.text(names) ?? 'default';
    if (name !== 'default') params.problem(names, `${JSON.stringify(name)} is not there; there is "default"`);
  }
  const tag = params.text('tag', { charsMax: 64, what: 'a text of at most 64 characters' }) ?? null;
  const startupCommand = params.text('startupCommand|startup_command', COMMAND) || undefined;
  if (type === 'batch' && startupCommand === undefined)
    params.problem('startupCommand', 'is required by batch sessions');
  const wanted = {
    token,
    image,
    type,
    tag,
    startupCommand: type === 'batch' ? startupCommand : undefined,
    enqueueOnly: params.flag('enqueueOnly|enqueue_only') ?? false,
    maxWaitMs: (params.number('maxWaitSeconds|max_wait_seconds', { min: 0, max: CREATE_WAIT_S_MAX }) ?? 0) * 1_000,
    reuseIfExists: params.flag('reuseIfExists|reuse_if_exists') ?? true,
    ...readConfig(params.below('config'), version),
  };
  params.check();
  return wanted;
}

type Config = Pick<
  Wanted,
  'environ' | 'cpu' | 'memoryBytes' | 'requirements' | 'network' | 'idleTimeoutMs' | 'lifetimeMs' | 'rewindable'
>;

function readConfig(config: Params, version: ApiVersion): Config {
  const mounts = config.texts('mounts', 64) ?? [];
  if (mounts.length > 0) config.problem('mounts', `there is no folder ${JSON.stringify(mounts[0])}`);
  // Newer clients of the original send it with everything.
  const [mapped] = Object.keys(config.textMap('mount_map|mountMap') ?? {});
  if (mapped !== undefined) config.problem('mount_map', `there is no folder ${JSON.stringify(mapped)}`);
  const size = config.number('cluster_size|clusterSize', { min: 1, max: 1_000 }) ?? 1;
  if (size > 1) config.problem('clusterSize', `${size} containers in a session are not possible; there is 1`);
  const environ = readEnviron(config, 'environ');
  const slots = isAtLeast(version, 'v4.20190315') ? readSlots(config) : readOldSlots(config, version);
  const own = {
    requirements: config.text('requirements'),
    network: config.choice('network', NETWORKS),
    idleTimeoutMs: seconds(config, 'idleTimeout|idle_timeout'),
    lifetimeMs: seconds(config, 'lifetime'),
    rewindable: config.flag('rewindable'),
  };
  config.refuseUnknown();
  return { environ, ...slots, ...own };
}

/** `names` as Params has them. */
export function readEnviron(params: Params, names: string): Record<string, string> {
  const environ = params.textMap(names) ?? {};
  const odd = Object.keys(environ).find((name) => !ENVIRON_NAME.test(name));
  if (odd !== undefined) params.problem(names, `${JSON.stringify(odd)} is no name of a variable`);
  if (!Object.values(environ).every((value) => SAYABLE.test(value)))
    params.problem(names, 'a value has a zero byte, or half a character');
  const bytes = Object.entries(environ).reduce((sum, [name, value]) => sum + Buffer.byteLength(name + value), 0);
  if (bytes > ENVIRON_BYTES_MAX) params.problem(names, `has ${bytes} bytes; ${ENVIRON_BYTES_MAX} are allowed`);
  return environ;
}

type Slots = Pick<Wanted, 'cpu' | 'memoryBytes'>;

function readSlots(config: Params): Slots {
  const group = config.text('scaling_group|scalingGroup') ?? 'default';
  if (group !== 'default') config.problem('scalingGroup', `${JSON.stringify(group)} is not there; there is "default"`);
  const options = config.below('resource_opts|resourceOpts');
  sizeOf(options, 'shmem'); // /dev/shm is a part of the session's memory, whatever is asked for.
  options.refuseUnknown();
  const resources = config.below('resources');
  const cpu = resources.number('cpu', { min: 0.01, max: 1_024, whole: false });
  const memoryBytes = sizeOf(resources, 'mem');
  resources.refuseUnknown();
  return { cpu, memoryBytes };
}

function readOldSlots(config: Params, { major }: ApiVersion): Slots {
  if (major === 1) return { cpu: undefined, memoryBytes: undefined };
  const gibibytes = config.number('instanceMemory', { min: 0.001, max: 65_536, whole: false });
  const cpu = config.number('instanceCores', { min: 0.01, max: 1_024, whole: false });
  for (const slot of ['instanceGPUs', 'instanceTPUs']) {
    if ((config.number(slot, { min: 0, max: 1_024, whole: false }) ?? 0) > 0) config.problem(slot, 'there are none');
  }
  return { cpu, memoryBytes: gibibytes === undefined ? undefined : Math.floor(gibibytes * 1_024 ** 3) };
}

function sizeOf(params: Params, name: string): number | undefined {
  const value = params.value(name);
  if (value === undefined) return undefined;
  const bytes = readByteSize(value);
  if (bytes === undefined) params.problem(name, `${JSON.stringify(value)} is not a size such as "256m"`);
  return bytes;
}

function seconds(params: Params, names: string): number | undefined {
  const value = params.number(names, { min: 0, max: 31_536_000, whole: false });
  return value === undefined ? undefined : Math.round(value * 1_000);
}

/** The token of a path. Throws ApiProblem `invalid-api-params`. */
export function checkToken(token: string): string {
  if (!TOKEN_PATTERN.test(token))
    throw invalidParams(`${JSON.stringify(token)} is not a token of a session, which has 4 to 64 of A-Z a-z 0-9 _ . -`);
  return token;
}
