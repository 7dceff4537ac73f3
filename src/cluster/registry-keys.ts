/** The pair of keys that the registry knows and its clients sign with: who may say it, and the file that keeps it. */
import { randomBytes } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { Failure } from '../config/failure.ts';
import { isPlain } from '../config/parse.ts';
import { writeFileAtomic } from '../lib/atomic-write.ts';
import { shellQuote } from '../lib/shell-quote.ts';
import { readJson } from './config-file.ts';

export interface RegistryKeys {
  accessKey: string;
  secretKey: string;
}

/** It stands between slashes and commas in every signed request. */
const ACCESS_KEY = /^[A-Za-z0-9._-]{1,128}$/;
/** Printable ASCII without blanks. */
const SECRET_KEY = /^[!-~]{1,256}$/;

/**
 * What was given with the command, else in the environment as `ISLA_REGISTRY_ACCESS_KEY` and
 * `ISLA_REGISTRY_SECRET_KEY`; undefined if neither. Half a pair is a Failure `usage`.
 */
export function givenKeys(
  flags: Readonly<Record<string, unknown>>,
  env: Readonly<Record<string, string | undefined>>,
): RegistryKeys | undefined {
  const accessKey = (flags.accessKey as string | undefined) ?? (env.ISLA_REGISTRY_ACCESS_KEY || undefined);
  const secretKey = (flags.secretKey as string | undefined) ?? (env.ISLA_REGISTRY_SECRET_KEY || undefined);
  if (accessKey === undefined && secretKey === undefined) return undefined;
  if (accessKey === undefined || secretKey === undefined) {
    const [lacks, has] = accessKey === undefined ? ['access', 'secret'] : ['secret', 'access'];
    throw new Failure(
      'usage',
      `there is a ${has} key and no ${lacks} key: give --${lacks}-key or ISLA_REGISTRY_${lacks.toUpperCase()}_KEY, too`,
    );
  }
  const problem = keysProblem(accessKey, secretKey);
  if (problem !== undefined) throw new Failure('usage', problem);
  return { accessKey, secretKey };
}

/** Undefined if there is no such file. Throws Failure `config-invalid` if it is another one, or others may read it. */
export function readRegistryKeys(file: string): RegistryKeys | undefined {
  if (!existsSync(file)) return undefined;
  if ((statSync(file).mode & 0o077) !== 0) {
    throw new Failure('config-invalid', `${file} holds a secret that others may read: chmod 600 ${shellQuote(file)}`);
  }
  const raw = readJson(file);
  const { access_key: accessKey, secret_key: secretKey } = isPlain(raw) ? raw : {};
  if (typeof accessKey !== 'string' || typeof secretKey !== 'string') {
    throw new Failure('config-invalid', `${file} is not {"access_key": "...", "secret_key": "..."}`);
  }
  const problem = keysProblem(accessKey, secretKey);
  if (problem !== undefined) throw new Failure('config-invalid', `${file}: ${problem}`);
  return { accessKey, secretKey };
}

/** Readable by the owner alone. */
export function writeRegistryKeys(file: string, { accessKey, secretKey }: RegistryKeys): void {
  const text = JSON.stringify({ access_key: accessKey, secret_key: secretKey }, null, 2);
  writeFileAtomic(file, `${text}\n`, 0o600);
}

/** As long as those of AWS, and as hard to guess. */
export function generateKeys(): RegistryKeys {
  return {
    accessKey: `ISLA${randomBytes(8).toString('hex').toUpperCase()}`,
    secretKey: randomBytes(30).toString('hex'),
  };
}

/** Never says the secret. */
function keysProblem(accessKey: string, secretKey: string): string | undefined {
  if (!ACCESS_KEY.test(accessKey)) return 'an access key is 1 to 128 of A-Z a-z 0-9 . _ -';
  if (!SECRET_KEY.test(secretKey)) return 'a secret key is 1 to 256 printable ASCII characters without blanks';
  return undefined;
}
