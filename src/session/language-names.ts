/** What languages go by. Pure. */
import type { LanguageFacts } from './host.ts';

/**
 * What a name may mean, also one as images have them: `python:3.6`, `lablup/lua:5.3-alpine3.8`, `nodejs6`. There is one
 * version of each language.
 */
export function meaningsOf(name: string): readonly [bare: string, withoutVersion: string] {
  const last = name.slice(name.lastIndexOf('/') + 1).toLowerCase();
  const bare = last.split(/[:@]/, 1)[0] ?? '';
  return [bare, bare.replace(/[-_]?\d+(\.\d+)*$/, '')];
}

/** The one that is meant; undefined if it is not among them. */
export function offers(languages: readonly LanguageFacts[], name: string): LanguageFacts | undefined {
  for (const meant of meaningsOf(name)) {
    const found = languages.find(({ id, aliases }) => id === meant || aliases.includes(meant));
    if (found !== undefined) return found;
  }
  return undefined;
}
