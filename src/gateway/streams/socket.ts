/** One WebSocket of a client: JSON goes out, texts come in, and whoever has gone is noticed. */
import type { RawData, WebSocket } from 'ws';
import { SOCKET_PING_MS, SOCKET_UNREAD_BYTES_MAX } from '../limits.ts';

export interface ClientSocket {
  /** False if the client has much to read already; `onDrained` says when not any more. */
  send(value: unknown): boolean;
  onMessage(hear: (text: string) => void): void;
  onDrained(hear: () => void): void;
  onClosed(hear: () => void): void;
  /** Nothing more is read of it until `resume`; a little may still come. */
  pause(): void;
  resume(): void;
  close(code?: number, reason?: string): void;
}

export function clientSocket(socket: WebSocket): ClientSocket {
  let drained = () => {};
  let full = false;
  let alive = true;
  const ping = setInterval(() => {
    if (!alive) return socket.terminate();
    alive = false;
    socket.ping();
  }, SOCKET_PING_MS);
  socket.on('pong', () => {
    alive = true;
  });
  // Its end says the same.
  socket.on('error', () => {});
  socket.on('close', () => clearInterval(ping));
  const sent = () => {
    if (!full || socket.bufferedAmount > SOCKET_UNREAD_BYTES_MAX / 2) return;
    full = false;
    drained();
  };
  return {
    send(value) {
      if (socket.readyState !== socket.OPEN) return true;
      socket.send(JSON.stringify(value), sent);
      // Until it has drained, whatever else is sent: who waits for that is told only then.
      full ||= socket.bufferedAmount > SOCKET_UNREAD_BYTES_MAX;
      return !full;
    },
    onMessage(hear) {
      socket.on('message', (data: RawData) => {
        alive = true;
        hear(data.toString());
      });
    },
    onDrained(hear) {
      drained = hear;
    },
    onClosed(hear) {
      socket.on('close', () => hear());
    },
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    close: (code = 1000, reason = '') => socket.close(code, reason),
  };
}
