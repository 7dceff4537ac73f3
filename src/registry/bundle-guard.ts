/**
 * Judges the entries of a bundle, one by one and then as a whole. Pure: it sees names, kinds and sizes.
 *
 * It counts everything an archive holds, also what is left out when it is unpacked, and takes the numbers
 * that the archive says of itself; the readers see to it that those are true.
 */
import type { HandlerName } from '../config/handler-name.ts';
import type { BundleEntry } from './bundle-entry.ts';
import { linkProblem } from './bundle-links.ts';
import { entryParts, foldedPath, isNoCode, refuse, shown } from './bundle-name.ts';
import { mayBeLambda, NO_HANDLER_FILE } from './handler-files.ts';
import {
  BUNDLE_PATH_BYTES_MAX,
  BUNDLE_RATIO_FROM_BYTES,
  BUNDLE_RATIO_MAX,
  TREE_BYTES_MAX,
  TREE_DEPTH_MAX,
  TREE_ENTRIES_MAX,
} from './limits.ts';

/** What lies at a path. `listed`: by an entry of its own, and not only as the place of others. */
type Node =
  | { kind: 'file'; listed: true }
  | { kind: 'directory'; listed: boolean }
  | { kind: 'link'; target: string; listed: true };

export interface BundleShape {
  /** The one folder that everything lies in, if the lambda is in there; else empty. */
  folder: string;
  /** Whether a file, or a link, lies at this path of the lambda. */
  isThere: (path: string) => boolean;
  /** Path and target of each link, as the archive has them. */
  links: ReadonlyMap<string, string>;
  entries: number;
  bytes: number;
}

export class BundleGuard {
  readonly #fileBytes: number;
  readonly #nodes = new Map<string, Node>();
  /** Folded paths, with the path that came first. */
  readonly #folded = new Map<string, string>();
  #entries = 0;
  #bytes = 0;

  /** `fileBytes` is the size of the bundle itself. */
  constructor(fileBytes: number) {
    this.#fileBytes = fileBytes;
  }

  /** The path that the entry is to have; undefined if it is the root itself or no code. Throws Failure `lambda-invalid`. */
  admit(entry: BundleEntry): string | undefined {
    this.#entries += 1;
    if (this.#entries > TREE_ENTRIES_MAX) refuse(`it has more than ${TREE_ENTRIES_MAX} files`);
    if (entry.kind === 'file') this.#weigh(entry.bytes);
    const parts = entryParts(entry.name);
    if (parts.length === 0) {
      if (entry.kind !== 'directory') refuse(`${shown(entry.name)} names no file`);
      return undefined;
    }
    if (entry.kind === 'link' && Buffer.byteLength(entry.target) > BUNDLE_PATH_BYTES_MAX) {
      refuse(`the link ${shown(entry.name)} has a target of more than ${BUNDLE_PATH_BYTES_MAX} bytes`);
    }
    const path = parts.join('/');
    this.#place(path, entry);
    for (let depth = 1; depth < parts.length; depth += 1) this.#placeAbove(parts.slice(0, depth).join('/'), path);
    return isNoCode(parts) ? undefined : path;
  }

  /** Judges the whole; `handler` is one that was named elsewhere. Throws Failure `lambda-invalid`. */
  finish(handler?: HandlerName): BundleShape {
    const code = [...this.#nodes].filter(([path]) => !isNoCode(path.split('/')));
    if (code.length === 0) refuse('it is empty');
    const nodes = new Map(code);
    const folder = folderOf(nodes, handler);
    const deep = code.find(
      ([path]) => path.slice(folder.length).split('/').length > TREE_DEPTH_MAX + (folder === '' ? 1 : 2),
    );
    if (deep !== undefined) refuse(`directories are nested more than ${TREE_DEPTH_MAX} deep at ${shown(deep[0])}`);
    const links = new Map<string, string>();
    for (const [path, node] of code) {
      if (node.kind !== 'link') continue;
      const problem = linkProblem(nodes, path, folder);
      if (problem !== undefined) refuse(`the link ${shown(path)} to ${shown(node.target)} ${problem}`);
      links.set(path, node.target);
    }
    return { folder, isThere: within(nodes, folder), links, entries: this.#entries, bytes: this.#bytes };
  }

  #weigh(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > TREE_BYTES_MAX) refuse(`unpacked it is larger than ${TREE_BYTES_MAX / 1024 / 1024} MiB`);
    if (this.#bytes > BUNDLE_RATIO_FROM_BYTES && this.#bytes > this.#fileBytes * BUNDLE_RATIO_MAX) {
      refuse(`it unpacks to more than ${BUNDLE_RATIO_MAX} times its size`);
    }
  }

  #place(path: string, entry: BundleEntry): void {
    this.#fold(path);
    const before = this.#nodes.get(path);
    if (before?.listed) refuse(`${shown(path)} is in it twice`);
    if (before !== undefined && entry.kind !== 'directory') refuse(`${shown(path)} is a directory and a ${entry.kind}`);
    if (entry.kind === 'link') this.#nodes.set(path, { kind: 'link', target: entry.target, listed: true });
    else this.#nodes.set(path, { kind: entry.kind, listed: true });
  }

  #placeAbove(path: string, inside: string): void {
    const node = this.#nodes.get(path);
    if (node === undefined) {
      this.#fold(path);
      this.#nodes.set(path, { kind: 'directory', listed: false });
      if (this.#nodes.size > TREE_ENTRIES_MAX * 2) refuse(`it has more than ${TREE_ENTRIES_MAX} directories`);
    } else if (node.kind !== 'directory') {
      refuse(`${shown(path)} is a ${node.kind}, and ${shown(inside)} is to lie in it`);
    }
  }

  #fold(path: string): void {
    const folded = foldedPath(path);
    const other = this.#folded.get(folded);
    if (other === undefined) this.#folded.set(folded, path);
    else if (other !== path) {
      refuse(`${shown(other)} and ${shown(path)} are one file where case or the form of letters does not count`);
    }
  }
}

/** Where the lambda is: '' for the top, or the only folder that there is: people pack `hello/` as often as what is in it. */
function folderOf(code: ReadonlyMap<string, Node>, handler: HandlerName | undefined): string {
  if (mayBeLambda(within(code, ''), handler)) return '';
  const tops = new Set([...code.keys()].map((path) => path.split('/', 1)[0] as string));
  const [top = ''] = tops;
  if (tops.size === 1 && mayBeLambda(within(code, top), handler)) return top;
  return refuse(`there is ${NO_HANDLER_FILE} at its top, nor in a single folder there`);
}

function within(code: ReadonlyMap<string, Node>, folder: string): BundleShape['isThere'] {
  const prefix = folder === '' ? '' : `${folder}/`;
  return (path) => ['file', 'link'].includes(code.get(prefix + path)?.kind ?? '');
}
