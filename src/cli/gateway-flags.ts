import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { HEARTBEAT_RANGE, isHeartbeatTimeout } from '../cluster/gateway-settings.ts';
import { Failure } from '../config/failure.ts';
import { PORT_MAX } from '../config/limits.ts';
import { addClusterFlag } from './cluster-flag.ts';
import type { CommandCall } from './command.ts';
import { wholeNumber } from './whole-number.ts';

/** Of `gateway` and `gateway-exec`. */
export function addGatewayFlags(command: Command): Command {
  return addClusterFlag(command)
    .option(
      '-p, --port <port>',
      'its port; 0 takes a free one (else $ISLA_GATEWAY_PORT, the file, the last one, 8090)',
      wholeNumber(`0 to ${PORT_MAX}`, (number) => number <= PORT_MAX),
    )
    .option('--host <address>', 'the address to listen on (else $ISLA_GATEWAY_HOST, the file, "worker_host")')
    .addOption(
      new Option(
        '--log-level <level>',
        'how much it logs (else $ISLA_GATEWAY_LOG_LEVEL, the file, "log_level")',
      ).choices(['trace', 'debug', 'info', 'warn', 'error']),
    )
    .option(
      '--heartbeat-timeout <seconds>',
      'silence after which an agent is lost, and its sessions with it (else $ISLA_GATEWAY_HEARTBEAT_TIMEOUT, the file, 10)',
      heartbeatTimeout,
    )
    .option('--fixture <file>', 'add the users, keys and policies of a fixture of Backend.AI')
    .option('--config <file>', 'a manager.toml (else $ISLA_GATEWAY_CONFIG, else the first that there is, see below)');
}

function heartbeatTimeout(text: string): number {
  const seconds = text.trim() === '' ? Number.NaN : Number(text);
  if (isHeartbeatTimeout(seconds)) return seconds;
  throw new InvalidArgumentError(`it is a number of seconds ${HEARTBEAT_RANGE}`);
}

/** Absolute: the gateway runs in another directory. Throws Failure `usage` if it is not there. */
export function fixtureOf({ flags, caller }: CommandCall): string | undefined {
  if (typeof flags.fixture !== 'string') return undefined;
  const path = resolve(caller.cwd, flags.fixture);
  if (existsSync(path)) return path;
  throw new Failure('usage', `--fixture: there is no ${path}`);
}
