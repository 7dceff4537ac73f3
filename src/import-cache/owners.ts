/** What a set of packages brings: names that can be imported, and which member each comes from. */
import { type Dirent, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../lib/errno.ts';
import type { PackageSet } from '../sandbox/sandbox.ts';

export interface SetContents {
  /** Modules of the top level, those of name spaces that packages share, and `<package>.dist-info`. */
  names: ReadonlySet<string>;
  /** Which member brings a unit, as `Imports.units` has them. */
  owners: ReadonlyMap<string, string>;
  /** Names of the top level below which several members bring the same file: who has it depends on the set. */
  contested: ReadonlySet<string>;
}

const DIST_INFO = '.dist-info';

export function readSet({ dir, members }: PackageSet): SetContents {
  const entries = entriesOf(dir);
  const byName = new Map(members.map((member) => [memberName(member), member]));
  const owners = new Map<string, string>();
  const files = new Set<string>();
  const contested = new Set<string>();
  for (const { name } of entries) {
    const member = name.endsWith(DIST_INFO) ? byName.get(distributionName(name)) : undefined;
    if (member === undefined) continue;
    const paths = pathsIn(join(dir, name, 'RECORD'));
    for (const unit of unitsOf(paths)) if (!owners.has(unit)) owners.set(unit, member);
    for (const path of paths) {
      if (files.has(path)) contested.add(moduleName(path.split('/')[0] as string));
      else files.add(path);
    }
  }
  return { names: new Set(entries.flatMap((entry) => namesOf(dir, entry))), owners, contested };
}

/** Names of modules that a directory of code has. */
export function readNames(dir: string): ReadonlySet<string> {
  return new Set(entriesOf(dir).map(({ name }) => moduleName(name)));
}

/** As it is looked for: `numpy` of `numpy==1.26.4@…`. */
export function memberName(member: string): string {
  return normal(member.split('==')[0] as string);
}

/** The word under which it is looked for in vain: packages are called one way and written another. */
export function wordOf(name: string): string {
  return name.endsWith(DIST_INFO) ? `${normal(name.slice(0, -DIST_INFO.length))}${DIST_INFO}` : name;
}

function namesOf(dir: string, entry: Dirent): string[] {
  const { name } = entry;
  if (name.endsWith(DIST_INFO)) return [`${distributionName(name)}${DIST_INFO}`];
  const module = moduleName(name);
  if (!entry.isDirectory()) return [module];
  const inside = entriesOf(join(dir, name));
  if (inside.some((each) => each.name.startsWith('__init__.'))) return [module];
  return [module, ...inside.map((each) => `${module}.${moduleName(each.name)}`)];
}

/** Of modules that it says to bring. */
function pathsIn(record: string): string[] {
  return textOf(record)
    .split('\n')
    .map((line) => line.split(',')[0] as string)
    .filter((path) => {
      const top = path.split('/')[0] as string;
      return top !== '' && top !== '..' && !top.endsWith(DIST_INFO);
    });
}

/** The first part of each, and the first two. */
function unitsOf(paths: readonly string[]): Set<string> {
  const units = new Set<string>();
  for (const path of paths) {
    const [top, second] = path.split('/') as [string, string | undefined];
    units.add(top);
    if (second !== undefined) units.add(`${top}/${second}`);
  }
  return units;
}

function moduleName(file: string): string {
  return file.split('.')[0] as string;
}

/** Of `ruamel.yaml-0.18.6.dist-info`. */
function distributionName(dir: string): string {
  return normal(dir.slice(0, dir.lastIndexOf('-', dir.length - DIST_INFO.length)));
}

function normal(name: string): string {
  return name.toLowerCase().replace(/[-_.]+/g, '-');
}

function entriesOf(dir: string): Dirent[] {
  try {
    return readdirSync(dir, { withFileTypes: true });
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return [];
    throw error;
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return '';
    throw error;
  }
}
