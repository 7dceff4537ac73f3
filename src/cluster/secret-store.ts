/**
 * The secrets of a cluster and who was granted them, as files:
 *
 *     config/secrets/values/<name>             the value
 *     config/secrets/grants/<lambda>:<name>    an empty file: the grant
 *
 * A grant is a file of its own, so that granting and revoking are one step each, whoever does the same
 * at the same moment, and so that a watch tells whose grants have changed. `:` and `~` are in no name:
 * what a crash left of a write is never taken for a secret.
 */
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  unlinkSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { Failure } from '../config/failure.ts';
import { SECRET_BYTES_MAX, SECRETS_PER_LAMBDA_MAX } from '../config/limits.ts';
import { writeFileAtomic } from '../lib/atomic-write.ts';
import { errnoOf } from '../lib/errno.ts';
import { giveToOwnerOf } from '../lib/give-to-owner.ts';

export const SECRET_NAME_RULE = '1 to 64 of A-Z a-z 0-9 . _ - (but not . or ..)';

/** Lambdas are named by the same rule. */
const NAME = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,64}$/;

export interface Secret {
  name: string;
  /** Lambdas that may read it, by name. */
  grants: string[];
  changed: Date;
}

export interface Grant {
  lambda: string;
  secret: string;
}

export function secretDirs(root: string): [top: string, values: string, grants: string] {
  return [root, join(root, 'values'), join(root, 'grants')];
}

/** Every grant there is. A directory that is not there holds none. */
export function readGrants(root: string): Grant[] {
  const [, , grants] = secretDirs(root);
  return namesIn(grants).flatMap((file) => {
    const [lambda = '', secret = '', ...rest] = file.split(':');
    return NAME.test(lambda) && NAME.test(secret) && rest.length === 0 ? [{ lambda, secret }] : [];
  });
}

export class SecretStore {
  readonly #root: string;
  readonly #values: string;
  readonly #grants: string;

  constructor(root: string) {
    [this.#root, this.#values, this.#grants] = secretDirs(root);
  }

  /** Keeps the value. Lambdas that have been granted the name get the new one from now on. */
  set(name: string, value: Uint8Array): void {
    checkName(name, 'a secret');
    if (value.length === 0) throw new Failure('usage', `the value of ${name} is empty; nothing was stored`);
    if (value.length > SECRET_BYTES_MAX) {
      throw new Failure('usage', `the value of ${name} has more than ${SECRET_BYTES_MAX} bytes; nothing was stored`);
    }
    this.#makeDirs();
    writeFileAtomic(join(this.#values, name), value, 0o600);
    flush(this.#values);
  }

  list(): Secret[] {
    const grants = readGrants(this.#root);
    return namesIn(this.#values)
      .filter((name) => NAME.test(name))
      .sort()
      .flatMap((name) => {
        const stat = statSync(join(this.#values, name), { throwIfNoEntry: false });
        if (stat === undefined) return []; // removed between two looks
        const lambdas = grants.filter(({ secret }) => secret === name).map(({ lambda }) => lambda);
        return [{ name, grants: lambdas.sort(), changed: stat.mtime }];
      });
  }

  /** Removes the secret and every grant of it; says which lambdas had one. */
  remove(name: string): string[] {
    this.#mustExist(name);
    const grants = readGrants(this.#root).filter(({ secret }) => secret === name);
    // The grants first: a secret of that name that comes later must be granted anew.
    for (const grant of grants) unlinkIfThere(this.#grantFile(grant));
    flush(this.#grants);
    for (const file of namesIn(this.#values)) {
      if (file === name || file.startsWith(`${name}~`)) rmSync(join(this.#values, file), { force: true });
    }
    flush(this.#values);
    return grants.map(({ lambda }) => lambda).sort();
  }

  /** False if it was granted already. */
  grant({ lambda, secret }: Grant): boolean {
    checkName(lambda, 'a lambda');
    this.#mustExist(secret);
    this.#makeDirs();
    const others = readGrants(this.#root).filter((grant) => grant.lambda === lambda && grant.secret !== secret);
    if (others.length >= SECRETS_PER_LAMBDA_MAX) {
      throw new Failure('usage', `${lambda} has ${others.length} secrets already; no lambda may have more`);
    }
    try {
      const fd = openSync(this.#grantFile({ lambda, secret }), 'wx', 0o600);
      try {
        giveToOwnerOf(this.#grants, fd);
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') return false;
      throw error;
    }
    flush(this.#grants);
    return true;
  }

  /** False if it was not granted. */
  revoke({ lambda, secret }: Grant): boolean {
    checkName(lambda, 'a lambda');
    checkName(secret, 'a secret');
    const revoked = unlinkIfThere(this.#grantFile({ lambda, secret }));
    if (revoked) flush(this.#grants);
    else this.#mustExist(secret);
    return revoked;
  }

  #grantFile({ lambda, secret }: Grant): string {
    return join(this.#grants, `${lambda}:${secret}`);
  }

  #mustExist(name: string): void {
    checkName(name, 'a secret');
    if (existsSync(join(this.#values, name))) return;
    throw new Failure('secret-missing', `there is no secret ${name}; \`admin secrets list\` says which there are`);
  }

  #makeDirs(): void {
    for (const dir of secretDirs(this.#root)) {
      if (mkdirSync(dir, { recursive: true, mode: 0o700 }) !== undefined) giveToOwnerOf(dirname(dir), dir);
      // Whoever made it, or copied the cluster: it is the operator's alone.
      if ((statSync(dir).mode & 0o077) !== 0) chmodSync(dir, 0o700);
    }
  }
}

function checkName(name: string, what: string): void {
  if (NAME.test(name)) return;
  // Not quoted: it may be a value in the place of a name.
  throw new Failure('name-invalid', `that is not the name of ${what}: a name is ${SECRET_NAME_RULE}`);
}

function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

function unlinkIfThere(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Makes the coming and going of a directory's files outlast a power cut. */
function flush(dir: string): void {
  const fd = openSync(dir, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
