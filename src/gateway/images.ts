/** What clients call images: names of languages, perhaps with where they are from and a tag. */
import { Failure } from '../config/failure.ts';
import type { LanguageFacts } from '../session/host.ts';
import { offers } from '../session/language-names.ts';
import { ApiProblem } from './api-problem.ts';

/**
 * Id of the language of an image: `python`, `python:3.6-ubuntu18.04`, `index.docker.io/lablup/python:latest`. A tag that
 * nobody knows counts for nothing. Throws ApiProblem `image-not-found`, Failure `agent-missing` if nothing can be run.
 */
export function languageOf(image: string, languages: readonly LanguageFacts[]): string {
  if (languages.length === 0) {
    throw new Failure(
      'agent-missing',
      'No agent has joined this gateway: nothing can be run; `admin workers` starts some.',
    );
  }
  const found = offers(languages, image);
  if (found !== undefined) return found.id;
  const ids = languages.map(({ id }) => id).sort();
  const detail = `There is nothing that runs ${JSON.stringify(image)}; there are ${ids.join(', ')}.`;
  throw new ApiProblem('image-not-found', undefined, { detail });
}
