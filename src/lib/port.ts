import { connect, createServer } from 'node:net';
import { errnoOf } from './errno.ts';

/** Why nobody can listen there, as an error code such as EADDRINUSE; undefined if one can. */
export function portProblem(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) => resolve(errnoOf(error) ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

/**
 * Resolves when nobody listens there any more: true; false if somebody still does at the deadline.
 * A listener that is closed resets the connections it has not taken, so its end is an event.
 */
export function portClosed(host: string, port: number, waitMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const timer = setTimeout(() => settle(false), waitMs);
    const settle = (closed: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(closed);
    };
    socket.once('error', () => settle(true));
    socket.once('close', () => settle(true));
    socket.resume();
  });
}
