/**
 * Watches directories for changes. One inotify watch per directory, not recursive: Node's recursive
 * mode on Linux walks and polls by itself, and tells too late.
 *
 * What inotify cannot tell: writes through a memory mapping or a second hard link, and what another
 * machine does on a network file system; the last is known by the file system's type.
 */
import { type FSWatcher, watch } from 'node:fs';
import { errnoOf } from '../lib/errno.ts';
import { remoteFileSystem } from '../lib/remote-file-system.ts';
import { isLeftOut } from './tree.ts';

/** `name` is the entry in question, null if the kernel did not say. */
export type OnChange = (name: string | null) => void;

export class DirectoryWatches {
  readonly #onChange: OnChange;
  readonly #watchers: FSWatcher[] = [];
  /** Why these watches cannot be relied on, if they cannot. */
  unreliable: string | undefined;

  constructor(onChange: OnChange) {
    this.#onChange = onChange;
  }

  get count(): number {
    return this.#watchers.length;
  }

  /** Lays a watch on the directory, or says in `unreliable` why not. */
  add(path: string): void {
    if (this.unreliable !== undefined) return;
    try {
      const watcher = watch(path, { persistent: false }, (_event, name) => {
        if (name === null || !isLeftOut(name)) this.#onChange(name);
      });
      watcher.on('error', () => this.#onChange(null));
      this.#watchers.push(watcher);
      if (this.#watchers.length === 1) this.unreliable = remoteFileSystem(path);
    } catch (error) {
      const errno = errnoOf(error);
      // It has just gone: whoever lists it next will see that too.
      if (errno === 'ENOENT' || errno === 'ENOTDIR') return;
      this.unreliable = errno === 'ENOSPC' ? 'fs.inotify.max_user_watches is used up' : String(error);
    }
  }

  close(): void {
    for (const watcher of this.#watchers.splice(0)) watcher.close();
  }
}
