/** The Python that packages are for, as it describes itself from inside a sandbox. */
import { Failure } from '../config/failure.ts';

export interface Interpreter {
  /** Such as `3.11.2`. */
  readonly version: string;
  /** Implementation, version, ABI and platform, as extension modules are named: `cpython-311-x86_64-linux-gnu`. */
  readonly soabi: string;
  /** Such as `glibc2.36`: which compiled wheels it can load. */
  readonly libc: string;
  /** What PEP 508 calls the environment. */
  readonly markers: Readonly<Record<string, string>>;
  /** The directory of what is installed for it: those with the same one can use the same files. */
  readonly key: string;
}

const WORD = /^[A-Za-z0-9._-]{1,100}$/;

/** `said` comes from a sandbox. Throws Failure `packages-failed` if it makes no sense. */
export function parseInterpreter(said: unknown): Interpreter {
  const { version, soabi, libc, markers } = (said ?? {}) as Record<string, unknown>;
  const words = [version, soabi, libc];
  if (!words.every((word): word is string => typeof word === 'string' && WORD.test(word)) || !areTexts(markers)) {
    throw new Failure('packages-failed', 'the Python of the base does not say which packages it can use');
  }
  const [ownVersion, ownSoabi, ownLibc] = words as [string, string, string];
  // Two patch versions read the same compiled code, but a marker may tell them apart.
  const key = `${ownSoabi}-${ownLibc}-${ownVersion}`;
  return { version: ownVersion, soabi: ownSoabi, libc: ownLibc, markers, key };
}

function areTexts(value: unknown): value is Record<string, string> {
  return typeof value === 'object' && value !== null && Object.values(value).every((one) => typeof one === 'string');
}
