/** Puts a wheel into the store: unpacked by a sandbox, complete before anybody sees it. */
import { renameSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../config/failure.ts';
import { errnoOf } from '../lib/errno.ts';
import { WHEEL_FACTS, WHEEL_TREE } from './places.ts';
import { type Member, writeResolution } from './resolution.ts';
import { type Unpacker, unpackWheel } from './unpacking.ts';

export interface StoringPlaces {
  /** A new directory for what is being made. */
  draft: string;
  /** Where the wheel belongs. */
  place: string;
}

/** The unpacker has the wheel under its own name. Rejects with Failure `packages-failed` that names the wheel. */
export async function storeWheel(unpacker: Unpacker, member: Member, { draft, place }: StoringPlaces): Promise<void> {
  await mkdir(draft);
  try {
    const { files, bytes } = await unpackWheel(unpacker, member, member.file, join(draft, WHEEL_TREE));
    writeResolution(join(draft, WHEEL_FACTS), { ...member, files, bytes, installedAt: new Date().toISOString() });
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'packages-failed') throw error;
    throw new Failure(error.code, `${member.file} cannot be used: ${error.message}`, { cause: error });
  }
  moveIntoPlace(draft, place);
}

/** Unless somebody else has put the same there: then the draft stays one. */
export function moveIntoPlace(draft: string, place: string): void {
  try {
    renameSync(draft, place);
  } catch (error) {
    if (errnoOf(error) !== 'ENOTEMPTY' && errnoOf(error) !== 'EEXIST') throw error;
  }
}
