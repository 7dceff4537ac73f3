import type { IncomingMessage } from 'node:http';

export type Body =
  | { kind: 'whole'; bytes: Buffer }
  /** Larger than allowed; what came was thrown away. */
  | { kind: 'too-large' }
  /** The client went away before the end. */
  | { kind: 'cut-off' };

const NOTHING = Buffer.alloc(0);

/**
 * Reads a request's body from Node's own message: twice as fast as through a web stream. A body
 * whose announced length is too large is not read at all.
 */
export function readBody(incoming: IncomingMessage, bytesMax: number): Promise<Body> {
  if (announcesMoreThan(incoming, bytesMax)) return Promise.resolve({ kind: 'too-large' });
  return new Promise((resolve) => {
    const pieces: Buffer[] = [];
    let bytes = 0;
    const onData = (piece: Buffer): void => {
      bytes += piece.length;
      if (bytes > bytesMax) finish({ kind: 'too-large' });
      else pieces.push(piece);
    };
    const onEnd = (): void => finish({ kind: 'whole', bytes: join(pieces) });
    const onClose = (): void => finish({ kind: 'cut-off' });
    const finish = (body: Body): void => {
      incoming.off('data', onData).off('end', onEnd).off('close', onClose);
      resolve(body);
    };
    // A message that fails emits `error` and then `close`; an `error` without listener would end the process.
    incoming.on('error', ignore);
    incoming.on('data', onData).on('end', onEnd).on('close', onClose);
    if (incoming.destroyed) onClose();
  });
}

export function announcesMoreThan(incoming: IncomingMessage, bytesMax: number): boolean {
  const announced = incoming.headers['content-length'];
  return announced !== undefined && Number(announced) > bytesMax;
}

function join(pieces: Buffer[]): Buffer {
  return pieces.length === 1 ? (pieces[0] as Buffer) : pieces.length === 0 ? NOTHING : Buffer.concat(pieces);
}

function ignore(): void {}
