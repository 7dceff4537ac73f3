/** What a gateway refuses, in the words of this program: there a session is a kernel, and its name a token. */
import type { ProblemError } from '../client/problem.ts';
import { plainText } from '../lib/plain-text.ts';

/** By what the API calls it. */
const NAMES: ReadonlyMap<string, string> = new Map([
  ['clientSessionToken', 'the name'],
  ['image', '--language'],
  ['config.environ', '--env'],
  ['config.idleTimeout', '--idle-timeout'],
  ['config.lifetime', '--lifetime'],
  ['config.network', '--network'],
  ['config.requirements', '--requirements'],
  ['config.resources.mem', '--memory'],
]);

/** One sentence or more, that may stand on a terminal. */
export function problemWords(error: ProblemError): string {
  return plainText(wordsOf(error));
}

function wordsOf({ slug, title, detail }: ProblemError): string {
  switch (slug) {
    case 'invalid-api-params':
      return parametersIn(detail ?? title);
    case 'auth-failed':
      return `the gateway does not take this key: ${detail ?? title}`;
    case 'kernel-creation-failed':
      return `the session could not be made: ${detail ?? title}`;
    case 'kernel-fork-failed':
      return detail ?? 'the state of this session can not be had twice';
    default:
      // Its title is for programs, and says less.
      return detail ?? title;
  }
}

/** `Missing or invalid API parameters. (image: is required; …)` without what is around it. */
function parametersIn(text: string): string {
  const [, inner = text] = /^Missing or invalid API parameters\. \((.*)\)$/s.exec(text) ?? [];
  const named = inner.replace(/(^|; )([\w.]+):/g, (whole, before: string, name: string) => {
    const known = NAMES.get(name);
    return known === undefined ? whole : `${before}${known}:`;
  });
  return named.replace(/\bis not a token\b/g, 'is not a name');
}
