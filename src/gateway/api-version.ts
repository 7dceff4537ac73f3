/** Versions of the API: those of Sorna and Backend.AI from 2016 to 2019, and how a request says which it speaks. */
import { ApiProblem } from './api-problem.ts';

/** What `GET /` says. A later major version would make newer clients ask for paths that there are not. */
export const API_VERSION = 'v4.20190615';

/** The release whose API this is. */
export const MANAGER_VERSION = '19.09.6';

export const MAJORS = [1, 2, 3, 4] as const;
export type Major = (typeof MAJORS)[number];

const VERSIONS: ReadonlySet<string> = new Set([
  'v1.20160915',
  'v2.20170315',
  'v3.20170615',
  'v4.20181215',
  'v4.20190115',
  'v4.20190315',
  API_VERSION,
]);

export interface ApiVersion {
  major: Major;
  /** As the header has it; the newest of its major if there was none. */
  text: string;
  /** The header that named it, which is signed; '' if none did. */
  header: '' | 'x-backendai-version' | 'x-sorna-version';
}

/** Of several headers of one name the first, as all that are read here. */
export type Headers = Readonly<Record<string, string | string[] | undefined>>;

export function headerOf(headers: Headers, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/** `prefix` is the N of `/vN/...`, if there is one. Throws ApiProblem `generic-bad-request`. */
export function apiVersionOf(headers: Headers, prefix: Major | undefined): ApiVersion {
  const header = (['x-backendai-version', 'x-sorna-version'] as const).find((name) => headerOf(headers, name));
  if (header === undefined) {
    const major = prefix ?? 4;
    return { major, text: [...VERSIONS].findLast((text) => text.startsWith(`v${major}.`)) as string, header: '' };
  }
  const text = headerOf(headers, header) as string;
  if (!VERSIONS.has(text)) {
    throw new ApiProblem('generic-bad-request', 'Unsupported API major version.', {
      detail: `${header} is ${JSON.stringify(text)}; there are ${[...VERSIONS].join(', ')}.`,
    });
  }
  return { major: Number(text[1]) as Major, text, header };
}

/** Dates grow with versions: text is compared as the original does. */
export function isAtLeast({ text }: ApiVersion, version: string): boolean {
  return text >= version;
}
