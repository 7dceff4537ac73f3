/** What a setting may be, and how that is said. */
import type { Bound } from './limits.ts';

export type Field = { readonly about: string } & (
  | {
      readonly kind: 'choice';
      readonly choices: readonly string[];
      readonly initial: string;
    }
  | {
      readonly kind: 'choices';
      readonly choices: readonly string[];
      readonly initial: readonly string[];
    }
  | { readonly kind: 'integer'; readonly bound: Bound; readonly initial: number }
  /** A directory; the default is relative to the cluster's root. */
  | { readonly kind: 'directory'; readonly initial: string }
  /** A path, or one of the words that mean something else. */
  | { readonly kind: 'path'; readonly words: readonly string[]; readonly initial: string }
  | { readonly kind: 'address'; readonly initial: string }
  /** `http(s)://…` or empty. */
  | { readonly kind: 'url'; readonly initial: string }
  /** The name of an image, as Docker writes it. */
  | { readonly kind: 'image'; readonly initial: string }
  /** Where a server is: a URL without a path; empty for none. */
  | { readonly kind: 'server'; readonly initial: string }
  /** A name in somebody else's system, such as a region. */
  | { readonly kind: 'word'; readonly pattern: RegExp; readonly what: string; readonly initial: string }
);

export type IntegerField = Field & { readonly kind: 'integer' };

/** What a field takes, in words. */
export function legalValues(field: Field): string {
  switch (field.kind) {
    case 'choice':
      return field.choices.map((choice) => JSON.stringify(choice)).join(' or ');
    case 'choices':
      return `a list of ${field.choices.map((choice) => JSON.stringify(choice)).join(', ')}`;
    case 'integer':
      return `a whole number from ${field.bound.min} to ${field.bound.max} (${field.bound.unit})`;
    case 'directory':
      return 'the path of a directory';
    case 'path':
      return ['a path', ...field.words.map((word) => JSON.stringify(word))].join(' or ');
    case 'url':
      return 'an address that begins with http:// or https://, or ""';
    case 'address':
      return 'an IP address or a host name';
    case 'image':
      return 'the name of an image, such as "python:3.12-slim"';
    case 'server':
      return 'a URL such as "http://127.0.0.1:9000", without a path';
    case 'word':
      return field.what;
  }
}
