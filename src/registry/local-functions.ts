/**
 * Lambdas that are made and changed through an API, in a registry that is a directory.
 *
 * The code of each lies in a directory of its own below `~functions`, a name that no lambda can have, and the lambda is a
 * link to it: turning the link elsewhere is one step, so that no call finds half of a change, or nothing. A directory that
 * somebody has put there by hand is his, and left alone.
 */
import { createHash, randomUUID } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../config/failure.ts';
import { parseHandlerName } from '../config/handler-name.ts';
import { LAMBDA_FILE, type LambdaSpec, type LambdaTerms, parseLambdaSpec } from '../config/lambda-spec.ts';
import { isPlain } from '../config/parse.ts';
import { writeFileAtomic } from '../lib/atomic-write.ts';
import { errnoOf } from '../lib/errno.ts';
import { unpackBundle } from './bundle.ts';
import { handlerFileOf } from './handler-files.ts';
import { type LambdaName, parseLambdaName } from './source.ts';

const HOME = '~functions';
const FACTS_FILE = 'function.json';

/** What its maker has said of a function, and what is not in its code. */
export interface FunctionFacts {
  description?: string;
  role?: string;
  runtime?: string;
  /** Of the code as it came: SHA-256 in base64, and bytes. */
  codeSha256?: string;
  codeSize?: number;
}

/** What of `lambda.json` was said apart from the code. */
export interface FunctionWishes {
  handler?: string;
  timeout_ms?: number;
  memory_mb?: number;
  env?: Record<string, string>;
}

export interface FunctionChange {
  facts: FunctionFacts;
  wishes: FunctionWishes;
}

export interface FunctionRecord {
  lambda: LambdaName;
  facts: FunctionFacts;
  /** What it runs with; what any lambda runs with if its own file is wrong. */
  spec: LambdaSpec;
  modifiedMs: number;
}

/** All throw Failure `lambda-invalid`, with what is wrong with code or wishes, `lambda-missing` and `conflict`. */
export class LocalFunctions {
  readonly #registryDir: string;
  readonly #terms: LambdaTerms;
  #last: Promise<void> = Promise.resolve();

  constructor(registryDir: string, terms: LambdaTerms) {
    this.#registryDir = registryDir;
    this.#terms = terms;
  }

