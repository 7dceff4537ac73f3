/** What `admin registry` says of a check and of a tidying. */
import { mebibytes } from './terminal.ts';

export interface Checked {
  blobs: number;
  bytes: number;
  objects: number;
  versions: number;
  damage: readonly string[];
  orphans: readonly string[];
}

export interface Tidied {
  versions: number;
  uploads: number;
  files: number;
  bytes: number;
}

export function checkLines({ blobs, bytes, objects, versions, damage, orphans }: Checked): string[] {
  const whole = damage.length === 0 ? 'all whole' : `${damage.length} damaged`;
  const lines = [`${objects} objects, ${versions} versions, ${blobs} blobs (${mebibytes(bytes)}): ${whole}`];
  lines.push(...damage.map((one) => `damage: ${one}`), ...orphans.map((one) => `nothing refers to ${one}`));
  if (orphans.length > 0) lines.push('`admin registry gc` removes what nothing refers to');
  return lines;
}

export function tidyLine({ versions, uploads, files, bytes }: Tidied): string {
  return `removed ${versions} versions, ${uploads} unfinished uploads, ${files} files (${mebibytes(bytes)})`;
}
