/** A list of requirements as it is handed to pip. */
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

/** The one file that was chosen before. */
export function lineAgain({ name, version, sha256 }: Member, { placed }: Wanted): string {
  const place = placed.get(name);
  const what = place === undefined ? `${name}==${version}` : formatRequirement({ ...place, extras: [], marker: '' });
  return `${what} --hash=sha256:${sha256}`;
}

function line(one: Requirement): string {
  return [formatRequirement(one), ...one.hashes.map((hash) => `--hash=${hash}`)].join(' ');
}
