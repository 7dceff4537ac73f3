/**
 * Lambdas that are made and changed through an API, in a store.
 *
 *     ~functions/NAME/function.json    its document: what is known of it, and which bundles are its code
 *     ~functions/NAME/<uuid>.zip       code as it came
 *
 * A bundle is there before the document that names it, and goes after the last one that did: so whoever reads a document
 * finds its code, or a newer document. What nobody names because somebody was ended on the way is removed after a day.
 */
import { randomUUID } from 'node:crypto';
import { Failure } from '../config/failure.ts';
import { type LambdaSpec, type LambdaTerms, parseLambdaSpec } from '../config/lambda-spec.ts';
import { Turns } from '../lib/turns.ts';
import type { ListedLambda, RegistryClient } from './client.ts';
import type { FunctionBundles, SentCode } from './function-bundles.ts';
import {
  changed,
  checkRevision,
  type FunctionDocument,
  lambdaFileOf,
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
  FunctionRecord,
  FunctionStore,
  Precondition,
  PublishWish,
} from './functions.ts';
import { EDIT_TRIES_MAX } from './limits.ts';
import type { StoreConditions } from './remote-conditions.ts';
import type { RemoteDocuments, Stored } from './remote-documents.ts';
import { PointerMoved } from './remote-pointers.ts';
import type { LambdaName } from './source.ts';

export interface RemoteFunctionsOptions {
  conditions: StoreConditions;
  documents: RemoteDocuments;
  bundles: FunctionBundles;
  /** Of those that somebody has uploaded as a bundle. */
  uploads: Pick<RegistryClient, 'uploads' | 'uploaded'>;
  terms: LambdaTerms;
  /** What a call goes by: a document no older than the code that it runs. */
  look: (lambda: LambdaName) => Promise<FunctionDocument | undefined>;
  /** What the current code runs with; undefined if it can not be used. */
  specOf: (lambda: LambdaName) => Promise<LambdaSpec | undefined>;
}

/** What becomes of a document, and what that was for. */
interface Edit<T> {
  /** The same one if nothing is to change. */
  document: FunctionDocument;
  result: T;
}

export class RemoteFunctions implements FunctionStore {
  readonly #options: RemoteFunctionsOptions;
  readonly #turns = new Turns<LambdaName>();

  constructor(options: RemoteFunctionsOptions) {
    this.#options = options;
  }

  async list(): Promise<FunctionRecord[]> {
    const { documents, uploads } = this.#options;
    const found = new Map<LambdaName, FunctionRecord>();
    for (const one of await uploads.uploads()) found.set(one.name, uploadedRecord(one, undefined));
    for (const { lambda, document } of await documents.list()) {
      const record = this.#recordOf(lambda, document);
      if (record !== undefined) found.set(lambda, record);
    }
    return [...found.values()].sort((a, b) => (a.lambda < b.lambda ? -1 : 1));
  }

