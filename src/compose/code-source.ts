/** Where a worker's code comes from, by its settings: the one place that names a source. */
import { join } from 'node:path';
import { readRegistryKeys } from '../cluster/registry-keys.ts';
import { Failure } from '../config/failure.ts';
import type { LambdaSpec } from '../config/lambda-spec.ts';
import type { Settings, WorkerSettings } from '../config/settings.ts';
import type { WholeCode } from '../console/code-files.ts';
import type { Log } from '../lib/log.ts';
import type { Credentials } from '../lib/signature-v4.ts';
import { RegistryClient } from '../registry/client.ts';
import { FunctionBundles } from '../registry/function-bundles.ts';
import type { FunctionStore } from '../registry/functions.ts';
import { LocalSource } from '../registry/local.ts';
import { LocalFunctions } from '../registry/local-functions.ts';
import { RemoteSource } from '../registry/remote.ts';
import { StoreConditions } from '../registry/remote-conditions.ts';
import { RemoteDocuments } from '../registry/remote-documents.ts';
import { RemoteFunctions } from '../registry/remote-functions.ts';
import { StoreObjects } from '../registry/remote-objects.ts';
import { StoreRequests } from '../registry/remote-request.ts';
import type { RemoteStore } from '../registry/remote-store.ts';
import type { CodeSource, CodeVersion, LambdaName } from '../registry/source.ts';

export interface CodeSourceListeners {
  onChange: (lambda: LambdaName) => void;
  /** A lambda's code has been read ahead of any call. */
  onReadAhead?: (version: CodeVersion) => void;
  /** So much has changed that other watches may have missed something. */
  onFlood: () => void;
}

/** Throws Failure `config-invalid` if it is a store, and nobody has said which, or with which keys. */
export function openSource(settings: WorkerSettings, log: Log, listeners: CodeSourceListeners): CodeSource {
  const common = sourceOptions(settings, log, listeners);
  if (settings.registry === 'local') return new LocalSource({ ...common, registryDir: settings.registry_dir });
  const store = keyedStore(settings);
  return new RemoteSource({ ...common, store, cacheMs: settings.registry_cache_ms });
}

/** Where code comes from, and who changes it there. */
export interface Lambdas {
  source: CodeSource;
  functions: FunctionStore & WholeCode;
  close(): Promise<void>;
}

/** As `openSource`, with what an API may change. */
export function openLambdas(settings: WorkerSettings, log: Log, listeners: CodeSourceListeners): Lambdas {
  if (settings.registry === 'local') {
    const source = openSource(settings, log, listeners);
    return { source, functions: new LocalFunctions(settings.registry_dir, settings), close: () => source.close() };
  }
  const [store, cacheMs, terms] = [keyedStore(settings), settings.registry_cache_ms, settings];
  const requests = new StoreRequests(store);
  const documents = new RemoteDocuments({ store, requests, cacheMs, log });
  const dir = join(settings.worker_dir, 'uploads');
  const objects = new StoreObjects(store, requests);
  const bundles = new FunctionBundles({ objects, requests, dir, terms, log });
  let tidied = Promise.resolve();
  const onFound = () => {
    tidied = bundles.tidyNameless();
  };
  const common = sourceOptions(settings, log, listeners);
  const source = new RemoteSource({ ...common, store, requests, documents, cacheMs, onFound });
  const uploads = new RegistryClient(store, { log });
  const functions = new RemoteFunctions({
    conditions: new StoreConditions(store, objects),
    documents,
    bundles,
    uploads,
    terms,
    look: (lambda) => source.function(lambda),
    specOf: (lambda) => specOf(lambda, source),
  });
  const close = async () => {
    const closed = bundles.close();
    uploads.close();
    await source.close();
    await Promise.all([tidied, closed]);
  };
  return { source, functions, close };
}

/** What the current code runs with; undefined if it can not be used, or is not there. */
async function specOf(lambda: LambdaName, source: CodeSource): Promise<LambdaSpec | undefined> {
  try {
    return await withCurrent(lambda, source, async ({ config }) => config);
  } catch (error) {
    if (error instanceof Failure && error.code === 'lambda-invalid') return undefined;
    throw error;
  }
}

/** Has `read` look at the current version, which stays meanwhile; undefined if there is none. */
export async function withCurrent<T>(
  lambda: LambdaName,
  source: CodeSource,
  read: (version: CodeVersion) => Promise<T>,
): Promise<T | undefined> {
  const version = await source.current(lambda);
  if (version === undefined) return undefined;
  try {
    return await read(version);
  } finally {
    source.release(version);
  }
}

function sourceOptions(settings: WorkerSettings, log: Log, listeners: CodeSourceListeners) {
  const codeDir = join(settings.worker_dir, 'code');
  return { codeDir, terms: settings, earlierMax: settings.code_kept, log, ...listeners };
}

function keyedStore(settings: WorkerSettings): RemoteStore {
  const credentials = readRegistryKeys(settings.registry_keys_file);
  if (credentials !== undefined) return remoteStore(settings, credentials);
  throw new Failure('config-invalid', `there is no ${settings.registry_keys_file} with the keys of the registry`, {
    problems: ['`admin registry` writes it; for another store: {"access_key": "...", "secret_key": "..."}, mode 0600'],
  });
}

/** Throws Failure `config-invalid` if nobody has said where it is. */
export function remoteStore(settings: Settings, credentials: Credentials): RemoteStore {
  const { registry_server: server, registry_region: region, registry_bucket: bucket } = settings;
  if (server === '') {
    throw new Failure(
      'config-invalid',
      'registry is "remote" and registry_server is not set; `admin registry` sets it',
    );
  }
  return { server, region, bucket, addressing: settings.registry_addressing, credentials };
}
