/** Where a store is, and whose lambdas are in it: what every request to it needs. */
import type { Credentials } from '../lib/signature-v4.ts';
import { FUNCTION_DOCUMENT, FUNCTIONS_DIR, type LambdaName, parseLambdaName } from './source.ts';

export interface RemoteStore {
  /** URL without a path. */
  server: string;
  region: string;
  bucket: string;
  addressing: 'path' | 'virtual';
  credentials: Credentials;
}

/** What the names of bundles end with. */
export const BUNDLE_ENDINGS = ['.tar.gz', '.tgz', '.zip'] as const;
export type BundleEnding = (typeof BUNDLE_ENDINGS)[number];

/** The object that is the lambda's bundle, if it has that ending. */
export function bundleKey(lambda: LambdaName, ending: BundleEnding): string {
  return `${lambda}${ending}`;
}

/** The other way round; undefined if the object is no bundle. */
export function lambdaOfKey(key: string): LambdaName | undefined {
  const ending = BUNDLE_ENDINGS.find((one) => key.endsWith(one));
  return ending === undefined ? undefined : parseLambdaName(key.slice(0, -ending.length));
}

/** The object that says all of a function that was made through an API, but its code. */
export function documentKey(lambda: LambdaName): string {
  return functionKey(lambda, FUNCTION_DOCUMENT);
}

/** The other way round; undefined if the object is none. */
export function functionOfKey(key: string): LambdaName | undefined {
  const [dir, name = '', file, ...more] = key.split('/');
  return dir === FUNCTIONS_DIR && file === FUNCTION_DOCUMENT && more.length === 0 ? parseLambdaName(name) : undefined;
}

/** Something that belongs to such a function. */
export function functionKey(lambda: LambdaName, name: string): string {
  return `${FUNCTIONS_DIR}/${lambda}/${name}`;
}

export function bucketUrl({ server, bucket, addressing }: RemoteStore): URL {
  const url = new URL(server);
  if (addressing === 'virtual') url.hostname = `${bucket}.${url.hostname}`;
  else url.pathname = `/${bucket}`;
  return url;
}

/** Of an object whose name needs no escapes. */
export function objectUrl(store: RemoteStore, key: string): URL {
  const url = bucketUrl(store);
  url.pathname = `${url.pathname.replace(/\/$/, '')}/${key}`;
  return url;
}

/** Of something in the JSON API of Isla's own registry; `path` begins with a slash. */
export function apiUrl({ server }: RemoteStore, path: string, query: Readonly<Record<string, string>> = {}): URL {
  const url = new URL(`/-${path}`, server);
  for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value);
  return url;
}
