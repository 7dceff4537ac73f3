/** A TCP port that a server listens on, from its opening to its end. */
import type { Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Failure } from '../config/failure.ts';
import { errnoOf, errnoWords } from '../lib/errno.ts';

/** Connections that wait to be accepted; the kernel's own limit may be lower. */
const BACKLOG = 4_096;
/** How often a closing listener looks for connections that have become idle. */
const CLOSE_CHECK_MS = 20;

export interface ListenerOptions {
  host: string;
  /** 0 takes a free one. */
  port: number;
  /** Where the operator has set the host, for the message about a wrong one. */
  hostSetting: string;
}

export interface Listener {
  readonly port: number;
  /** Resolves if the listening socket fails, which it never does by itself. */
  readonly failed: Promise<Error>;
  /** Resolves when all connections have ended; those that are still open after `graceMs` are cut. */
  close(graceMs: number): Promise<void>;
}

/** Rejects with a Failure that says why nobody can listen there. */
export async function openListener(server: Server, options: ListenerOptions): Promise<Listener> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenFailure(error, options)));
    server.listen({ host: options.host, port: options.port, backlog: BACKLOG }, resolve);
  });
  // Node's own list lacks those that speak another protocol by now, or are about to.
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const failed = new Promise<Error>((resolve) => server.on('error', resolve));
  const closed = new Promise<void>((resolve) => server.once('close', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    failed,
    close: async (graceMs) => {
      if (server.listening) server.close();
      // Node closes what is idle now; a connection that becomes idle later would stay for its keep-alive.
      const sweep = setInterval(() => server.closeIdleConnections(), CLOSE_CHECK_MS);
      const cut = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, graceMs);
      await closed;
      clearInterval(sweep);
      clearTimeout(cut);
    },
  };
}

function listenFailure(error: unknown, { host, port, hostSetting }: ListenerOptions): Failure {
  switch (errnoOf(error)) {
    case 'EADDRINUSE':
      return new Failure('conflict', `port ${port} is taken by another program; choose another with --port`, {
        cause: error,
      });
    case 'EACCES':
      return new Failure('machine-unfit', `port ${port} needs root; choose one from 1024 on with --port`, {
        cause: error,
      });
    case 'EADDRNOTAVAIL':
    case 'EAFNOSUPPORT':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new Failure(
        'config-invalid',
        `${hostSetting} ${host} is no address of this machine; set it to one, such as 127.0.0.1`,
        { cause: error },
      );
    default:
      return new Failure('worker-failed', `cannot listen on ${host}:${port}: ${errnoWords(error)}`, { cause: error });
  }
}
