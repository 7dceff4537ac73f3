/** Who am I, may I, another password, and a token instead of a signature. */
import { json, noContent } from './answers.ts';
import type { ApiCall } from './api-call.ts';
import { ApiProblem } from './api-problem.ts';
import { MAJORS } from './api-version.ts';
import type { KeyRing } from './key-ring.ts';
import { PASSWORD_CHARS_MAX, TOKEN_S, TOKEN_S_MAX } from './limits.ts';
import { hashedPassword, isPassword } from './password.ts';
import { ANONYMOUS_RATE, RateLimiter } from './rate-limit.ts';
import { type Route, tooOften } from './route.ts';

export function authRoutes(keys: KeyRing): Route[] {
  const guesses = new RateLimiter(Date.now);
  const test: Route['run'] = async (call) => {
    const params = await call.params();
    const echo = params.text('echo') ?? '';
    params.check();
    return json({ authorized: 'yes', echo });
  };
  const needsKey = { majors: MAJORS, need: 'key' } as const;
  return [
    {
      method: ['GET', 'POST'],
      path: '/auth',
      also: ['/auth/test'],
      ...needsKey,
      takes: '`echo`',
      answers: '200 `{"authorized": "yes", "echo"}`',
      run: test,
    },
    {
      method: 'POST',
      path: '/auth/authorize',
      majors: MAJORS,
      need: 'nothing',
      takes: '`{"type": "keypair", "domain"?, "username", "password"}`',
      answers: '200 `{"data": {"access_key", "secret_key", "role"}}`',
      errors: ['invalid-api-params', 'auth-failed', 'rate-limit-exceeded'],
      run: authorize(keys, guesses),
    },
    {
      method: 'POST',
      path: '/auth/update-password',
      ...needsKey,
      takes: '`{"old_password", "new_password", "new_password2"}`',
      answers: '200 `{}`; 400 `{"error_msg"}` if the new ones differ',
      run: changePassword(keys, guesses),
    },
    {
      method: 'GET',
      path: '/auth/role',
      ...needsKey,
      answers: '200 `{"global_role", "domain_role", "group_role"}`',
      run: role(keys),
    },
    {
      method: 'POST',
      path: '/auth/token',
      ...needsKey,
      takes: '`{"ttl"?}` in seconds; a signature, no token',
      answers: '201 `{"token", "expires"}`',
      errors: ['generic-forbidden', 'quota-exceeded'],
      run: makeToken(keys),
    },
    {
      method: 'DELETE',
      path: '/auth/token',
      ...needsKey,
      takes: '`{"token"}`',
      answers: '204',
      run: dropToken(keys),
    },
  ];
}

/** Whoever guesses passwords does not get far, nor keeps all threads busy. Throws ApiProblem `rate-limit-exceeded`. */
function countGuess({ incoming }: ApiCall, guesses: RateLimiter): void {
  const rate = guesses.count(incoming.socket.remoteAddress ?? '', ANONYMOUS_RATE.limit);
  if (rate.retryAfterS !== undefined) throw tooOften(rate);
}

/** From a user's password to that user's keys. */
function authorize(keys: KeyRing, guesses: RateLimiter): Route['run'] {
  return async (call) => {
    countGuess(call, guesses);
    const params = await call.params();
    params.choice('type', ['keypair']);
    const domain = params.text('domain') ?? 'default';
    const username = params.requiredText('username');
    const password = params.requiredText('password', { charsMax: PASSWORD_CHARS_MAX });
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

function changePassword(keys: KeyRing, guesses: RateLimiter): Route['run'] {
  return async (call) => {
    countGuess(call, guesses);
    const params = await call.params();
    const before = params.requiredText('old_password', { charsMax: PASSWORD_CHARS_MAX });
    const wanted = params.requiredText('new_password', { charsMax: PASSWORD_CHARS_MAX });
    const again = params.requiredText('new_password2', { charsMax: PASSWORD_CHARS_MAX });
    params.check();
    const user = keys.userOf(call.pair);
    if (user === undefined || !(await isPassword(before, user.password))) {
      throw new ApiProblem('auth-failed', 'User credential mismatch.');
    }
    // Not a problem, but this: so its clients have it.
    if (wanted !== again) return json({ error_msg: 'new password mismatch' }, 400);
    await keys.putUser({ ...user, password: await hashedPassword(wanted) });
    return json({});
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

/** By a signature alone: else whoever has come by a token could make it last for ever. */
function makeToken(keys: KeyRing): Route['run'] {
  return async (call) => {
    if (call.byToken) {
      const detail = 'A token makes no other tokens; sign this call with the pair of keys.';
      throw new ApiProblem('generic-forbidden', undefined, { detail });
    }
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
