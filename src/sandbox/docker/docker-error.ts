/** What Docker's API says when it refuses: a status, and a JSON body with a message. */
import { errnoOf } from '../../lib/errno.ts';

interface ApiError {
  statusCode?: number;
  json?: { message?: string };
}

/** Nothing of that name or id exists. */
export function isMissing(error: unknown): boolean {
  return (error as ApiError).statusCode === 404;
}

/** It is on its way already: a container that is being removed is asked for it a second time. */
export function isConflict(error: unknown): boolean {
  return (error as ApiError).statusCode === 409;
}

/** The daemon's own words, without the client's around them. */
export function reasonOf(error: unknown): string {
  if (errnoOf(error) === 'ECONNRESET') return 'the Docker daemon hung up, or gave no answer in time';
  return (error as ApiError).json?.message ?? (error as Error).message;
}
