import { describe, expect, it } from 'vitest';
import { Failure } from '../../../src/config/failure.ts';
import { ApiProblem, apiProblemOf, problemBody } from '../../../src/gateway/api-problem.ts';

const PLACE = { instance: '/kernel/x', requestId: 'r1' };

describe('a problem', () => {
  it('has the type and title that clients know, and says more', () => {
    const problem = new ApiProblem('auth-failed', 'Access key not found', { detail: 'There is none.' });
    expect(JSON.parse(problemBody(problem, PLACE))).toEqual({
      type: 'https://api.backend.ai/probs/auth-failed',
      title: 'Credential/signature mismatch. (Access key not found)',
      status: 401,
      detail: 'There is none.',
      instance: '/kernel/x',
      requestId: 'r1',
    });
    expect(new ApiProblem('service-unavailable').title).toBe('Serivce unavailable.');
  });

  it.each([
    ['session-missing', 'kernel-not-found', 404],
    ['language-missing', 'image-not-found', 404],
    ['path-invalid', 'invalid-api-params', 400],
    ['file-missing', 'file-not-found', 404],
    ['agent-missing', 'instance-not-available', 503],
    ['unreachable', 'instance-not-available', 503],
    ['sandbox-failed', 'internal-server-error', 500],
  ] as const)('of a failure %s is %s', (code, slug, status) => {
    const problem = apiProblemOf(new Failure(code, 'So it is.'));
    expect([problem.slug, problem.status, problem.facts.detail]).toEqual([slug, status, 'So it is.']);
  });

  it('of what nobody foresaw keeps the message to the log', () => {
    const body = problemBody(apiProblemOf(new Error('/secret/path')), PLACE);
    expect(body).not.toContain('secret');
  });
});
