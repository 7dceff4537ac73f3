import { type Command, Option } from 'commander';
import { PORT_MAX } from '../config/limits.ts';
import { addClusterFlag } from './cluster-flag.ts';
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
    .option('--config <file>', 'a manager.toml (else $ISLA_GATEWAY_CONFIG, else the first that there is, see below)');
}
