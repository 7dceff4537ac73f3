/** Which gateway a command asks: the one that flags name, else the environment's, else the cluster's own. */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { type AccessOptions, type Environment, fromEnvironment } from '../client/access.ts';
import { Gateway } from '../client/gateway.ts';
import { ProblemError } from '../client/problem.ts';
import { urlOf } from '../cluster/fleet.ts';
import { gatewayServer } from '../cluster/gateway.ts';
import type { Layout } from '../cluster/layout.ts';
import { readServer } from '../cluster/server.ts';
import { Failure } from '../config/failure.ts';
import { isPlain } from '../config/parse.ts';
import { errnoWords } from '../lib/errno.ts';
import { plainText } from '../lib/plain-text.ts';
import { addClusterFlag, clusterOf } from './cluster-flag.ts';
import type { CommandCall } from './command.ts';
import { EXIT } from './exit-codes.ts';
import { problemWords } from './problem-words.ts';

export const GATEWAY_HELP = `
The gateway is that of --endpoint, else of --cluster, else of BACKEND_ENDPOINT, else that of the
cluster; the key is BACKEND_ACCESS_KEY with BACKEND_SECRET_KEY, and for a cluster's own gateway
that of its administrator, from the cluster's gateway/admin-key.json.`;

export function addGatewayFlags(command: Command): Command {
  return addClusterFlag(command).option(
    '--endpoint <url>',
    'the gateway (else $BACKEND_ENDPOINT, else the cluster has one)',
  );
}

/** Throws Failure `usage`, `cluster-missing`, or `unreachable` if the cluster's gateway does not run. */
export function gatewayOf(call: CommandCall): Gateway {
  const { options, environment } = accessFor(call);
  return new Gateway(options, environment);
}

/** What the client takes, and from where it takes the rest. Throws as `gatewayOf`. */
export function accessFor(call: CommandCall): { options: AccessOptions; environment: Environment } {
  const { flags, caller } = call;
  const endpoint = flags.endpoint as string | undefined;
  const isElsewhere = flags.cluster === undefined && fromEnvironment('ENDPOINT', caller.env) !== undefined;
  if (endpoint !== undefined || isElsewhere) return { options: { endpoint }, environment: caller.env };
  const layout = clusterOf(call);
  return { options: { endpoint: endpointOf(layout), ...keysOf(layout) }, environment: {} };
}

function endpointOf(layout: Layout): string {
  const { state, address } = readServer(gatewayServer(layout));
  if (state.kind === 'running' && address !== undefined) return urlOf(address);
  const hint = `start it with \`admin gateway --cluster=${layout.root}\`, or name another with --endpoint`;
  throw new Failure('unreachable', `the gateway of ${layout.root} does not run; ${hint}`);
}

function keysOf({ gatewayAdminKey: file }: Layout): AccessOptions {
  let raw: unknown;
  try {
    raw = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new Failure('usage', `can not read the administrator's key in ${file}: ${errnoWords(error)}`, {
      cause: error,
    });
  }
  const { access_key: accessKey, secret_key: secretKey } = isPlain(raw) ? raw : {};
  if (typeof accessKey === 'string' && typeof secretKey === 'string') return { accessKey, secretKey };
  throw new Failure('usage', `${file} has no access_key and secret_key`);
}

/** Runs what asks the gateway; what that refuses is said, and becomes an exit code. */
export async function asking(call: CommandCall, ask: () => Promise<number>): Promise<number> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    const { requestId } = error;
    const request = requestId === undefined ? '' : ` (request ${plainText(requestId)})`;
    call.caller.stderr.write(`admin: ${problemWords(error)}${request}\n`);
    return exitCodeOf(error);
  }
}

function exitCodeOf({ status, slug }: ProblemError): number {
  if (slug.endsWith('-already-exists') || status === 409) return EXIT.conflict;
  switch (status) {
    case 404:
      return EXIT.notFound;
    case 401:
    case 403:
      return EXIT.auth;
    case 412:
    case 429:
    case 502:
    case 503:
      return EXIT.unreachable;
    default:
      return status >= 500 ? EXIT.failed : EXIT.usage;
  }
}