  /** By name, those included that are plain directories. */
  list(): FunctionRecord[] {
    const names = readdirSync(this.#registryDir).flatMap((name) => parseLambdaName(name) ?? []);
    return names.sort().flatMap((name) => this.find(name) ?? []);
  }

  find(lambda: LambdaName): FunctionRecord | undefined {
    const stat = statSync(join(this.#registryDir, lambda), { throwIfNoEntry: false });
    if (!stat?.isDirectory()) return undefined;
    const said = readJson(join(this.#home(lambda), FACTS_FILE)) as { facts?: FunctionFacts } | undefined;
    const facts = this.#isOurs(lambda) ? (said?.facts ?? {}) : {};
    return { lambda, facts, spec: this.#specOf(lambda), modifiedMs: stat.mtimeMs };
  }

  create(lambda: LambdaName, zip: Buffer, said: FunctionChange): Promise<void> {
    return this.#inTurn(async () => {
      if (lstatSync(join(this.#registryDir, lambda), { throwIfNoEntry: false }) !== undefined) {
        throw new Failure('conflict', `Function already exist: ${lambda}`);
      }
      await this.#change(lambda, { zip, ...said });
    });
  }

  replaceCode(lambda: LambdaName, zip: Buffer): Promise<void> {
    return this.#inTurn(() => this.#change(lambda, { zip, ...this.#managed(lambda) }));
  }

  configure(lambda: LambdaName, change: FunctionChange): Promise<void> {
    return this.#inTurn(() => {
      const { facts, wishes } = this.#managed(lambda);
      return this.#change(lambda, { facts: { ...facts, ...change.facts }, wishes: { ...wishes, ...change.wishes } });
    });
  }

  remove(lambda: LambdaName): Promise<void> {
    return this.#inTurn(async () => {
      this.#managed(lambda);
      rmSync(join(this.#registryDir, lambda));
      await rm(this.#home(lambda), { recursive: true, force: true });
    });
  }

  /** One change after the other. */
  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const changed = this.#last.then(change);
    this.#last = changed.then(
      () => {},
      () => {},
    );
    return changed;
  }

  /** Makes a directory with the code, new or as it is, and what is wished for, and turns the link to it. */
  async #change(lambda: LambdaName, { zip, facts, wishes }: FunctionChange & { zip?: Buffer }): Promise<void> {
    const home = this.#home(lambda);
    mkdirSync(home, { recursive: true });
    const before = this.#target(lambda);
    const name = randomUUID();
    const dir = join(home, name);
    try {
      if (zip !== undefined) await unpackZip(zip, dir, wishes.handler, this.#terms);
      else await cp(join(home, before as string), dir, { recursive: true, verbatimSymlinks: true });
      const own = zip === undefined ? this.#ownWishes(lambda) : (readJson(join(dir, LAMBDA_FILE)) ?? {});
      const text = JSON.stringify({ ...(own as object), ...wishes }, null, 2);
      handlerFileOf(parseLambdaSpec(text, this.#terms), (path) => existsSync(join(dir, path)));
      rmSync(join(dir, LAMBDA_FILE), { force: true });
      writeFileSync(join(dir, LAMBDA_FILE), `${text}\n`, { flag: 'wx' });
      const told = zip === undefined ? facts : { ...facts, codeSha256: sha256(zip), codeSize: zip.length };
      writeFileAtomic(join(home, FACTS_FILE), `${JSON.stringify({ facts: told, wishes, own }, null, 2)}\n`);
      symlinkSync(join(HOME, lambda, name), join(home, `${name}.link`));
      renameSync(join(home, `${name}.link`), join(this.#registryDir, lambda));
    } catch (error) {
      await rm(before === undefined ? home : dir, { recursive: true, force: true });
      throw error;
    }
    // Also what a worker has left that was ended on the way.
    const over = readdirSync(home).filter((entry) => entry !== name && entry !== FACTS_FILE);
    await Promise.all(over.map((entry) => rm(join(home, entry), { recursive: true, force: true })));
  }

  /** What the code's own `lambda.json` said. */
  #ownWishes(lambda: LambdaName): object {
    const said = readJson(join(this.#home(lambda), FACTS_FILE)) as { own?: object } | undefined;
    return said?.own ?? {};
  }

  #managed(lambda: LambdaName): FunctionChange {
    if (this.find(lambda) === undefined) throw new Failure('lambda-missing', `There is no lambda ${lambda}.`);
    if (!this.#isOurs(lambda)) {
      const message = `${lambda} is a directory that somebody has put into the registry by hand; it is changed there.`;
      throw new Failure('conflict', message);
    }
    const said = readJson(join(this.#home(lambda), FACTS_FILE)) as FunctionChange;
    return { facts: said.facts, wishes: said.wishes };
  }

  #isOurs(lambda: LambdaName): boolean {
    return this.#target(lambda) !== undefined;
  }

  /** The directory below its home that it is a link to; undefined if it is no such link. */
  #target(lambda: LambdaName): string | undefined {
    try {
      const [home, name, dir, ...more] = readlinkSync(join(this.#registryDir, lambda)).split('/');
      return home === HOME && name === lambda && more.length === 0 ? dir : undefined;
    } catch (error) {
      if (errnoOf(error) === 'EINVAL' || errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  #specOf(lambda: LambdaName): LambdaSpec {
    try {
      const text = readFileSync(join(this.#registryDir, lambda, LAMBDA_FILE), 'utf8');
      return parseLambdaSpec(text, this.#terms);
    } catch (error) {
      if (error instanceof Failure || errnoOf(error) !== undefined) return parseLambdaSpec(undefined, this.#terms);
      throw error;
    }
  }

  #home(lambda: LambdaName): string {
    return join(this.#registryDir, HOME, lambda);
  }
}

async function unpackZip(zip: Buffer, dir: string, handler: string | undefined, terms: LambdaTerms): Promise<void> {
  const file = `${dir}.zip`;
  writeFileSync(file, zip, { flag: 'wx', mode: 0o600 });
  try {
    const declared = handler === undefined ? undefined : parseHandlerName(handler);
    await unpackBundle(file, dir, { terms, ...(declared === undefined ? {} : { handler: declared }) });
  } finally {
    rmSync(file, { force: true });
  }
}

function readJson(path: string): unknown {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return isPlain(value) ? value : undefined;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('base64');
}
