/**
 * The code of functions in a store: bundles below `~functions/NAME/`, each named anew and never changed. It is unpacked here
 * before it is sent, one at a time, so that what could not be run is never there.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import type { LambdaTerms } from '../config/lambda-spec.ts';
import type { Log } from '../lib/log.ts';
import { Turns } from '../lib/turns.ts';
import { packDirectory } from './bundle-pack.ts';
import { applyWishes, factsOfZip, readEdited, unpackSaid, unpackZip } from './function-code.ts';
import type { FunctionState } from './function-document.ts';
import type { FunctionFacts, FunctionWishes } from './functions.ts';
import { LEFTOVER_AGE_MS } from './limits.ts';
import { discard, refusalOf } from './remote-answer.ts';
import { download, isFromDisk } from './remote-code.ts';
import type { ListedObject, StoreObjects } from './remote-objects.ts';
import { PointerMoved } from './remote-pointers.ts';
import type { StoreRequests } from './remote-request.ts';
import { functionKey, functionOfKey } from './remote-store.ts';
import { Snapshots } from './snapshots.ts';
import { FUNCTION_DOCUMENT, FUNCTIONS_DIR, type LambdaName } from './source.ts';

export interface FunctionBundlesOptions {
  objects: StoreObjects;
  requests: StoreRequests;
  /** Directory of its own, for code that is looked at; what an earlier worker left there is removed. */
  dir: string;
  terms: LambdaTerms;
  log: Log;
}

/** Code that is in the store, and that no document names yet. */
export interface SentCode extends Pick<FunctionState, 'own' | 'wishes'> {
  bundle: string;
  codeFacts: FunctionFacts;
}

type Ending = 'zip' | 'tar.gz';

export class FunctionBundles {
  readonly #options: FunctionBundlesOptions;
  readonly #places: Snapshots;
  readonly #turns = new Turns<'unpack'>();
  #closed = false;

  constructor(options: FunctionBundlesOptions) {
    this.#options = options;
    this.#places = new Snapshots(options.dir);
  }

