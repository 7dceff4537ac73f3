/**
 * The rooms of src/ and what each may import: the table of the design as data. A name is a folder
 * below src (its own folder is always allowed, a folder with a room of its own inside is another
 * room) or, with a file's name, just that file.
 */
const ENGINES = ['sandbox/sock', 'sandbox/docker'];

const FEATURES = [
  'lib',
  'config',
  'runtime',
  'http',
  'sandbox',
  'packages',
  'registry',
  'import-cache',
  'worker',
  'aws',
  'http-functions',
  'console',
  'cluster',
  'session',
  'gateway',
  'agent',
  'store',
  'client',
  'async',
  'schedule',
];

export const ROOMS: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  config: ['lib'],
  runtime: ['lib'],
  http: ['lib', 'config'],
  sandbox: ['lib', 'config'],
  'sandbox/sock': ['sandbox', 'lib', 'config'],
  'sandbox/docker': ['sandbox', 'lib', 'config'],
  packages: ['lib', 'config', 'http'],
  registry: ['lib', 'config', 'http', 'packages/declared', 'store/database'],
  'import-cache': ['sandbox', 'lib', 'config'],
  worker: ['sandbox', 'registry/source', 'packages/store', 'http', 'config', 'lib'],
  aws: ['async/queue', 'worker', 'registry/source', 'registry/functions', 'http', 'config', 'lib'],
  'http-functions': ['worker', 'registry/source', 'http', 'config', 'lib'],
  console: ['worker', 'registry/source', 'http', 'config', 'lib'],
  cluster: ['config', 'lib'],
  session: ['sandbox', 'http', 'config', 'lib'],
  store: ['config', 'lib'],
  schedule: ['store', 'registry/source', 'config', 'lib'],
  async: ['store', 'worker', 'registry/source', 'http', 'config', 'lib'],
  client: ['config', 'lib'],
  'single-file': [],
  gateway: ['store', 'session', 'http', 'config', 'lib'],
  agent: ['store', 'session', 'http', 'config', 'lib'],
  compose: [...FEATURES, ...ENGINES],
  cli: ['cluster', 'config', 'registry/client', 'registry/source', 'client', 'lib'],
  'cli/commands': ['compose', 'cli', 'cluster', 'config', 'registry/client', 'registry/source', 'client', 'lib'],
  'main.ts': ['cli', 'cli/commands', 'config', 'lib'],
};

/** Rooms that only these may import, whatever the table says. */
export const RESERVED: Readonly<Record<string, readonly string[]>> = {
  compose: ['cli/commands'],
  'sandbox/sock': ['compose'],
  'sandbox/docker': ['compose'],
};

/**
 * Parts of one room that the rest of it may import and that may import it: commands are a drawer of
 * the cli, apart only because they alone may reach compose.
 */
export const ONE_ROOM: readonly (readonly string[])[] = [['cli', 'cli/commands']];

/** Packages that are slow to load or may be missing: only ever `await import(...)`, and only here. */
export const LAZY_PACKAGES: Readonly<Record<string, readonly string[]>> = {
  dockerode: ['sandbox/docker'],
  'better-sqlite3': ['store'],
  ws: ['agent', 'gateway', 'client'],
};

/** Names under which everything ends up. */
export const BANNED_FILES = /^(index|types|utils?|helpers?|manager|common|misc)\.(ts|py)$/;

export const FILE_LINES_MAX = 300;
