/**
 * Parts of sets of packages, as directories of the worker's own: hard links to the files of the wheels that the chosen
 * members are. What is removed from the store meanwhile stays there; all of it goes with the worker's next start.
 */
import { createHash } from 'node:crypto';
import { existsSync, renameSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { mergeTrees } from './merging.ts';
import { InterpreterPlaces, WHEEL_TREE } from './places.ts';

interface SomeSet {
  /** Of the store. */
  dir: string;
  /** Each `name==version@sha256`. */
  members: readonly string[];
}

export class Subsets {
  readonly #dir: string;
  #emptied: Promise<unknown> | undefined;

  /** `dir` is on the file system that the store is on. */
  constructor(dir: string) {
    this.#dir = dir;
  }

  /** The directory of these members of that set. Rejects with an OSError if there can be none. */
  async make(set: SomeSet, chosen: ReadonlySet<string>): Promise<SomeSet> {
    this.#emptied ??= this.#empty();
    await this.#emptied;
    const members = set.members.filter((member) => chosen.has(member)).sort();
    const place = join(this.#dir, createHash('sha256').update(members.join('\n')).digest('hex').slice(0, 32));
    if (existsSync(place)) return { dir: place, members };
    const store = new InterpreterPlaces(dirname(dirname(set.dir)));
    const trees = members.map((member) => join(store.wheel(member.slice(member.indexOf('@') + 1)), WHEEL_TREE));
    const draft = await mkdtemp(join(this.#dir, '.draft-'));
    await mergeTrees(trees, join(draft, 'set'));
    renameSync(join(draft, 'set'), place);
    await rm(draft, { recursive: true });
    return { dir: place, members };
  }

  async #empty(): Promise<void> {
    await rm(this.#dir, { recursive: true, force: true });
    await mkdir(this.#dir, { recursive: true, mode: 0o755 });
  }
}