  /** Rejects with Failure `lambda-invalid` unless the zip file can be run with the wishes; resolves with its `lambda.json`. */
  judge(zip: Buffer, wishes: FunctionWishes): Promise<object> {
    const { terms } = this.#options;
    return this.#inPlace(async (dir) => {
      const own = await unpackZip(zip, dir, { handler: wishes.handler, terms });
      applyWishes(dir, { own, wishes }, terms);
      return own;
    });
  }

  /** Judges the zip file and sends it. */
  async send(lambda: LambdaName, zip: Buffer, wishes: FunctionWishes): Promise<SentCode> {
    const own = await this.judge(zip, wishes);
    return { own, wishes, codeFacts: factsOfZip(zip), bundle: await this.#put(lambda, zip, 'zip') };
  }

  /** Rejects with Failure `lambda-invalid` unless code that is there can be run with what is said of it. */
  check(lambda: LambdaName, state: FunctionState): Promise<void> {
    return this.#inPlace((dir) => this.#fetch(lambda, state, dir));
  }

  /** Has `change` work on a copy of code that is there, and sends what it has become. */
  async edit(lambda: LambdaName, state: FunctionState, change: (dir: string) => Promise<void>): Promise<SentCode> {
    const { terms } = this.#options;
    const { packed, ...said } = await this.#inPlace(async (dir) => {
      await this.#fetch(lambda, state, dir);
      await change(dir);
      const edited = readEdited(dir, state.wishes);
      applyWishes(dir, edited, terms);
      return { ...edited, packed: await pack(dir) };
    });
    return { ...said, codeFacts: factsOfZip(packed), bundle: await this.#put(lambda, packed, 'tar.gz') };
  }

  /** What can not be removed now is a leftover: it is told, and removed later. */
  async remove(lambda: LambdaName, bundles: Iterable<string>): Promise<void> {
    await this.#removeKeys([...bundles].map((bundle) => functionKey(lambda, bundle)));
  }

  /** Removes what has been there for long and is not `kept`: somebody was ended before he could name it, or remove it. */
  async tidy(lambda: LambdaName, kept: ReadonlySet<string>): Promise<void> {
    const keys = new Set([...kept, FUNCTION_DOCUMENT].map((name) => functionKey(lambda, name)));
    const over = (await this.#listed(functionKey(lambda, ''))).filter(
      (object) => isOld(object) && !keys.has(object.key),
    );
    await this.#removeKeys(over.map(({ key }) => key));
  }

  /** What can not be looked for now is looked for another time. */
  async #listed(prefix: string): Promise<ListedObject[]> {
    const objects: ListedObject[] = [];
    try {
      for await (const object of this.#options.objects.list({ prefix })) objects.push(object);
      return objects;
    } catch (error) {
      this.#sayLeft(prefix, error);
      return [];
    }
  }

  /** As `tidy`, of functions that are not there. */
  async tidyNameless(): Promise<void> {
    const objects = await this.#listed(`${FUNCTIONS_DIR}/`);
    const named = new Set(objects.flatMap(({ key }) => functionOfKey(key) ?? []));
    const over = objects.filter(({ key }) => !named.has(key.split('/')[1] as LambdaName)).filter(isOld);
    await this.#removeKeys(over.map(({ key }) => key));
  }

  /** Resolves when nothing of it is on the disk any more. */
  close(): Promise<void> {
    this.#closed = true;
    return this.#places.settle();
  }

  async #removeKeys(keys: readonly string[]): Promise<void> {
    for (const key of keys) await this.#options.objects.remove(key).catch((error) => this.#sayLeft(key, error));
  }

  #sayLeft(key: string, error: unknown): void {
    if (this.#closed) return;
    const reason = error instanceof Error ? error.message : String(error);
    this.#options.log('warn', 'code that nobody needs may still be in the registry', { key, reason });
  }

  async #put(lambda: LambdaName, body: Buffer, ending: Ending): Promise<string> {
    const bundle = `${randomUUID()}.${ending}`;
    const type = ending === 'zip' ? 'application/zip' : 'application/gzip';
    const answer = await this.#options.objects.put(functionKey(lambda, bundle), { body, type });
    if (answer.statusCode !== 200) throw await refusalOf(answer);
    await discard(answer);
    return bundle;
  }

  async #fetch(lambda: LambdaName, { bundle = '', own, wishes }: FunctionState, dir: string): Promise<void> {
    const { objects, requests, terms } = this.#options;
    const key = functionKey(lambda, bundle);
    const file = `${dir}.bundle`;
    try {
      const answer = await objects.get(key);
      if (answer.statusCode === 404) throw new PointerMoved(key, { cause: await refusalOf(answer) });
      if (answer.statusCode !== 200) throw await refusalOf(answer);
      const digest = await download(answer, file);
      await unpackSaid({ file, digest }, dir, { said: { own, wishes }, terms });
    } catch (error) {
      throw error instanceof PointerMoved || isFromDisk(error) ? error : requests.unreachable(error);
    } finally {
      rmSync(file, { force: true });
    }
  }

  /** Somewhere on the disk where nothing is, and nothing will be. */
  #inPlace<T>(work: (dir: string) => Promise<T>): Promise<T> {
    return this.#turns.run('unpack', async () => {
      let result: { value: T } | undefined;
      const place = await this.#places.fill(async (dir) => {
        result = { value: await work(dir) };
        return '';
      });
      this.#places.drop(place);
      return (result as { value: T }).value;
    });
  }
}

/** By the store's own clock. */
function isOld({ modified, nowMs }: ListedObject): boolean {
  return nowMs - modified.getTime() > LEFTOVER_AGE_MS;
}

async function pack(dir: string): Promise<Buffer> {
  const file = `${dir}.packed`;
  try {
    await packDirectory(dir, file);
    return readFileSync(file);
  } finally {
    rmSync(file, { force: true });
  }
}
