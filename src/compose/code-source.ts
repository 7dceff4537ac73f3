/** Where a worker's code comes from, by its settings: the one place that names a source. */
import { join } from 'node:path';
import { readRegistryKeys } from '../cluster/registry-keys.ts';
import { Failure } from '../config/failure.ts';
import type { Settings, WorkerSettings } from '../config/settings.ts';
import type { Log } from '../lib/log.ts';
import type { Credentials } from '../lib/signature-v4.ts';
import { LocalSource } from '../registry/local.ts';
import { RemoteSource } from '../registry/remote.ts';
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
  const codeDir = join(settings.worker_dir, 'code');
  const common = { codeDir, terms: settings, earlierMax: settings.code_kept, log, ...listeners };
  if (settings.registry === 'local') return new LocalSource({ ...common, registryDir: settings.registry_dir });
  const credentials = readRegistryKeys(settings.registry_keys_file);
  if (credentials === undefined) {
    throw new Failure('config-invalid', `there is no ${settings.registry_keys_file} with the keys of the registry`, {
      problems: [
        '`admin registry` writes it; for another store: {"access_key": "...", "secret_key": "..."}, mode 0600',
      ],
    });
  }
  return new RemoteSource({
    ...common,
    store: remoteStore(settings, credentials),
    cacheMs: settings.registry_cache_ms,
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
