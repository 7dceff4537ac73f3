/**
 * The ways in over HTTP as data. Routes are made out of these tables and in no other way, and so is
 * docs/reference/http.md. Sentences are Markdown.
 */
export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'HEAD';

export interface Endpoint<Code extends string = string> {
  method: Method | readonly Method[] | 'ANY' | 'WebSocket';
  /** As Hono has it: `/kernel/:token`, `/fn/:name/*`. */
  path: string;
  /** More paths that do the same. */
  also?: readonly string[];
  /** What may be sent: body, parameters, headers. */
  takes?: string;
  /** Status and body of what is no error. */
  answers: string;
  /** Errors of its own, beside those of all. */
  errors?: readonly Code[];
}

export type Endpoints<Code extends string = string> = Readonly<Record<string, Endpoint<Code>>>;

/** What belongs together in the reference. */
export interface ApiSection<Code extends string = string> {
  title: string;
  about?: string;
  tables: readonly Endpoints<Code>[];
  /** Errors of all its endpoints. */
  errors?: readonly Code[];
  /** What else is to be known of an endpoint, in a few words. */
  note?(endpoint: Endpoint<Code>): string;
  /** What clients see of an error. */
  told(code: Code): { status: number; name: string };
}

export function pathsOf({ path, also = [] }: Endpoint): readonly string[] {
  return [path, ...also];
}

/** Undefined for any. */
export function methodsOf({ method }: Endpoint): readonly string[] | undefined {
  if (method === 'ANY') return undefined;
  // A WebSocket begins as a GET.
  if (method === 'WebSocket') return ['GET'];
  return typeof method === 'string' ? [method] : method;
}

/** Matches one segment of a path for each name, and all that follows for `*`. */
export function pathPattern(path: string): RegExp {
  return new RegExp(`^${path.replaceAll('.', '\\.').replace(/:\w+/g, '[^/]+').replace(/\*$/, '.*')}$`);
}
