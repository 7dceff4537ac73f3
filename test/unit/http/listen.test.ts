import { once } from 'node:events';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { expect, test } from 'vitest';
import { BodyMemory } from '../../../src/http/body-memory.ts';
import { listen } from '../../../src/http/listen.ts';

test('an address that is not of this machine is a wrong setting, and the message says what to set', async () => {
  const app = { fetch: () => new Response() };
  // TEST-NET-1: nobody has it.
  await expect(listen(app as never, { host: '192.0.2.1', port: 0 } as never)).rejects.toMatchObject({
    code: 'config-invalid',
    message: 'worker_host 192.0.2.1 is no address of this machine; set it to one, such as 127.0.0.1',
  });
});

test('a connection that sent what is no HTTP is not kept for a client that never closes it', async () => {
  const app = { plain: new Map(), fetch: () => new Response() };
  const bodies = new BodyMemory({ bodyBytesMax: 1 });
  const listener = await listen(app, { host: '127.0.0.1', port: 0, bodies, log: () => {} });
  const client = connect({ port: listener.port, host: '127.0.0.1', allowHalfOpen: true });
  client.write('no HTTP\r\n\r\n');
  const [said] = (await once(client, 'data')) as [Buffer];
  expect(said.toString()).toMatch(/^HTTP\/1\.1 400 /);
  await once(client, 'end');
  // Whoever closes waits for all connections.
  await listener.close(60_000);
  expect(client.writable).toBe(true);
  client.destroy();
});

test('a connection that speaks another protocol is cut with all others when the time to end is over', async () => {
  const app = { plain: new Map(), fetch: () => new Response() };
  const bodies = new BodyMemory({ bodyBytesMax: 1 });
  const upgrade = (_incoming: unknown, socket: Duplex) => void socket.on('error', () => {}).write('taken');
  const listener = await listen(app, { host: '127.0.0.1', port: 0, bodies, log: () => {}, upgrade });
  const client = connect({ port: listener.port, host: '127.0.0.1' });
  client.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: another\r\n\r\n');
  await once(client, 'data');
  const cut = once(client, 'close');
  await listener.close(1);
  await cut;
});
