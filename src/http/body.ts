import type { IncomingMessage } from 'node:http';
import { announcedBytes, type BodyClaim } from './body-memory.ts';

export type Body =
  | { kind: 'whole'; bytes: Buffer }
  /** Larger than allowed; what came was thrown away. */
  | { kind: 'too-large' }
  /** Other bodies have taken the memory; what came was thrown away. */
  | { kind: 'no-room' }
  /** The client went away before the end. */
  | { kind: 'cut-off' };

const NOTHING = Buffer.alloc(0);

/**
 * Reads a request's body from Node's own message: twice as fast as through a web stream. A body
 * whose announced length is too large is not read at all. The claim grows with what is read, and
 * stays whatever comes of it: it is the caller's to release.
 */
export function readBody(incoming: IncomingMessage, bytesMax: number, claim: BodyClaim): Promise<Body> {
  const announced = announcedBytes(incoming);
  if (announced > bytesMax) return Promise.resolve({ kind: 'too-large' });
  if (!claim.growTo(announced)) return Promise.resolve({ kind: 'no-room' });
  return new Promise((resolve) => {
    const pieces: Buffer[] = [];
    let bytes = 0;
    const onData = (piece: Buffer): void => {
      bytes += piece.length;
      if (bytes > bytesMax) finish({ kind: 'too-large' });
      else if (!claim.growTo(bytes)) finish({ kind: 'no-room' });
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

function join(pieces: Buffer[]): Buffer {
  return pieces.length === 1 ? (pieces[0] as Buffer) : pieces.length === 0 ? NOTHING : Buffer.concat(pieces);
}

function ignore(): void {}
