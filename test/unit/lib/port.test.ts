import { type AddressInfo, createServer } from 'node:net';
import { expect, test } from 'vitest';
import { portClosed, portProblem } from '../../../src/lib/port.ts';

test('a port is free, then taken, then closed the moment its listener goes', async () => {
  const server = createServer(() => {});
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  expect(await portProblem('127.0.0.1', port)).toBe('EADDRINUSE');
  expect(await portClosed('127.0.0.1', port, 50)).toBe(false);
  await new Promise((done) => server.close(done));
  expect(await portClosed('127.0.0.1', port, 50)).toBe(true);
  expect(await portProblem('127.0.0.1', port)).toBeUndefined();
});
