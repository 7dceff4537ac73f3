/**
 * Lambdas as directories of a registry directory, `registry/<name>/lambda_func.py`, and versions of those that an API made.
 *
 * Nothing is polled. The version for a request is chosen in the event loop's check phase: the kernel
 * queued the watch events of a change before the client could send a request that came after it, so
 * by then they have been delivered. Chosen when the request is read, 120 of 3,000 ran old code.
 */
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { DEFAULT_TERMS, type LambdaTerms } from '../config/lambda-spec.ts';
import { CheckPhase } from '../lib/check-phase.ts';
import type { Log } from '../lib/log.ts';
import { EarlierVersions } from './earlier-versions.ts';
import { LambdaCode } from './lambda-code.ts';
import { Prefetch } from './prefetch.ts';
import { Snapshots } from './snapshots.ts';
import {
  type CodeSource,
  type CodeVersion,
  FUNCTIONS_DIR,
  isNumbered,
  type LambdaName,
  parseLambdaName,
  partsOf,
} from './source.ts';
import { DirectoryWatches } from './tree-watch.ts';

export interface LocalSourceOptions {
  /** Absolute path of the registry. It may be missing, vanish and come back. */
  registryDir: string;
  /** Directory of this source's own, for snapshots. */
  codeDir: string;
  /** What a `lambda.json` may ask for; what a new cluster allows if it is not given. */
  terms?: LambdaTerms;
  /** How many versions that are current no longer are kept, to be called by their digests; none if it is not given. */
  earlierMax?: number;
  log: Log;
  /** Called soon after something of the lambda has changed, often many times in a row; also of one nobody asked for. */
  onChange: (lambda: LambdaName) => void;
  /** Called when a lambda's code has been read ahead of any call. */
  onReadAhead?: (version: CodeVersion) => void;
  /** Called when so much changes at once that the kernel may have dropped events, of other watches as well. */
  onFlood?: () => void;
}

export class LocalSource implements CodeSource {
  readonly #options: LocalSourceOptions;
  readonly #snapshots: Snapshots;
  readonly #earlier: EarlierVersions;
  readonly #checkPhase = new CheckPhase();
  /** Those that somebody has asked for and that were there. */
  readonly #lambdas = new Map<LambdaName, LambdaCode>();
  readonly #burst: EventBurst;
  readonly #prefetch = new Prefetch((lambda) => this.#loadAhead(lambda));
  #registryWatch: DirectoryWatches | undefined;
  #saidUnwatched = false;

