/** Files of a session's working directory, /home/work. Paths are relative to it; those that lead out of it are refused. */
import type { Connection } from './connection.ts';
import { UPLOAD_FILES_MAX } from './limits.ts';
import { formOf, type NamedBytes } from './multipart.ts';
import { filesOfTar } from './tar.ts';

export interface FileFact {
  filename: string;
  /** As `ls -l` writes it, such as `-rw-r--r--`. */
  mode: string;
  /** In bytes. */
  size: number;
  /** Unix times in seconds. */
  mtime: number;
  ctime: number;
  atime: number;
}

export interface TransferSettings {
  /** Called as the bytes go or come; of a download, `of` is undefined while nobody knows. */
  onProgress?: (bytes: number, of: number | undefined) => void;
}

export class SessionFiles {
  readonly #connection: Connection;
  /** Of the session's calls. */
  readonly #path: string;

  /** @internal Sessions have them. */
  constructor(connection: Connection, path: string) {
    this.#connection = connection;
    this.#path = path;
  }

  /** Makes missing directories; replaces a file that is there. */
  write(path: string, content: string | Uint8Array): Promise<void> {
    return this.upload({ [path]: content });
  }

  /** Files by their paths, in as few requests as it takes. Those before a refused one are there. */
  async upload(
    files: Readonly<Record<string, string | Uint8Array>>,
    { onProgress }: TransferSettings = {},
  ): Promise<void> {
    const all = Object.entries(files).map(([name, content]) => ({
      name,
      bytes: typeof content === 'string' ? Buffer.from(content) : content,
    }));
    const of = sizeOf(all);
    let before = 0;
    for (let at = 0; at < all.length; at += UPLOAD_FILES_MAX) {
      const batch = all.slice(at, at + UPLOAD_FILES_MAX);
      const size = sizeOf(batch);
      // What stands between the files is nobody's progress.
      const onSent = (bytes: number) => onProgress?.(before + Math.min(bytes, size), of);
      await this.#connection.ask({ method: 'POST', path: `${this.#path}/upload`, body: formOf(batch), onSent });
      before += size;
    }
  }

  /** The bytes of one file. */
  async read(path: string): Promise<Buffer> {
    const [file, ...more] = filesOfTar(await this.download(path));
    if (file === undefined || more.length > 0) throw new Error(`${path} is a directory: download it, or list it`);
    return file.bytes;
  }

  /** A file, or a directory with all in it, as a tar archive. */
  async download(path: string, { onProgress }: TransferSettings = {}): Promise<Buffer> {
    const query = new URLSearchParams({ file: path });
    const answer = await this.#connection.ask({
      method: 'GET',
      path: `${this.#path}/download_single?${query}`,
      onReceived: onProgress,
    });
    return answer.bytes;
  }

  /** A directory goes with all in it. */
  async remove(...paths: string[]): Promise<void> {
    await this.#connection.ask({ method: 'DELETE', path: `${this.#path}/files`, json: { files: paths } });
  }

  /** What a directory holds, sorted by name. */
  async list(path = '.'): Promise<FileFact[]> {
    const query = new URLSearchParams({ path });
    const said = await this.#connection.json<{ files: string }>({
      method: 'GET',
      path: `${this.#path}/files?${query}`,
    });
    // A text that holds JSON: so it was first, and so it stayed.
    return JSON.parse(said.files) as FileFact[];
  }
}

function sizeOf(files: readonly NamedBytes[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes.length, 0);
}
