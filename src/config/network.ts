/**
 * What a lambda's sandbox reaches: the `network` and `egress` of its `lambda.json`. Pure.
 *
 * `egress` narrows `outbound` to names. It comes with the lambda's own code, so it is no wall of the
 * operator's: it holds what the code has imported to what its author meant.
 */
import { EGRESS_ENTRIES_MAX, PORT_MAX } from './limits.ts';
import { show } from './parse.ts';
import { NETWORKS, type Network } from './settings.ts';

/** A name in lower case, perhaps with `*.` for exactly one label before it, and a port. */
export type EgressEntry = readonly [name: string, port: number];

export type NetworkSpec =
  | { readonly mode: 'none' }
  /** `egress` is null where everything outside is meant. */
  | { readonly mode: 'outbound'; readonly egress: readonly EgressEntry[] | null }
  /** All that the host reaches, itself included. */
  | { readonly mode: 'host' };

export const NO_NETWORK: NetworkSpec = { mode: 'none' };

export interface AskedNetwork {
  network: unknown;
  /** Undefined if there is no such key. */
  egress: unknown;
}

export function readNetwork(
  { network, egress }: AskedNetwork,
  allowed: readonly Network[],
  problems: string[],
): NetworkSpec {
  const mode = readMode(network === undefined ? 'none' : network, allowed, problems);
  if (egress === undefined) return mode === 'outbound' ? { mode, egress: null } : { mode };
  const entries = readEgress(egress, problems);
  // Whoever writes a list and no network may mean that nothing else is open, or that all is: it must be said.
  if (network !== 'outbound') problems.push(`egress: it narrows "network": "outbound", and ${unlike(network)}`);
  return mode === 'outbound' ? { mode, egress: entries } : { mode };
}

function unlike(network: unknown): string {
  return network === undefined ? 'no network is asked for' : `the network is ${show(network)}`;
}

function readMode(asked: unknown, allowed: readonly Network[], problems: string[]): NetworkSpec['mode'] {
  if (asked === 'none') return asked;
  const mode = NETWORKS.find((network) => network === asked);
  if (mode === undefined) {
    problems.push(`network: ${show(asked)} is not one of ${NETWORKS.map((network) => show(network)).join(', ')}`);
  } else if (allowed.includes(mode)) {
    return mode;
  } else {
    problems.push(`network: ${notAllowed(mode, allowed)}`);
  }
  return 'none';
}

/** Why a cluster does not give what is asked for, and what mends it. */
export function notAllowed(mode: Network, allowed: readonly Network[]): string {
  const mend = `\`admin setconf '${JSON.stringify({ network_allowed: [...allowed, mode] })}'\` allows it`;
  return `"${mode}" is not allowed here (network_allowed is ${show(allowed)}; ${mend})`;
}

function readEgress(raw: unknown, problems: string[]): EgressEntry[] {
  if (!Array.isArray(raw)) {
    problems.push(`egress: ${show(raw)} is not a list such as ["api.example.com:443"]`);
    return [];
  }
  if (raw.length === 0) problems.push('egress: an empty list lets nothing through; that is "network": "none"');
  if (raw.length > EGRESS_ENTRIES_MAX) {
    problems.push(`egress: it has ${raw.length} entries; ${EGRESS_ENTRIES_MAX} are allowed`);
    return [];
  }
  return raw.flatMap((text) => {
    const entry = readEntry(text);
    if (typeof entry !== 'string') return [entry];
    problems.push(`egress: ${show(text)} ${entry}`);
    return [];
  });
}

const LABEL = '[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?';
const NAME = new RegExp(`^(\\*\\.)?${LABEL}(\\.${LABEL})*$`);
const NAME_LENGTH_MAX = 253;

/** The entry, or what is wrong with it. */
function readEntry(text: unknown): EgressEntry | string {
  if (typeof text !== 'string') return 'is not a string such as "api.example.com:443"';
  const match = /^(.*):([0-9]{1,5})$/s.exec(text);
  if (match === null) return 'names no port: write it as "api.example.com:443"';
  const name = (match[1] as string).toLowerCase();
  const port = Number(match[2]);
  if (port < 1 || port > PORT_MAX) return `names no port from 1 to ${PORT_MAX}`;
  if (/^[0-9.]+$/.test(name) || /[:[\]]/.test(name)) return 'is an address; the list is one of names';
  if (name.length > NAME_LENGTH_MAX || !NAME.test(name)) {
    return 'is not a host name: letters, digits, "-" and dots, perhaps "*." before them (others as "xn--...")';
  }
  const labels = name.split('.').length;
  if (name.startsWith('*.') && labels < 3) return 'is too wide: "*." stands for one label before at least two others';
  return [name, port];
}
