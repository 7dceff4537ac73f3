/** What it takes to call a gateway from elsewhere: `admin gateway token` and `admin gateway env`. */
import { accessOf } from '../client/access.ts';
import { Failure } from '../config/failure.ts';
import { plainText } from '../lib/plain-text.ts';
import { shellQuote } from '../lib/shell-quote.ts';
import type { CommandCall } from './command.ts';
import { EXIT } from './exit-codes.ts';
import { accessFor, asking, gatewayOf } from './gateway-access.ts';

/** A new token on stdout: for `Authorization: Bearer`, and for whoever is not to have the keys. */
export function printToken(call: CommandCall): Promise<number> {
  const { flags, caller } = call;
  const gateway = gatewayOf(call);
  return asking(call, async () => {
    const { token, expires } = await gateway.makeToken(flags.ttl as number | undefined);
    const facts = { token, expires: expires.toISOString(), endpoint: gateway.endpoint.origin };
    caller.stdout.write(flags.json ? `${JSON.stringify(facts)}\n` : `${plainText(token)}\n`);
    return EXIT.ok;
  });
}

/** The variables that clients read, as a shell takes them. */
export async function printEnvironment(call: CommandCall): Promise<number> {
  const { options, environment } = accessFor(call);
  const { endpoint, credentials } = accessOf(options, environment);
  if ('token' in credentials) throw new Failure('usage', 'there is a token, and no pair of keys');
  const variables = {
    BACKEND_ENDPOINT: endpoint.origin + endpoint.pathname.replace(/\/$/, ''),
    BACKEND_ENDPOINT_TYPE: 'api',
    BACKEND_ACCESS_KEY: credentials.accessKey,
    BACKEND_SECRET_KEY: credentials.secretKey,
  };
  const lines = Object.entries(variables).map(([name, value]) => `export ${name}=${shellQuote(value)}\n`);
  call.caller.stdout.write(call.flags.json ? `${JSON.stringify(variables)}\n` : lines.join(''));
  return EXIT.ok;
}
