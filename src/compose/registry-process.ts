/** The registry's server out of its parts. */
import { Failure } from '../config/failure.ts';
import { REGISTRY_GRACE_MS } from '../config/limits.ts';
import type { Settings } from '../config/settings.ts';
import { openLog } from '../lib/log.ts';
import { Scope } from '../lib/scope.ts';
import type { Credentials } from '../lib/signature-v4.ts';
import { validateBundle } from '../registry/bundle.ts';
import { serveRegistry } from '../registry/server/serve.ts';
import { Store } from '../registry/server/store.ts';

export interface RegistryProcess {
  readonly port: number;
  /** Stops accepting, finishes what is in flight within the grace time, then ends. Idempotent. */
  stop(reason: string): Promise<void>;
  /** Resolves if it can serve no longer. */
  readonly failed: Promise<Failure>;
}

export interface RegistryStart {
  /** Of its own. */
  storeDir: string;
  host: string;
  /** 0 takes a free one. */
  port: number;
  keys: Credentials;
  logLevel: Settings['log_level'];
  stdout: NodeJS.WritableStream;
}

/** Resolves when it serves. Rejects with what is wrong, leaving nothing open. */
export async function startRegistryServer(start: RegistryStart): Promise<RegistryProcess> {
  const { storeDir, host, port, keys, logLevel, stdout } = start;
  const log = openLog(stdout, { name: 'registry', level: logLevel });
  const scope = new Scope();
  try {
    const checkBundle = (file: string) => validateBundle(file);
    const store = await Store.open({ dir: storeDir, checkBundle, log, now: Date.now });
    scope.onClose(() => store.close());
    const listener = await serveRegistry({ store, keys, host, port, log });
    scope.onClose(() => listener.close(REGISTRY_GRACE_MS));
    // Those who wait for changes would wait for as long as the listener waits for them.
    scope.onClose(() => store.changes.close());
    log('info', 'registry ready', { host, port: listener.port });
    let stopped: Promise<void> | undefined;
    return {
      port: listener.port,
      stop(reason) {
        log('info', 'registry stopping', { reason });
        stopped ??= scope.close().then(() => log('info', 'registry stopped'));
        return stopped;
      },
      failed: listener.failed.then(
        (cause) => new Failure('worker-failed', `the registry can listen no longer: ${cause.message}`, { cause }),
      ),
    };
  } catch (error) {
    await scope.close();
    throw error;
  }
}
