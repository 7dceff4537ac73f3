/** What a list of requirements came to: exact versions with hashes. Once it has, it stays like that. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Failure } from '../config/failure.ts';
import { writeFileAtomic, writeFileFlushedLater } from '../lib/atomic-write.ts';
import { errnoOf } from '../lib/errno.ts';
import { normalName } from './normal-name.ts';

export interface Member {
  /** Normalised. */
  readonly name: string;
  readonly version: string;
  /** Of the wheel, in hex. */
  readonly sha256: string;
  /** The wheel's file name. */
  readonly file: string;
  /** What it was built from, if it was. */
  readonly source?: Source;
}

/** A source distribution. */
export interface Source {
  readonly file: string;
  readonly sha256: string;
}

export interface Resolution {
  /** As pip was given them. */
  readonly requirements: readonly string[];
  /** Key of the interpreter. */
  readonly interpreter: string;
  /** By name. */
  readonly members: readonly Member[];
  /** ISO 8601. */
  readonly resolvedAt: string;
  /** Version of pip. */
  readonly pip: string;
  /** Version of uv, if that has chosen. */
  readonly uv?: string;
}

const WHEEL_FILE =
  /^([A-Za-z0-9](?:[A-Za-z0-9._]*[A-Za-z0-9])?)-([0-9][A-Za-z0-9.!+_]*)(?:-[0-9][A-Za-z0-9_.]*)?-[\w.]+-[\w.]+-[\w.+]+\.whl$/;
const SHA256 = /^[0-9a-f]{64}$/;
/** 128 bits, as digests of code have. */
const DIGEST_HEX_LENGTH = 32;

/** Undefined if that is no wheel's name. */
export function readWheelName(file: string): { name: string; version: string } | undefined {
  const found = WHEEL_FILE.exec(file);
  return found === null ? undefined : { name: normalName(found[1] as string), version: found[2] as string };
}

const SOURCE_FILE = /^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)-([0-9][A-Za-z0-9.!+_-]*)\.(?:tar\.gz|tgz|zip)$/;

/** Undefined if that is no source distribution's name. */
export function readSourceName(file: string): { name: string } | undefined {
  const found = SOURCE_FILE.exec(file);
  return found === null ? undefined : { name: normalName(found[1] as string) };
}

/** As the import cache and `admin packages` name it: `numpy==1.26.4@<sha256>`. */
export function memberWord({ name, version, sha256 }: Member): string {
  return `${name}==${version}@${sha256}`;
}

/** Of what is in the set, however it was asked for. */
export function setDigest(members: readonly Member[]): string {
  const words = members.map(memberWord).sort();
  return createHash('sha256').update(words.join('\n')).digest('hex').slice(0, DIGEST_HEX_LENGTH);
}

/** Undefined if there is none. Throws Failure `packages-failed` if it cannot be read. */
export function readResolution(path: string): Resolution | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  const read = parsed(text);
  if (read === undefined || !isResolution(read)) {
    throw new Failure('packages-failed', `${path} is damaged; remove it, and the packages are chosen anew`);
  }
  return read;
}

export function writeResolution(path: string, resolution: object): void {
  writeFileAtomic(path, textOf(resolution));
}

/** It is there when this returns, and on the disk when it resolves. */
export function writeResolutionFlushedLater(path: string, resolution: object): Promise<void> {
  return writeFileFlushedLater(path, textOf(resolution));
}

function textOf(resolution: object): string {
  return `${JSON.stringify(resolution, null, 2)}\n`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // The caller says where.
  }
}

function isResolution(value: unknown): value is Resolution {
  const { requirements, members } = (value ?? {}) as Partial<Resolution>;
  return Array.isArray(requirements) && Array.isArray(members) && members.every(isMember);
}

/** Names become parts of paths. */
export function isMember(value: unknown): value is Member {
  const { name, version, sha256, file, source } = (value ?? {}) as Partial<Member>;
  if (typeof sha256 !== 'string' || !SHA256.test(sha256) || typeof file !== 'string') return false;
  const wheel = readWheelName(file);
  return wheel !== undefined && wheel.name === name && wheel.version === version && isSource(source);
}

function isSource(value: unknown): boolean {
  if (value === undefined) return true;
  const { file, sha256 } = (value ?? {}) as Partial<Source>;
  return typeof file === 'string' && typeof sha256 === 'string' && SHA256.test(sha256);
}
