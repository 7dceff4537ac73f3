/** Who am I, may I, and a token instead of a signature. */
import { json, noContent } from './answers.ts';
import { ApiProblem } from './api-problem.ts';
import { MAJORS } from './api-version.ts';
import type { KeyRing } from './key-ring.ts';
import { TOKEN_S, TOKEN_S_MAX } from './limits.ts';
import { isPassword } from './password.ts';
import { ANONYMOUS_RATE, RateLimiter } from './rate-limit.ts';
import { type Route, tooOften } from './route.ts';

export function authRoutes(keys: KeyRing): Route[] {
  const test: Route['run'] = async (call) => {
    const params = await call.params();
    const echo = params.text('echo') ?? '';
    params.check();
    return json({ authorized: 'yes', echo });
  };
  const needsKey = { majors: MAJORS, need: 'key' } as const;
  return [
    { method: 'GET', path: '/auth', ...needsKey, run: test },
    { method: 'POST', path: '/auth', ...needsKey, run: test },
    { method: 'GET', path: '/auth/test', ...needsKey, run: test },
    { method: 'POST', path: '/auth/test', ...needsKey, run: test },
    { method: 'POST', path: '/auth/authorize', majors: MAJORS, need: 'nothing', run: authorize(keys) },
    { method: 'GET', path: '/auth/role', ...needsKey, run: role(keys) },
    { method: 'POST', path: '/auth/token', ...needsKey, run: makeToken(keys) },
    { method: 'DELETE', path: '/auth/token', ...needsKey, run: dropToken(keys) },
  ];
}

/** From a user's password to that user's keys. Whoever guesses does not get far, nor keeps all threads busy. */
function authorize(keys: KeyRing): Route['run'] {
  const rates = new RateLimiter(Date.now);
  return async (call) => {
    const rate = rates.count(call.incoming.socket.remoteAddress ?? '', ANONYMOUS_RATE.limit);
    if (rate.retryAfterS !== undefined) throw tooOften(rate);
    const params = await call.params();
    params.choice('type', ['keypair']);
    const domain = params.text('domain') ?? 'default';
    const username = params.requiredText('username');
    const password = params.requiredText('password', { charsMax: 1_024 });
    params.check();
    const user = keys.user(username);
    const good = await isPassword(password, user?.password ?? null);
    const pair = keys.pairOf(username);
    if (!good || user === undefined || pair === undefined || user.domain !== domain) {
      throw new ApiProblem('auth-failed', 'User credential mismatch.');
    }
    return json({ data: { access_key: pair.accessKey, secret_key: pair.secretKey, role: user.role } });
  };
}

function role(keys: KeyRing): Route['run'] {
  return (call) => {
    const mine = keys.userOf(call.pair)?.role;
    return json({
      global_role: mine === 'superadmin' ? 'superadmin' : 'user',
      domain_role: mine === 'superadmin' || mine === 'admin' ? 'admin' : 'user',
      group_role: 'user',
    });
  };
}

function makeToken(keys: KeyRing): Route['run'] {
  return async (call) => {
    const params = await call.params();
    const ttlS = params.number('ttl', { min: 1, max: TOKEN_S_MAX }) ?? TOKEN_S;
    params.check();
    const { token, expiresMs } = await keys.makeToken(call.pair, ttlS * 1_000);
    return json({ token, expires: new Date(expiresMs).toISOString() }, 201);
  };
}

/** Whoever knows a token may end it. */
function dropToken(keys: KeyRing): Route['run'] {
  return async (call) => {
    const params = await call.params();
    const token = params.requiredText('token');
    params.check();
    await keys.dropToken(token);
    return noContent();
  };
}
