/** An image's file system as a tarball, for sandboxes that are not containers. Nothing of the image is started. */
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { Failure } from '../../config/failure.ts';
import { openDaemon } from './daemon.ts';
import { reasonOf } from './docker-error.ts';
import { presentImage } from './image.ts';

/**
 * Writes it to the new file `path`. The image is pulled if it is not here. `onBytes` is told how much has been written.
 * Rejects with what is wrong, and what to do.
 */
export async function exportImage(image: string, path: string, onBytes: (bytes: number) => void): Promise<void> {
  const daemon = await openDaemon();
  const { id } = await presentImage(daemon, image);
  // One that is never started may be given any command; without one an image that has none can not be made into one.
  const container = await daemon.docker.createContainer({ Image: id, Cmd: ['true'], NetworkDisabled: true });
  try {
    let bytes = 0;
    const counted = async function* (pieces: NodeJS.ReadableStream) {
      for await (const piece of pieces) {
        bytes += piece.length;
        onBytes(bytes);
        yield piece;
      }
    };
    await pipeline(
      await daemon.patient.getContainer(container.id).export(),
      counted,
      createWriteStream(path, { flags: 'wx', mode: 0o600 }),
    );
  } catch (error) {
    throw new Failure('config-invalid', `the image ${image} can not be exported: ${reasonOf(error)}`, { cause: error });
  } finally {
    await container.remove({ force: true, v: true });
  }
}