  constructor(options: LocalSourceOptions) {
    this.#options = options;
    this.#snapshots = new Snapshots(options.codeDir);
    const { earlierMax: max = 0, onChange: onDropped } = options;
    this.#earlier = new EarlierVersions({ snapshots: this.#snapshots, max, onDropped });
    this.#burst = new EventBurst(() => {
      this.#changedAll();
      options.onFlood?.();
    });
    this.#watchRegistry();
  }

  async current(lambda: LambdaName): Promise<CodeVersion | undefined> {
    const { version: asked } = partsOf(lambda);
    if (asked !== undefined && !isNumbered(asked)) return this.#byDigest(lambda);
    await this.#checkPhase.next();
    if (this.#registryWatch === undefined) this.#watchRegistry();
    const code = this.#lambdas.get(lambda) ?? this.#discover(lambda);
    if (code === undefined) return undefined;
    const version = code.fresh() ?? (await code.load());
    if (version !== undefined) this.#snapshots.hold(version.digest);
    else this.#drop(lambda, code);
    return version;
  }

  release(version: CodeVersion): void {
    this.#snapshots.letGo(version.digest);
  }

  hasVanished(version: CodeVersion): boolean {
    if (this.#snapshots.has(version.digest)) return false;
    for (const code of this.#lambdas.values()) code.vanished(version.digest);
    return true;
  }

  async close(): Promise<void> {
    this.#prefetch.close();
    this.#registryWatch?.close();
    for (const code of this.#lambdas.values()) code.close();
    this.#lambdas.clear();
    this.#earlier.close();
    await this.#snapshots.settle();
  }

  /** Code that is current, or was lately. */
  async #byDigest(name: LambdaName): Promise<CodeVersion | undefined> {
    const earlier = this.#earlier.find(name);
    if (earlier !== undefined) {
      this.#snapshots.hold(earlier.digest);
      return earlier;
    }
    const { lambda, version: digest } = partsOf(name);
    const version = await this.current(lambda);
    if (version === undefined || version.digest === digest) return version && { ...version, lambda: name };
    this.release(version);
    return undefined;
  }

  #discover(lambda: LambdaName): LambdaCode | undefined {
    const path = this.#pathOf(lambda);
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat === undefined || !(stat.isDirectory() || stat.isSymbolicLink())) return undefined;
    const code = new LambdaCode({
      lambda,
      path,
      snapshots: this.#snapshots,
      terms: this.#options.terms ?? DEFAULT_TERMS,
      checkPhase: this.#checkPhase,
      onChange: () => {
        this.#burst.count();
        // Only the first snapshot is made ahead: once it serves, a change is copied for the request that needs it.
        if (!code.served) this.#prefetch.soon(lambda);
        this.#options.onChange(lambda);
      },
      onReplaced: (version, bytes) => this.#earlier.add(version, bytes),
      onUnwatched: (reason) => this.#sayUnwatched(reason),
    });
    this.#lambdas.set(lambda, code);
    return code;
  }

  /** Of a lambda, or of a version that was published: see local-functions.ts. */
  #pathOf(name: LambdaName): string {
    const { lambda, version } = partsOf(name);
    const { registryDir } = this.#options;
    return version === undefined ? join(registryDir, lambda) : join(registryDir, FUNCTIONS_DIR, lambda, version);
  }

  /** Entries of the registry itself: directories moved in and out, links turned elsewhere. */
  #watchRegistry(): void {
    const watches = new DirectoryWatches((name) => {
      this.#burst.count();
      // The directory's own end is told under its own name.
      if (name === null || name === basename(this.#options.registryDir)) {
        watches.close();
        if (this.#registryWatch === watches) this.#registryWatch = undefined;
        this.#changedAll();
      } else {
        this.#entryChanged(name);
        const lambda = parseLambdaName(name);
        if (lambda !== undefined) this.#options.onChange(lambda);
      }
    });
    watches.add(this.#options.registryDir);
    // A registry that is missing is looked for again with the next request.
    if (watches.count > 0 || watches.unreliable !== undefined) this.#registryWatch = watches;
    if (watches.unreliable !== undefined) this.#sayUnwatched(watches.unreliable);
    else if (watches.count > 0) for (const name of readdirSync(this.#options.registryDir)) this.#entryChanged(name);
  }

  #entryChanged(name: string): void {
    const lambda = parseLambdaName(name);
    if (lambda === undefined) return;
    const code = this.#lambdas.get(lambda);
    code?.changed();
    if (code === undefined) this.#prefetch.soon(lambda);
  }

  async #loadAhead(lambda: LambdaName): Promise<void> {
    await this.#checkPhase.next();
    const code = this.#lambdas.get(lambda) ?? this.#discover(lambda);
    if (code === undefined) return this.#prefetch.forget(lambda);
    if (code.fresh() !== undefined) return;
    try {
      const version = await code.load();
      if (version === undefined) this.#drop(lambda, code);
      else this.#options.onReadAhead?.(version);
    } catch {
      // Half-written, or no lambda at all: the request for it says what is wrong.
    }
  }

  /** It is not there any more. */
  #drop(lambda: LambdaName, code: LambdaCode): void {
    this.#prefetch.forget(lambda);
    if (this.#lambdas.get(lambda) !== code) return;
    this.#lambdas.delete(lambda);
    code.close();
  }

  #changedAll(): void {
    for (const code of this.#lambdas.values()) code.changed();
  }

  #sayUnwatched(reason: string): void {
    if (this.#saidUnwatched) return;
    this.#saidUnwatched = true;
    this.#options.log('warn', 'code cannot be watched for changes and is listed on every request instead', {
      reason,
      remedy: 'sysctl fs.inotify.max_user_watches=524288, or keep the registry on a local disk',
    });
  }
}

/**
 * The kernel drops events when too many wait, and Node does not pass on its word about that. So when
 * half as many as the kernel keeps come in one turn of the event loop, everything counts as changed.
 */
class EventBurst {
  readonly #onFlood: () => void;
  readonly #eventsMax: number;
  #events = 0;

  constructor(onFlood: () => void) {
    this.#onFlood = onFlood;
    this.#eventsMax = Math.ceil(queuedEventsMax() / 2);
  }

  count(): void {
    this.#events += 1;
    if (this.#events === 1) {
      setImmediate(() => {
        this.#events = 0;
      });
    }
    if (this.#events === this.#eventsMax) this.#onFlood();
  }
}

function queuedEventsMax(): number {
  const KERNEL_DEFAULT = 16_384;
  try {
    return Number(readFileSync('/proc/sys/fs/inotify/max_queued_events', 'utf8')) || KERNEL_DEFAULT;
  } catch {
    return KERNEL_DEFAULT;
  }
}
