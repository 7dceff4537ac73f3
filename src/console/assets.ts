/** The files of the page, compressed once, and the headers that keep them to themselves. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { extname, join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

/** Nothing from elsewhere, nothing inline, in nobody's frame. */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'",
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

interface Asset {
  type: string;
  etag: string;
  /** By content coding. */
  bodies: ReadonlyMap<string, Buffer>;
}

export class Assets {
  readonly #dir: string;
  #read: Promise<ReadonlyMap<string, Asset>> | undefined;

  /** `dir` holds the files of the page and nothing else. */
  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Undefined if there is no file of this name. */
  async answer(name: string, { headers }: IncomingMessage): Promise<Response | undefined> {
    this.#read ??= readAssets(this.#dir);
    const asset = (await this.#read).get(name);
    if (asset === undefined) return undefined;
    const common = { ...PAGE_HEADERS, ETag: asset.etag, 'Cache-Control': 'no-cache', Vary: 'Accept-Encoding' };
    if (headers['if-none-match'] === asset.etag) return new Response(null, { status: 304, headers: common });
    const accepted = (headers['accept-encoding'] ?? '').toString();
    const coding = ['br', 'gzip'].find((one) => new RegExp(`\\b${one}\\b(?!;q=0(?:\\.0*)?(?:,|$))`).test(accepted));
    const encoded = coding === undefined ? {} : { 'Content-Encoding': coding };
    const body = asset.bodies.get(coding ?? 'identity') as Buffer<ArrayBuffer>;
    return new Response(body, { headers: { ...common, 'Content-Type': asset.type, ...encoded } });
  }
}

async function readAssets(dir: string): Promise<ReadonlyMap<string, Asset>> {
  const names = await readdir(dir);
  return new Map(await Promise.all(names.map(async (name) => [name, await readAsset(dir, name)] as const)));
}

async function readAsset(dir: string, name: string): Promise<Asset> {
  const bytes = await readFile(join(dir, name));
  const bodies = new Map([
    ['identity', bytes],
    ['gzip', await promisify(gzip)(bytes, { level: 9 })],
    ['br', await promisify(brotliCompress)(bytes, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } })],
  ]);
  const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
  return { type: TYPES[extname(name)] ?? 'application/octet-stream', etag, bodies };
}
