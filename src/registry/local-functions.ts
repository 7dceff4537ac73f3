/**
 * Lambdas that are made and changed through an API, in a registry that is a directory.
 *
 *     <lambda> → ~functions/<lambda>/<code>     the current code
 *     ~functions/<lambda>/<number> → <code>     a version
 *     ~functions/<lambda>/function.json         what else is known of them
 *
 * No lambda can be called `~functions`. Turning a link elsewhere is one step, so that no call finds half of a change, or
 * nothing. A directory that somebody has put there by hand is his, and left alone.
 */
import { randomUUID } from 'node:crypto';
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../config/failure.ts';
import type { LambdaTerms } from '../config/lambda-spec.ts';
import { writeFileAtomic } from '../lib/atomic-write.ts';
import { errnoOf } from '../lib/errno.ts';
import { applyWishes, factsOfTree, factsOfZip, readEdited, specOfDirectory, unpackZip } from './function-code.ts';
import {
  changed,
  checkRevision,
  documentIn,
  type FunctionDocument,
  newDocument,
  numbersOf,
  ownOf,
  recordOf,
  withAlias,
  withoutAlias,
  withoutVersion,
  withPublished,
} from './function-document.ts';
import type {
  Alias,
  AliasChange,
  FunctionChange,
  FunctionFacts,
  FunctionRecord,
  FunctionStore,
  Precondition,
  PublishWish,
} from './functions.ts';
import { FUNCTION_DOCUMENT as DOCUMENT, FUNCTIONS_DIR, type LambdaName, parseLambdaName } from './source.ts';

/** A zip file, or what is done to a copy of the code. */
type CodeChange = Buffer | ((dir: string) => Promise<void>);

interface Filled extends Pick<FunctionDocument, 'own' | 'wishes'> {
  codeFacts: FunctionFacts;
}

export class LocalFunctions implements FunctionStore {
  readonly #registryDir: string;
  readonly #terms: LambdaTerms;
  #last: Promise<void> = Promise.resolve();

  constructor(registryDir: string, terms: LambdaTerms) {
    this.#registryDir = registryDir;
    this.#terms = terms;
  }

