/** Files of a kernel's working directory, as its runner finds them (runtime/kernel/files.py). */
import type { FileFact, KernelFiles } from './kernel.ts';

export type Ask = (meta: Record<string, unknown>, body?: Uint8Array) => Promise<{ value: unknown; body: Buffer }>;

/** The answer to `file-read` is a tar archive, that to `file-list` JSON of facts. */
export function filesOf(ask: Ask): KernelFiles {
  return {
    async write(path, bytes) {
      await ask({ op: 'file-write', path }, bytes);
    },
    async read(path) {
      return (await ask({ op: 'file-read', path })).body;
    },
    async list(path) {
      const { body } = await ask({ op: 'file-list', path });
      return (JSON.parse(body.toString()) as Record<string, unknown>[]).map(factOf);
    },
    async remove(path) {
      await ask({ op: 'file-remove', path });
    },
  };
}

function factOf({ filename, mode, size, mtime, ctime, atime }: Record<string, unknown>): FileFact {
  return {
    filename: String(filename),
    mode: String(mode),
    size: Number(size),
    mtime: Number(mtime),
    ctime: Number(ctime),
    atime: Number(atime),
  };
}
