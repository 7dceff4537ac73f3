/** The filter of a sandbox's network by itself, in a network namespace of the test's: as much as it is ever asked to hold. */
import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lacking } from './network-fixture.ts';

const lack = lacking();
const PROGRAMS = resolve(import.meta.dirname, '../../src/sandbox/sock');

/** Runs Python with a filter `f` that is narrowed, and answers what it prints. */
function filtered(...lines: string[]): string {
  const program = [
    'import ipaddress, struct, sys',
    'sys.path.insert(0, sys.argv[1])',
    'from spawner.network import netlink, packet_filter',
    'f = packet_filter.PacketFilter(netlink.open_socket(12), [], True)',
    ...lines,
  ].join('\n');
  const argv = ['--net', '/usr/bin/python3', '-B', '-c', program, PROGRAMS];
  return execFileSync('unshare', argv, { encoding: 'utf8', stdio: 'pipe' }).trim();
}

describe.skipIf(lack !== undefined)(`a network's filter${lack === undefined ? '' : ` (${lack})`}`, () => {
  it.each([
    [4, 0xcb007100n],
    [6, 0x20010db8_00020000_00000000_00000000n],
  ])('closes at once all that was opened bit by bit (IPv%s)', (version, first) => {
    const said = filtered(
      'most = packet_filter.OPEN_MAX',
      `found = [((${first} + at // 64).to_bytes(${version === 4 ? 4 : 16}, "big"), at % 64 + 1) for at in range(most)]`,
      'for at in range(0, most, 512): f.open(found[at : at + 512])',
      'f.close(found)',
      // What is open can not be opened; so it is closed now.
      'f.open(found)',
      'print("done")',
    );
    expect(said).toBe('done');
  });

  it('refuses thousands of addresses of a host, and others instead', () => {
    const said = filtered(
      'def hosts(net): return [ipaddress.ip_network(f"{net}.{at // 250}.{at % 250}") for at in range(0, 4000, 2)]',
      'six = [ipaddress.ip_network(f"2001:db8::{at:x}") for at in range(0, 2000, 2)]',
      'f.refuse([*hosts("10.1"), *six])',
      'f.refuse(hosts("10.2"))',
      'print("done")',
    );
    expect(said).toBe('done');
  });
});
