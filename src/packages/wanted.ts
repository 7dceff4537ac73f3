/** A list of requirements as it is handed to pip. */
import { createHash } from 'node:crypto';
import type { BroughtWheel, Declared } from './declared.ts';
import { normalName } from './normal-name.ts';
import { formatRequirement, type Requirement } from './requirement.ts';
import type { Member } from './resolution.ts';

export interface Wanted {
  digest: string;
  /** As pip takes them in a file. */
  options: readonly string[];
  /** As pip takes them in a file. */
  requirements: readonly string[];
  /** As pip takes them in a file of constraints. */
  constraints: readonly string[];
  /** What paths in the others mean. */
  wheels: readonly BroughtWheel[];
  /** Requirements that say where their wheel is, by the package's name. */
  placed: ReadonlyMap<string, Requirement>;
}

export function wantedBy({ digest, requirements, constraints, options, wheels }: Declared): Wanted {
  return {
    digest,
    options,
    requirements: requirements.map(line),
    constraints: constraints.map(line),
    wheels,
    placed: new Map(requirements.filter(({ at }) => at !== undefined).map((one) => [normalName(one.name), one])),
  };
}

/** What `admin packages` and the log show. */
export function shownLines({ options, requirements, constraints }: Wanted): string[] {
  return [...options, ...requirements, ...constraints.map((one) => `--constraint ${one}`)];
}

/** What a source that the list came to needs to be built: wheels from where the list has its own. */
export function buildWanted({ options, wheels }: Wanted, requirements: readonly string[]): Wanted {
  const places = options.filter((line) => PLACE_OPTION.test(line));
  const brought = wheels.map(({ path, sha256 }) => [path, sha256]);
  const words = JSON.stringify(['build', places, [...requirements].sort(), brought]);
  const digest = createHash('sha256').update(words).digest('hex').slice(0, DIGEST_HEX_LENGTH);
  return { digest, options: places, requirements, constraints: [], wheels, placed: new Map() };
}

const PLACE_OPTION = /^--(?:index-url|extra-index-url|find-links|no-index)\b/;
/** 128 bits, as digests of code have. */
const DIGEST_HEX_LENGTH = 32;

/** The one file that was chosen before. */
export function lineAgain({ name, version, sha256, source }: Member, { placed }: Wanted): string {
  const place = placed.get(name);
  const what = place === undefined ? `${name}==${version}` : formatRequirement({ ...place, extras: [], marker: '' });
  return `${what} --hash=sha256:${source?.sha256 ?? sha256}`;
}

function line(one: Requirement): string {
  return [formatRequirement(one), ...one.hashes.map((hash) => `--hash=${hash}`)].join(' ');
}
