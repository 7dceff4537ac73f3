/** The systemd unit that runs the workers of a cluster, one instance of the template for each. Pure. */
import { READY_WAIT_MS, STOP_MARGIN_MS } from '../config/limits.ts';
import type { Program } from './spawn-worker.ts';

export interface UnitFacts {
  /** Absolute path of the cluster. */
  cluster: string;
  program: Program;
  /** For a user's own systemd, where there is nothing to give up and nobody else to be. */
  user: boolean;
  /** Number of the user whose cluster it is; 0 is root. */
  ownerId: number;
  graceMs: number;
  /** Port of worker 0; the others follow. */
  firstPort: number;
}

/** What the worker's spawner has no use for, so that a hole in it is worth less. */
const RIGHTS_GIVEN_UP = [
  'CAP_SYS_MODULE',
  'CAP_SYS_BOOT',
  'CAP_SYS_TIME',
  'CAP_SYS_RAWIO',
  'CAP_SYSLOG',
  'CAP_WAKE_ALARM',
  'CAP_BLOCK_SUSPEND',
  'CAP_MAC_ADMIN',
  'CAP_MAC_OVERRIDE',
  'CAP_AUDIT_CONTROL',
  'CAP_LINUX_IMMUTABLE',
];

/** The first line of each unit that we write: whose it is. */
export function unitMark(cluster: string): string {
  return `# Made by "admin install --systemd" for ${JSON.stringify(cluster)}; that command makes it again.`;
}

export function unitText({ cluster, program, user, ownerId, graceMs, firstPort }: UnitFacts): string {
  const { node, main, singleFile } = program;
  const start = singleFile === undefined ? [node, main] : [singleFile];
  const command = [...start, 'worker-exec', `--cluster=${cluster}`].map(quoted).join(' ');
  const seconds = (ms: number) => Math.ceil(ms / 1_000);
  return `${unitMark(cluster)}
[Unit]
Description=Isla worker %i of ${specifierless(printable(cluster))}
After=network.target

[Service]
Type=notify
# A child of the worker says READY=1: Node can not.
NotifyAccess=all
ExecStart=${command} --first-port=${firstPort} --worker=%i
Restart=on-failure
RestartSec=1
TimeoutStartSec=${seconds(READY_WAIT_MS)}
# Calls in flight get grace_ms; then the sandboxes are taken down.
TimeoutStopSec=${seconds(graceMs + STOP_MARGIN_MS)}
# The worker ends what is below it in order; what is left when it has gone is killed.
KillMode=mixed
# A sandbox that ran out of memory is the worker's affair.
OOMPolicy=continue
# Each sandbox has a control group of its own.
Delegate=yes
TasksMax=infinity
LimitNOFILE=524288
UMask=0077
${user ? '' : systemLines(ownerId)}
[Install]
WantedBy=${user ? 'default.target' : 'multi-user.target'}
`;
}

function systemLines(ownerId: number): string {
  if (ownerId !== 0) return `User=${ownerId}\n`;
  return `CapabilityBoundingSet=~${RIGHTS_GIVEN_UP.join(' ')}\n`;
}

/** A word of a command line, in systemd's quotes, whatever it holds. */
function quoted(word: string): string {
  const escaped = printable(word.replaceAll('\\', '\\\\').replaceAll('"', '\\"'));
  return `"${specifierless(escaped).replaceAll('$', '$$$$')}"`;
}

/** Control characters end a line, or worse. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function specifierless(text: string): string {
  return text.replaceAll('%', '%%');
}

/** A name for the unit, without its ending: `isla-` and the cluster's own. */
export function unitNameOf(clusterName: string): string {
  const safe = clusterName.replaceAll(/[^A-Za-z0-9_.-]+/g, '-').replaceAll(/^-+|-+$/g, '');
  return `isla-${safe || 'cluster'}`.slice(0, UNIT_NAME_CHARACTERS_MAX);
}

/** systemd allows 255 with everything; a name is for people. */
const UNIT_NAME_CHARACTERS_MAX = 100;

export const UNIT_NAME_RULE = '1 to 100 of A-Z a-z 0-9 : _ . -';

export function isUnitName(text: string): boolean {
  return /^[A-Za-z0-9:_.-]{1,100}$/.test(text);
}
