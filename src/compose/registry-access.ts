/** A cluster's registry for those who upload to it and manage what is in it. */
import { mkdtempSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { givenKeys, readRegistryKeys } from '../cluster/registry-keys.ts';
import { Failure } from '../config/failure.ts';
import type { LambdaTerms } from '../config/lambda-spec.ts';
import type { Settings } from '../config/settings.ts';
import { errnoWords } from '../lib/errno.ts';
import { type BundleFacts, validateBundle } from '../registry/bundle.ts';
import { packDirectory } from '../registry/bundle-pack.ts';
import { RegistryClient } from '../registry/client.ts';
import { remoteStore } from './code-source.ts';

/** What was given with a command, of which `accessKey` and `secretKey` count, and in the environment. */
export interface RegistryWish {
  flags: Readonly<Record<string, unknown>>;
  env: Readonly<Record<string, string | undefined>>;
}

/**
 * Keys come from flags, else the environment, else the cluster. Throws Failure `config-invalid` if there are
 * none, or the cluster has no registry but its directory.
 */
export function openRegistry(settings: Settings, { flags, env }: RegistryWish): RegistryClient {
  const credentials = givenKeys(flags, env) ?? readRegistryKeys(settings.registry_keys_file);
  if (settings.registry === 'local') throw noStore(settings);
  if (credentials === undefined) {
    throw new Failure('config-invalid', 'the keys of the registry are not known', {
      problems: [
        'give --access-key and --secret-key, or ISLA_REGISTRY_ACCESS_KEY and ISLA_REGISTRY_SECRET_KEY,',
        `or keep them in ${settings.registry_keys_file}`,
      ],
    });
  }
  return new RegistryClient(remoteStore(settings, credentials));
}

function noStore({ registry_dir }: Settings): Failure {
  return new Failure('config-invalid', `the lambdas of this cluster are the directories in ${registry_dir}`, {
    problems: [
      'edit them there; uploads, versions and the like need a registry: `admin registry` starts one, or name one with `admin setconf`',
    ],
  });
}

export interface PreparedBundle {
  file: string;
  facts: BundleFacts;
  /** Removes what was made for it. */
  close(): Promise<void>;
}

/** A bundle as it is, or a directory packed; judged either way. Throws Failure `usage` or `lambda-invalid`. */
export async function prepareBundle(path: string, terms: LambdaTerms): Promise<PreparedBundle> {
  if (!isDirectory(path)) return { file: path, facts: await validateBundle(path, { terms }), close: async () => {} };
  const temporary = mkdtempSync(join(tmpdir(), 'isla-upload-'));
  const close = () => rm(temporary, { recursive: true, force: true });
  try {
    const file = join(temporary, 'bundle.tar.gz');
    await packDirectory(path, file);
    return { file, facts: await validateBundle(file, { terms }), close };
  } catch (error) {
    await close();
    throw error;
  }
}

function isDirectory(path: string): boolean {
  try {
    const stats = statSync(path);
    if (!stats.isDirectory() && !stats.isFile())
      throw new Failure('usage', `${path} is neither a file nor a directory`);
    return stats.isDirectory();
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure('usage', `can not read ${path}: ${errnoWords(error)}`, { cause: error });
  }
}
