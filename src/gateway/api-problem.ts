/**
 * What the gateway's API answers when something is wrong: RFC 7807, with the types and titles that clients of
 * Backend.AI know, misspellings included. `detail`, `instance` and `requestId` are Isla's own.
 */
import { Failure } from '../config/failure.ts';

const PROBLEMS = {
  'generic-not-found': [404, 'Unknown URL path.'],
  'generic-bad-request': [400, 'Bad request.'],
  'generic-forbidden': [403, 'Forbidden operation.'],
  'method-not-allowed': [405, 'HTTP Method Not Allowed.'],
  'internal-server-error': [500, 'Internal server error.'],
  'server-misconfigured': [500, 'Service misconfigured.'],
  'service-unavailable': [503, 'Serivce unavailable.'],
  'not-implemented': [503, 'This API query is not implemented.'],
  'invalid-auth-params': [400, 'Missing or invalid authorization parameters.'],
  'auth-failed': [401, 'Credential/signature mismatch.'],
  'invalid-api-params': [400, 'Missing or invalid API parameters.'],
  'instance-not-found': [404, 'No such instance.'],
  'image-not-found': [404, 'No such environment image.'],
  'group-not-found': [404, 'No such user group.'],
  'scaling-group-not-found': [404, 'No such scaling group.'],
  'kernel-not-found': [404, 'No such kernel.'],
  'app-not-found': [404, 'No such app service provided by the session.'],
  'vfolder-not-found': [404, 'No such virtual folder.'],
  'kernel-already-exists': [400, 'The kernel already exists with a different runtime type.'],
  'quota-exceeded': [412, 'You have reached your resource limit.'],
  'rate-limit-exceeded': [429, 'You have reached your API query rate limit.'],
  'instance-not-available': [503, 'There is no available instance.'],
  'server-frozen': [503, 'The server is frozen due to maintenance. Please try again later.'],
  // Those below are Isla's own.
  'file-not-found': [404, 'No such file.'],
  'run-not-found': [404, 'No such execution.'],
  'run-conflict': [409, 'Another execution has its turn.'],
  'kernel-fork-failed': [409, 'The state of the kernel can not be had twice.'],
  // Those of agents.
  'kernel-creation-failed': [500, 'Kernel creation has failed.'],
  'kernel-destruction-failed': [500, 'Kernel destruction has failed.'],
  'kernel-restart-failed': [500, 'Kernel restart has failed.'],
  'kernel-execution-failed': [500, 'Executing user code in the kernel has failed.'],
} as const satisfies Readonly<Record<string, readonly [status: number, title: string]>>;

export type Slug = keyof typeof PROBLEMS;

/** For the reference. */
export function toldOfProblem(slug: Slug): { status: number; name: string } {
  return { status: PROBLEMS[slug][0], name: slug };
}

export interface ApiProblemFacts {
  /** A sentence for people: what, where, what to do. */
  detail?: string;
  data?: unknown;
  cause?: unknown;
  headers?: Readonly<Record<string, string>>;
  /** What the agent said, for `agent-details`. */
  agent?: { title: string; exception: string };
}

/** `extra` is added to the title in brackets, where old clients show it. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem';
  readonly slug: Slug;
  readonly status: number;
  readonly title: string;
  readonly facts: ApiProblemFacts;

  constructor(slug: Slug, extra?: string, facts: ApiProblemFacts = {}) {
    const [status, title] = PROBLEMS[slug];
    const whole = extra === undefined ? title : `${title} (${extra})`;
    super(whole, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.slug = slug;
    this.status = status;
    this.title = whole;
    this.facts = facts;
  }
}

export interface ProblemPlace {
  /** The path that was asked for. */
  instance: string;
  requestId: string;
}

export function problemBody(problem: ApiProblem, { instance, requestId }: ProblemPlace): string {
  const { detail, data, agent } = problem.facts;
  const type = `https://api.backend.ai/probs/${problem.slug}`;
  return JSON.stringify({
    type,
    title: problem.title,
    status: problem.status,
    ...(detail !== undefined && { detail }),
    ...(data !== undefined && { data }),
    ...(agent !== undefined && { 'agent-details': { type: 'https://api.backend.ai/probs/agent-failure', ...agent } }),
    instance,
    requestId,
  });
}

/** What a failure of our own parts is to a client. Undefined for what nobody foresaw. */
export function problemOfFailure(failure: Failure): ApiProblem {
  const facts = { detail: failure.message, cause: failure };
  switch (failure.code) {
    case 'event-memory-full':
    case 'store-full':
    case 'store-unavailable':
    case 'stopping':
      return new ApiProblem('service-unavailable', undefined, { ...facts, headers: { 'Retry-After': '1' } });
    case 'unreachable':
    case 'agent-missing':
    case 'sessions-full':
      return new ApiProblem('instance-not-available', undefined, { ...facts, headers: { 'Retry-After': '1' } });
    case 'session-missing':
      return new ApiProblem('kernel-not-found', undefined, facts);
    case 'language-missing':
      return new ApiProblem('image-not-found', undefined, facts);
    case 'session-invalid':
    case 'path-invalid':
      return new ApiProblem('invalid-api-params', failure.message, facts);
    case 'file-missing':
      return new ApiProblem('file-not-found', undefined, facts);
    case 'run-missing':
      return new ApiProblem('run-not-found', undefined, facts);
    case 'run-conflict':
      return new ApiProblem('run-conflict', undefined, facts);
    case 'cannot-fork':
      return new ApiProblem('kernel-fork-failed', undefined, facts);
    default:
      return new ApiProblem('internal-server-error', undefined, facts);
  }
}

/** Of anything thrown. The message of what nobody foresaw stays in the log: it may hold paths and other people's data. */
export function apiProblemOf(error: unknown): ApiProblem {
  if (error instanceof ApiProblem) return error;
  if (error instanceof Failure) return problemOfFailure(error);
  const detail = "The gateway failed to handle this request; its log says why, below this request's id.";
  return new ApiProblem('internal-server-error', undefined, { cause: error, detail });
}
