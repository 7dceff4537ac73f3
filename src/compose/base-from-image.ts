import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { keepTarball } from '../cluster/base.ts';
import { exportImage } from '../sandbox/docker/export.ts';

/** What is being done, and how many bytes of the image are there, as far as that is known. */
export type OnProgress = (step: 'fetching' | 'unpacking', bytes?: number) => void;

/** Unpacks the file system of a Docker image below `baseDir`; resolves with its directory. Its tarball is not kept. */
export async function baseFromImage(image: string, baseDir: string, onProgress: OnProgress): Promise<string> {
  const temporary = mkdtempSync(join(baseDir, '.image.'));
  try {
    const tarball = join(temporary, `${image.replaceAll(/[^A-Za-z0-9._-]/g, '_')}.tar`);
    onProgress('fetching');
    await exportImage(image, tarball, (bytes) => onProgress('fetching', bytes));
    onProgress('unpacking');
    return await keepTarball(tarball, baseDir);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}
