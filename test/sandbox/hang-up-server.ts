/** Somebody on the machine's loopback, for those who should not reach it: who does is hung up on. */
import { createServer, type Server } from 'node:net';
import { afterEach, beforeEach } from 'vitest';

/** One for each test of the `describe` around it; says its port. */
export function useHangUpServer(): () => number {
  let server: Server;
  beforeEach(async () => {
    server = createServer((socket) => socket.destroy());
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  });
  afterEach(() => {
    server.close();
  });
  return () => (server.address() as { port: number }).port;
}
