/**
 * Follows Isla's own registry: a list at the start, then a question for changes that the registry answers
 * when there are some. What is known is what the registry said, without any request by a call.
 *
 * Each question says up to where everything has been noted, and the registry acknowledges an upload
 * only when those who follow have asked past it (or are late). So a call that begins after that
 * acknowledgement finds the new version here.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Failure } from '../config/failure.ts';
import type { Log } from '../lib/log.ts';
import { CHANGES_WAIT_MS, STORE_RETRY_MS, STORE_RETRY_MS_MAX } from './limits.ts';
import type { DocumentVersion, Position, RegistryApi } from './remote-api.ts';
import type { Pointer, Pointers } from './remote-pointers.ts';
import type { LambdaName } from './source.ts';

export interface ChangeFeedOptions {
  api: RegistryApi;
  onChange: (lambda: LambdaName) => void;
  log: Log;
}

export class ChangeFeed implements Pointers {
  readonly #options: ChangeFeedOptions;
  readonly #follower = randomUUID();
  readonly #pointers = new Map<LambdaName, Pointer>();
  /** Of functions that were made through an API. */
  readonly #documents = new Map<LambdaName, DocumentVersion>();
  readonly #end = new AbortController();
  readonly #running: Promise<void>;
  #position: Position | undefined;
  /** Why it does not follow now. */
  #failure: Failure | undefined;
  /** The question that is asked now; resolves when its answer has been noted, or why there was none. */
  #turn: Promise<boolean> = Promise.resolve(true);

  constructor(options: ChangeFeedOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  look(lambda: LambdaName): Promise<Pointer | undefined> {
    return this.#told(this.#pointers, lambda);
  }

  /** The version of the function's document; undefined if there is no such function. As `look`. */
  document(lambda: LambdaName): Promise<DocumentVersion | undefined> {
    return this.#told(this.#documents, lambda);
  }

  /** As `document`, where the answer is at hand; it is if `knowsAll`. */
  peekDocument(lambda: LambdaName): DocumentVersion | undefined {
    return this.#documents.get(lambda);
  }

  /** Whether what was not told of is not there. */
  get knowsAll(): boolean {
    return this.#position !== undefined && this.#failure === undefined;
  }

  peek(lambda: LambdaName): Pointer | undefined {
    return this.#pointers.get(lambda);
  }

  async close(): Promise<void> {
    this.#end.abort(new Failure('stopping', 'the worker is stopping'));
    await this.#running;
  }

  async #told<T>(known: ReadonlyMap<LambdaName, T>, lambda: LambdaName): Promise<T | undefined> {
    while (this.#position === undefined && this.#failure === undefined) await this.#turn;
    const found = known.get(lambda);
    // It may have come while nobody could tell.
    if (found === undefined && this.#failure !== undefined) throw this.#failure;
    return found;
  }

  async #run(): Promise<void> {
    const { signal } = this.#end;
    for (let pauseMs = STORE_RETRY_MS; !signal.aborted; ) {
      this.#turn = this.#ask();
      if (await this.#turn) {
        pauseMs = STORE_RETRY_MS;
        continue;
      }
      await delay(pauseMs, undefined, { signal }).catch(() => {}); // The end is seen by the loop.
      pauseMs = Math.min(2 * pauseMs, STORE_RETRY_MS_MAX);
    }
  }

  /** False if there was no answer. */
  async #ask(): Promise<boolean> {
    try {
      if (this.#position === undefined) await this.#list();
      else await this.#follow(this.#position);
      this.#answered();
      return true;
    } catch (error) {
      this.#silent(error);
      return false;
    }
  }

  async #list(): Promise<void> {
    const { lambdas, functions, epoch, seq } = await this.#options.api.follow(this.#follower);
    const [pointers, documents] = [new Map(this.#pointers), new Map(this.#documents)];
    this.#pointers.clear();
    this.#documents.clear();
    for (const { name, version } of lambdas) this.#point(name, version);
    for (const { name, version } of functions) this.#documents.set(name, version);
    this.#position = { epoch, seq };
    for (const name of new Set(
      [...pointers, ...documents, ...this.#pointers, ...this.#documents].map(([one]) => one),
    )) {
      const same = pointers.get(name)?.id === this.#pointers.get(name)?.id;
      if (!same || documents.get(name) !== this.#documents.get(name)) this.#options.onChange(name);
    }
  }

  async #follow(position: Position): Promise<void> {
    const { signal } = this.#end;
    const answer = await this.#options.api.changes(position, {
      follower: this.#follower,
      // Whoever was cut off asks for the state of things first.
      waitMs: this.#failure === undefined ? CHANGES_WAIT_MS : 0,
      signal,
    });
    if (answer === undefined) {
      this.#position = undefined;
      return;
    }
    const { changes, ...next } = answer;
    for (const { kind, name, version } of changes) {
      if (version === undefined) (kind === 'bundle' ? this.#pointers : this.#documents).delete(name);
      else if (kind === 'bundle') this.#point(name, version);
      else this.#documents.set(name, version);
    }
    this.#position = next;
    for (const { name } of changes) this.#options.onChange(name);
  }

  #point(name: LambdaName, version: string): void {
    this.#pointers.set(name, {
      id: version,
      sha256: version,
      open: (signal) => this.#options.api.bundle(name, version, signal),
    });
  }

  #answered(): void {
    if (this.#failure !== undefined) this.#options.log('info', 'the registry answers again');
    this.#failure = undefined;
  }

  /** What is known goes on being served. */
  #silent(error: unknown): void {
    const failure = error instanceof Failure ? error : brokenOff(error);
    if (this.#failure === undefined && !this.#end.signal.aborted) {
      this.#options.log('warn', 'the registry can not be followed; lambdas stay as they are', {
        reason: failure.message,
      });
    }
    this.#failure = failure;
  }
}

function brokenOff(cause: unknown): Failure {
  return new Failure('registry-unreachable', `the registry broke off its answer: ${String(cause)}`, { cause });
}