  async find(lambda: LambdaName, version?: string): Promise<FunctionRecord | undefined> {
    const stored = await this.#options.documents.read(lambda);
    if (stored !== undefined) return this.#recordOf(lambda, stored.document, version);
    if (version !== undefined) return undefined;
    const uploaded = await this.#options.uploads.uploaded(lambda);
    return uploaded && uploadedRecord(uploaded, await this.#options.specOf(lambda));
  }

  async versions(lambda: LambdaName): Promise<FunctionRecord[]> {
    const document = (await this.#options.documents.read(lambda))?.document;
    if (document === undefined) return [];
    return numbersOf(document).flatMap((version) => this.#recordOf(lambda, document, version) ?? []);
  }

  create(lambda: LambdaName, zip: Buffer, { facts, wishes }: FunctionChange): Promise<void> {
    const { conditions, documents, bundles, uploads } = this.#options;
    return this.#turns.run(lambda, async () => {
      await conditions.need();
      const there = (await documents.read(lambda)) ?? (await uploads.uploaded(lambda));
      if (there !== undefined) throw existsAlready(lambda);
      const { codeFacts, ...sent } = await bundles.send(lambda, zip, wishes);
      const all = { ...facts, ...codeFacts };
      const document = newDocument({ ...sent, code: randomUUID(), facts: all, modifiedMs: Date.now() });
      if (!(await this.#write(lambda, document, undefined))) throw existsAlready(lambda);
    });
  }

  replaceCode(lambda: LambdaName, zip: Buffer, precondition: Precondition): Promise<void> {
    const { bundles } = this.#options;
    return this.#changeCode(lambda, precondition, ({ wishes }) => bundles.send(lambda, zip, wishes));
  }

  tryCode(lambda: LambdaName, zip: Buffer, precondition: Precondition): Promise<void> {
    return this.#edit(lambda, async (document) => {
      checkRevision(document.revision, precondition);
      await this.#options.bundles.judge(zip, document.wishes);
      return { document, result: undefined };
    });
  }

  configure(lambda: LambdaName, change: FunctionChange, precondition: Precondition): Promise<void> {
    const { bundles, terms } = this.#options;
    return this.#edit(lambda, async (before) => {
      checkRevision(before.revision, precondition);
      const facts = { ...before.facts, ...change.facts };
      const wishes = { ...before.wishes, ...change.wishes };
      const document = changed(before, { code: randomUUID(), facts, wishes, modifiedMs: Date.now() });
      // Only another handler may be one that its code has not.
      if (wishes.handler === before.wishes.handler) parseLambdaSpec(lambdaFileOf(document), terms);
      else await bundles.check(lambda, document);
      return { document, result: undefined };
    });
  }

  async owns(lambda: LambdaName): Promise<boolean> {
    return (await this.#options.documents.read(lambda)) !== undefined;
  }

  /** Has `change` work on a copy of the code, in the directory that it is given, which then takes the code's place. */
  editCode(lambda: LambdaName, change: (dir: string) => Promise<void>): Promise<void> {
    return this.#changeCode(lambda, {}, (document) => this.#options.bundles.edit(lambda, document, change));
  }

  remove(lambda: LambdaName, version?: string): Promise<void> {
    const { documents, bundles } = this.#options;
    if (version !== undefined) {
      return this.#edit(lambda, async (document) => ({
        document: withoutVersion(document, version),
        result: undefined,
      }));
    }
    return this.#turns.run(lambda, async () => {
      const { document } = await this.#managed(lambda);
      await documents.remove(lambda);
      await bundles.remove(lambda, bundlesOf(document));
      await bundles.tidy(lambda, new Set());
    });
  }

  publish(lambda: LambdaName, wish: PublishWish): Promise<string> {
    return this.#edit(lambda, async (before) => {
      const { document, number } = withPublished(before, wish);
      return { document, result: number };
    });
  }

  async aliases(lambda: LambdaName): Promise<ReadonlyMap<string, Alias>> {
    const stored = await this.#options.documents.read(lambda);
    return new Map(Object.entries(stored?.document.aliases ?? {}));
  }

  async alias(lambda: LambdaName, name: string): Promise<Alias | undefined> {
    const document = await this.#options.look(lambda);
    return document && ownOf(document.aliases, name);
  }

  createAlias(lambda: LambdaName, name: string, said: Omit<Alias, 'revision'>): Promise<Alias> {
    return this.#edit(lambda, async (before) => {
      if (Object.hasOwn(before.aliases, name)) throw new Failure('conflict', `Alias already exists: ${name}`);
      const { document, alias } = withAlias(before, name, said);
      return { document, result: alias };
    });
  }

  updateAlias(lambda: LambdaName, name: string, change: AliasChange): Promise<Alias> {
    return this.#edit(lambda, async (before) => {
      if (!Object.hasOwn(before.aliases, name)) throw new Failure('lambda-missing', `There is no alias ${name}.`);
      const { document, alias } = withAlias(before, name, change);
      return { document, result: alias };
    });
  }

  removeAlias(lambda: LambdaName, name: string): Promise<void> {
    return this.#edit(lambda, async (document) => ({ document: withoutAlias(document, name), result: undefined }));
  }

  #changeCode(
    lambda: LambdaName,
    precondition: Precondition,
    send: (document: FunctionDocument) => Promise<SentCode>,
  ): Promise<void> {
    return this.#edit(lambda, async (before) => {
      checkRevision(before.revision, precondition);
      const { codeFacts, ...sent } = await send(before);
      const facts = { ...before.facts, ...codeFacts };
      const document = changed(before, { ...sent, code: randomUUID(), facts, modifiedMs: Date.now() });
      return { document, result: undefined };
    });
  }

  /** Has the document changed, anew for as long as others come first: what it is made of is read each time. */
  #edit<T>(lambda: LambdaName, edit: (document: FunctionDocument) => Promise<Edit<T>>): Promise<T> {
    return this.#turns.run(lambda, async () => {
      await this.#options.conditions.need();
      for (let tries = 0; tries < EDIT_TRIES_MAX; tries += 1) {
        const before = await this.#managed(lambda);
        try {
          const { document, result } = await edit(before.document);
          if (document === before.document || (await this.#write(lambda, document, before))) return result;
        } catch (error) {
          // Its code went while it was read: there is another by now.
          if (!(error instanceof PointerMoved)) throw error;
        }
      }
      throw new Failure('conflict', `The operation cannot be performed at this time: others are changing ${lambda}.`);
    });
  }

  /** False if another has come first. Bundles that no document names any more, or never will, go. */
  async #write(lambda: LambdaName, document: FunctionDocument, before: Stored | undefined): Promise<boolean> {
    const { documents, bundles } = this.#options;
    const [old, now] = [bundlesOf(before?.document), bundlesOf(document)];
    let written: boolean;
    try {
      written = await documents.write(lambda, document, before);
    } catch (error) {
      // Without an answer nobody knows whether it was written.
      const refused = error instanceof Failure && error.code !== 'registry-unreachable';
      if (refused) await bundles.remove(lambda, without(now, old));
      throw error;
    }
    await bundles.remove(lambda, written ? without(old, now) : without(now, old));
    if (written) await bundles.tidy(lambda, now);
    return written;
  }

  async #managed(lambda: LambdaName): Promise<Stored> {
    const stored = await this.#options.documents.read(lambda);
    if (stored !== undefined) return stored;
    if ((await this.#options.uploads.uploaded(lambda)) === undefined) {
      throw new Failure('lambda-missing', `There is no lambda ${lambda}.`);
    }
    throw new Failure(
      'conflict',
      `${lambda} is a bundle that somebody has uploaded; it is changed by \`admin upload\`.`,
    );
  }

  #recordOf(lambda: LambdaName, document: FunctionDocument, version?: string): FunctionRecord | undefined {
    return recordOf(lambda, document, { version, terms: this.#options.terms });
  }
}

function uploadedRecord({ name, size, uploaded, version }: ListedLambda, spec: LambdaSpec | undefined): FunctionRecord {
  const sum = version === undefined ? {} : { codeSha256: Buffer.from(version, 'hex').toString('base64') };
  const facts = { codeSize: size, ...sum };
  return { lambda: name, version: undefined, facts, spec, modifiedMs: uploaded.getTime(), revision: '' };
}

function bundlesOf(document: FunctionDocument | undefined): Set<string> {
  const states = document === undefined ? [] : [document, ...Object.values(document.versions)];
  return new Set(states.flatMap(({ bundle }) => bundle ?? []));
}

function without(some: ReadonlySet<string>, others: ReadonlySet<string>): string[] {
  return [...some].filter((one) => !others.has(one));
}

function existsAlready(lambda: LambdaName): Failure {
  return new Failure('conflict', `Function already exist: ${lambda}`);
}
