/** What means this machine, and can be reached from nowhere else. */
import { isIP } from 'node:net';

/** Of an address, or of a name that no DNS is asked for. */
export function isLoopback(host: string): boolean {
  if (host === 'localhost' || host.endsWith('.localhost')) return true;
  const bare = host.replace(/^::ffff:/i, '');
  return isIP(bare) === 4 ? bare.startsWith('127.') : bare === '::1';
}

/** Of a Host header: `localhost:8080` without its port, an IPv6 address without its brackets. */
export function hostName(header: string): string {
  return header
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase();
}
