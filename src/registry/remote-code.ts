/**
 * The code of one lambda of a store: the version that it points at, pulled once for all who wait for it.
 *
 * There is one load at a time, and it goes on until what it has is what the lambda points at: so versions
 * are handed out in the order in which they were pointed at. What can not be used, and what can not be had,
 * leaves the version before in its place.
 */

import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { Failure } from '../config/failure.ts';
import type { LambdaTerms } from '../config/lambda-spec.ts';
import { errnoWords } from '../lib/errno.ts';
import type { Log } from '../lib/log.ts';
import { unpackBundle } from './bundle.ts';
import { readCodeFacts } from './code-facts.ts';
import { unpackSaid } from './function-code.ts';
import { BUNDLE_BYTES_MAX, STORE_RETRY_MS_MAX } from './limits.ts';
import { type Pointer, PointerMoved, type Pointers } from './remote-pointers.ts';
import type { StoreRequests } from './remote-request.ts';
import type { Snapshots } from './snapshots.ts';
import type { CodeVersion, LambdaName } from './source.ts';
import { listTree } from './tree.ts';

export interface RemoteCodeOptions {
  lambda: LambdaName;
  pointers: Pointers;
  requests: StoreRequests;
  snapshots: Snapshots;
  terms: LambdaTerms;
  signal: AbortSignal;
  log: Log;
}

/** A pointer whose version was not to be had. */
interface Missed {
  id: string;
  failure: Failure;
  /** Monotonic: when another try may help; never, if the bundle itself is at fault. */
  againMs: number;
}

export class RemoteCode {
  readonly #options: RemoteCodeOptions;
  #loaded: { id: string; version: CodeVersion } | undefined;
  #missed: Missed | undefined;
  #loading: Promise<CodeVersion | undefined> | undefined;
  #closed = false;

  constructor(options: RemoteCodeOptions) {
    this.#options = options;
  }

  /** The loaded version, if it is what the lambda is known to point at. Asks nobody. */
  fresh(): CodeVersion | undefined {
    if (this.#loading !== undefined) return undefined;
    const pointer = this.#options.pointers.peek(this.#options.lambda);
    return pointer !== undefined && pointer.id === this.#loaded?.id ? this.#loaded.version : undefined;
  }

  /** Makes sure of the version; undefined if there is no such lambda. */
  load(): Promise<CodeVersion | undefined> {
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  /** The snapshot is no longer there: if it is the loaded one, the next load pulls anew. */
  vanished(digest: string): void {
    if (this.#loaded?.version.digest === digest) this.#forget();
  }

  close(): void {
    this.#closed = true;
    this.#forget();
  }

  async #load(): Promise<CodeVersion | undefined> {
    const { pointers, lambda } = this.#options;
    for (let moves = 0; ; ) {
      const pointer = await pointers.look(lambda);
      if (pointer === undefined) {
        this.#forget();
        return undefined;
      }
      if (pointer.id === this.#loaded?.id) return this.#loaded.version;
      const missed = this.#missed;
      if (missed?.id === pointer.id && performance.now() < missed.againMs) return this.#before(missed.failure);
      try {
        await this.#pull(pointer);
      } catch (error) {
        moves += 1;
        if (error instanceof PointerMoved && moves <= MOVES_MAX) continue;
        this.#miss(pointer, this.#failureOf(error));
      }
    }
  }

  /** The version before goes on; without one, its callers are told why. */
  #before(failure: Failure): CodeVersion {
    if (this.#loaded === undefined) throw failure;
    return this.#loaded.version;
  }

  #miss({ id }: Pointer, failure: Failure): void {
    const { lambda, log } = this.#options;
    const known = this.#missed?.id === id;
    const hopeless = failure.code === 'lambda-invalid';
    this.#missed = {
      id,
      failure,
      againMs: hopeless ? Number.POSITIVE_INFINITY : performance.now() + STORE_RETRY_MS_MAX,
    };
    if (known || this.#loaded === undefined) return;
    log('warn', 'a new version of a lambda can not be used; the one before goes on', {
      lambda,
      reason: failure.message,
    });
  }

  #failureOf(error: unknown): Failure {
    const { lambda, requests } = this.#options;
    if (error instanceof Failure) {
      return error.code === 'lambda-invalid'
        ? new Failure(error.code, `lambda ${lambda} cannot be used: ${error.message}`, { cause: error })
        : error;
    }
    if (error instanceof PointerMoved && error.cause instanceof Failure) return error.cause;
    if (!isFromDisk(error)) return requests.unreachable(error);
    const message = `the code of lambda ${lambda} was not kept: ${errnoWords(error)}`;
    return new Failure('sandbox-failed', message, { step: 'pull code', cause: error });
  }

  async #pull(pointer: Pointer): Promise<void> {
    const { lambda, snapshots, terms, signal } = this.#options;
    const copy = await snapshots.fill(async (dir) => {
      const file = `${dir}.bundle`;
      try {
        const digest = await download(await pointer.open(signal), file);
        if (pointer.sha256 !== undefined && digest !== pointer.sha256) {
          throw new Failure(
            'registry-refused',
            `the registry sent other bytes than version ${pointer.sha256} of ${lambda}`,
          );
        }
        if (pointer.said !== undefined) return await unpackSaid({ file, digest }, dir, { said: pointer.said, terms });
        await unpackBundle(file, dir, { terms });
        return digest;
      } finally {
        await rm(file, { force: true });
      }
    });
    try {
      const tree = await listTree(copy.dir, () => {});
      const facts = await readCodeFacts({ ...copy, kept: snapshots.path(copy.digest), tree }, terms);
      if (this.#closed) throw signal.reason;
      snapshots.keep(copy);
      this.#forget();
      this.#missed = undefined;
      const { digest } = copy;
      this.#loaded = { id: pointer.id, version: { lambda, digest, dir: snapshots.path(digest), ...facts } };
    } catch (error) {
      snapshots.drop(copy);
      throw error;
    }
  }

  #forget(): void {
    if (this.#loaded !== undefined) this.#options.snapshots.letGo(this.#loaded.version.digest);
    this.#loaded = undefined;
  }
}

/** How often a bundle may be replaced between the look and the pull, before that counts as a fault of the store. */
const MOVES_MAX = 10;

/** What fails on the way to another machine. */
const NETWORK = new Set(['connect', 'read', 'write', 'getaddrinfo']);

/** Whether it is this machine's disk that failed, not the way to the store. */
export function isFromDisk(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error && !NETWORK.has(error.syscall as string);
}

/** Writes the answer's body to a new file and returns its SHA-256 in hex. Throws Failure `lambda-invalid` if it is too long. */
export async function download(answer: AsyncIterable<Buffer>, file: string): Promise<string> {
  const hash = createHash('sha256');
  let bytes = 0;
  const digested = async function* (pieces: AsyncIterable<Buffer>) {
    for await (const piece of pieces) {
      bytes += piece.length;
      if (bytes > BUNDLE_BYTES_MAX) {
        throw new Failure('lambda-invalid', `the bundle is larger than ${BUNDLE_BYTES_MAX / 1024 / 1024} MiB`);
      }
      hash.update(piece);
      yield piece;
    }
  };
  await pipeline(answer, digested, createWriteStream(file, { flags: 'wx', mode: 0o600 }));
  return hash.digest('hex');
}