  async list(): Promise<FunctionRecord[]> {
    const names = readdirSync(this.#registryDir).flatMap((name) => parseLambdaName(name) ?? []);
    return names.sort().flatMap((name) => this.#find(name) ?? []);
  }

  async find(lambda: LambdaName, version?: string): Promise<FunctionRecord | undefined> {
    return this.#find(lambda, version);
  }

  async versions(lambda: LambdaName): Promise<FunctionRecord[]> {
    const document = this.#read(lambda);
    if (document === undefined) return [];
    const terms = this.#terms;
    return numbersOf(document).flatMap((version) => recordOf(lambda, document, { version, terms }) ?? []);
  }

  create(lambda: LambdaName, zip: Buffer, said: FunctionChange): Promise<void> {
    return this.#inTurn(async () => {
      if (lstatSync(join(this.#registryDir, lambda), { throwIfNoEntry: false }) !== undefined) {
        throw new Failure('conflict', `Function already exist: ${lambda}`);
      }
      await this.#change(lambda, newDocument({ code: '', own: {}, modifiedMs: 0, ...said }), zip);
    });
  }

  replaceCode(lambda: LambdaName, zip: Buffer, precondition: Precondition): Promise<void> {
    return this.#inTurn(() => this.#change(lambda, this.#managed(lambda, precondition), zip));
  }

  tryCode(lambda: LambdaName, zip: Buffer, precondition: Precondition): Promise<void> {
    return this.#inTurn(async () => {
      const document = this.#managed(lambda, precondition);
      const dir = join(this.#home(lambda), randomUUID());
      try {
        await this.#fill(dir, document, zip);
      } finally {
        await rm(dir, { recursive: true, force: true });
      }
    });
  }

  configure(lambda: LambdaName, { facts, wishes }: FunctionChange, precondition: Precondition): Promise<void> {
    return this.#inTurn(() => {
      const before = this.#managed(lambda, precondition);
      const next = { facts: { ...before.facts, ...facts }, wishes: { ...before.wishes, ...wishes } };
      return this.#change(lambda, { ...before, ...next });
    });
  }

  /** Whether its code is a link to what the API keeps, and changed as a whole. */
  async owns(lambda: LambdaName): Promise<boolean> {
    return this.#target(lambda) !== undefined;
  }

  /** Has `change` work on a copy of the code, in the directory that it is given, which then takes the code's place. */
  editCode(lambda: LambdaName, change: (dir: string) => Promise<void>): Promise<void> {
    return this.#inTurn(() => this.#change(lambda, this.#managed(lambda), change));
  }

  remove(lambda: LambdaName, version?: string): Promise<void> {
    return this.#inTurn(async () => {
      const document = this.#managed(lambda);
      if (version === undefined) {
        rmSync(join(this.#registryDir, lambda));
        await rm(this.#home(lambda), { recursive: true, force: true });
        return;
      }
      this.#write(lambda, withoutVersion(document, version));
      await this.#tidy(lambda);
    });
  }

  publish(lambda: LambdaName, wish: PublishWish): Promise<string> {
    return this.#inTurn(async () => {
      const { document, number } = withPublished(this.#managed(lambda), wish);
      const link = join(this.#home(lambda), number);
      // One may have been left by a worker that was ended before it had written the document.
      rmSync(link, { force: true });
      symlinkSync(document.versions[number]?.code as string, link);
      this.#write(lambda, document);
      return number;
    });
  }

  async aliases(lambda: LambdaName): Promise<ReadonlyMap<string, Alias>> {
    return new Map(Object.entries(this.#read(lambda)?.aliases ?? {}));
  }

  async alias(lambda: LambdaName, name: string): Promise<Alias | undefined> {
    return ownOf(this.#read(lambda)?.aliases ?? {}, name);
  }

  createAlias(lambda: LambdaName, name: string, said: Omit<Alias, 'revision'>): Promise<Alias> {
    return this.#inTurn(async () => {
      const before = this.#managed(lambda);
      if (Object.hasOwn(before.aliases, name)) throw new Failure('conflict', `Alias already exists: ${name}`);
      return this.#keepAlias(lambda, withAlias(before, name, said));
    });
  }

  updateAlias(lambda: LambdaName, name: string, change: AliasChange): Promise<Alias> {
    return this.#inTurn(async () => {
      const before = this.#managed(lambda);
      if (!Object.hasOwn(before.aliases, name)) throw new Failure('lambda-missing', `There is no alias ${name}.`);
      return this.#keepAlias(lambda, withAlias(before, name, change));
    });
  }

  removeAlias(lambda: LambdaName, name: string): Promise<void> {
    return this.#inTurn(async () => this.#write(lambda, withoutAlias(this.#managed(lambda), name)));
  }

  #keepAlias(lambda: LambdaName, { document, alias }: { document: FunctionDocument; alias: Alias }): Alias {
    this.#write(lambda, document);
    return alias;
  }

  /** One change after the other. */
  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#last.then(change);
    this.#last = done.then(
      () => {},
      () => {},
    );
    return done;
  }

  #find(lambda: LambdaName, version?: string): FunctionRecord | undefined {
    const document = this.#read(lambda);
    if (document !== undefined) return recordOf(lambda, document, { version, terms: this.#terms });
    const dir = join(this.#registryDir, lambda);
    const stat = statSync(dir, { throwIfNoEntry: false });
    if (!stat?.isDirectory() || version !== undefined) return undefined;
    const spec = specOfDirectory(dir, this.#terms);
    return { lambda, version, facts: {}, spec, modifiedMs: stat.mtimeMs, revision: '' };
  }

  /** Makes a directory with the code, new, edited or as it is, and what is wished for, and turns the link to it. */
  async #change(lambda: LambdaName, document: FunctionDocument, source?: CodeChange): Promise<void> {
    const home = this.#home(lambda);
    mkdirSync(home, { recursive: true });
    const code = randomUUID();
    const link = join(home, `${code}.link`);
    try {
      const { own, wishes, codeFacts } = await this.#fill(join(home, code), document, source);
      const facts = { ...document.facts, ...codeFacts };
      this.#write(lambda, changed(document, { code, own, wishes, facts, modifiedMs: Date.now() }));
      symlinkSync(join(FUNCTIONS_DIR, lambda, code), link);
      renameSync(link, join(this.#registryDir, lambda));
    } catch (error) {
      await rm(document.code === '' ? home : join(home, code), { recursive: true, force: true });
      throw error;
    }
    await this.#tidy(lambda);
  }

  /** Returns what is to be known of the code in `dir` then. */
  async #fill(dir: string, { code, own, wishes }: FunctionDocument, source: CodeChange | undefined): Promise<Filled> {
    const terms = this.#terms;
    const filled: Filled = { own, wishes, codeFacts: {} };
    if (Buffer.isBuffer(source)) {
      filled.own = await unpackZip(source, dir, { handler: wishes.handler, terms });
      filled.codeFacts = factsOfZip(source);
    } else {
      await cp(join(dir, '..', code), dir, { recursive: true, verbatimSymlinks: true });
      if (source !== undefined) {
        await source(dir);
        Object.assign(filled, readEdited(dir, wishes), { codeFacts: await factsOfTree(dir) });
      }
    }
    applyWishes(dir, filled, terms);
    return filled;
  }

  /** Removes what nobody speaks of any more, also what a worker has left that was ended on the way. */
  async #tidy(lambda: LambdaName): Promise<void> {
    const document = this.#managed(lambda);
    const { code, versions } = document;
    const codes = Object.values(versions).map((version) => version.code);
    const kept = new Set([DOCUMENT, code, ...codes, ...numbersOf(document)]);
    const over = readdirSync(this.#home(lambda)).filter((entry) => !kept.has(entry));
    await Promise.all(over.map((entry) => rm(join(this.#home(lambda), entry), { recursive: true, force: true })));
  }

  #managed(lambda: LambdaName, precondition: Precondition = {}): FunctionDocument {
    const document = this.#read(lambda);
    if (document !== undefined) {
      checkRevision(document.revision, precondition);
      return document;
    }
    if (this.#find(lambda) === undefined) throw new Failure('lambda-missing', `There is no lambda ${lambda}.`);
    const message = `${lambda} is a directory that somebody has put into the registry by hand; it is changed there.`;
    throw new Failure('conflict', message);
  }

  /** Undefined if it is not there, or was made by hand. */
  #read(lambda: LambdaName): FunctionDocument | undefined {
    const code = this.#target(lambda);
    if (code === undefined) return undefined;
    try {
      const document = documentIn(readFileSync(join(this.#home(lambda), DOCUMENT), 'utf8'));
      // A worker may have been ended when it had written the one and not turned the other.
      return document && { ...document, code };
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  #write(lambda: LambdaName, document: FunctionDocument): void {
    writeFileAtomic(join(this.#home(lambda), DOCUMENT), `${JSON.stringify(document, null, 2)}\n`);
  }

  /** The directory below its home that it is a link to; undefined if it is no such link. */
  #target(lambda: LambdaName): string | undefined {
    try {
      const [home, name, dir, ...more] = readlinkSync(join(this.#registryDir, lambda)).split('/');
      return home === FUNCTIONS_DIR && name === lambda && more.length === 0 ? dir : undefined;
    } catch (error) {
      if (errnoOf(error) === 'EINVAL' || errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  #home(lambda: LambdaName): string {
    return join(this.#registryDir, FUNCTIONS_DIR, lambda);
  }
}
