/**
 * Watches directories for changes. One inotify watch per directory, not recursive: Node's recursive
 * mode on Linux walks and polls by itself, and tells too late.
 *
 * What inotify cannot tell: writes through a memory mapping or a second hard link, and what another
 * machine does on a network file system; the last is known by the file system's type.
 */
import { type FSWatcher, statfsSync, watch } from 'node:fs';
import { errnoOf } from '../lib/errno.ts';
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

/** File systems that others change without this kernel's knowledge, by the type that statfs(2) gives. */
const REMOTE_TYPES = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xfe534d42, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0x01021997, '9p'],
  [0x65735546, 'FUSE'],
  [0x786f4256, 'a VirtualBox share'],
  [0x00c36400, 'Ceph'],
  [0x5346414f, 'AFS'],
]);

function remoteFileSystem(path: string): string | undefined {
  const name = REMOTE_TYPES.get(Number(statfsSync(path).type) >>> 0);
  return name === undefined ? undefined : `${name} does not tell who else changes it`;
}
