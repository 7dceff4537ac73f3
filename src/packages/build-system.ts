/** What a source distribution says about how it is built: the `build-system` of its pyproject.toml (PEP 517, 518). */
import { parse as parseToml, TomlError } from 'smol-toml';
import { Failure } from '../config/failure.ts';
import { formatRequirement, parseRequirement } from './requirement.ts';

export interface BuildSystem {
  /** As pip takes them. */
  readonly requires: readonly string[];
  /** `module` or `module:object.attribute`. */
  readonly backend: string;
  /** Directories of the source that hold the backend. */
  readonly paths: readonly string[];
}

/** For sources that say nothing: as pip has it. */
const SETUPTOOLS = 'setuptools>=40.8.0';
const LEGACY_BACKEND = 'setuptools.build_meta:__legacy__';
const BACKEND = /^[A-Za-z_][\w.]*(?::[A-Za-z_][\w.]*)?$/;

/** `pyproject` is the file's text, null if there is none. Throws Failure `packages-failed`. */
export function readBuildSystem(pyproject: string | null): BuildSystem {
  const { 'build-system': said } = pyproject === null ? {} : tomlOf(pyproject);
  if (said === undefined) return { requires: [SETUPTOOLS], backend: LEGACY_BACKEND, paths: [] };
  if (typeof said !== 'object' || said === null) throw unclear('build-system is no table');
  const { requires, 'build-backend': backend, 'backend-path': paths = [] } = said as Record<string, unknown>;
  if (!areTexts(requires)) throw unclear('build-system.requires is no list of strings');
  if (!areTexts(paths)) throw unclear('build-system.backend-path is no list of strings');
  if (backend === undefined) return { requires: readRequires(requires), backend: LEGACY_BACKEND, paths: [] };
  if (typeof backend !== 'string' || !BACKEND.test(backend))
    throw unclear('build-system.build-backend names no module');
  return { requires: readRequires(requires), backend, paths };
}

/** `said` is what a source or its backend asks for: names and versions, nothing else. Throws Failure `packages-failed`. */
export function readRequires(said: unknown): string[] {
  if (!areTexts(said)) throw unclear('what it needs to be built is no list of strings');
  return said.map((text) => {
    const requirement = parseRequirement(text.trim());
    if (typeof requirement !== 'string') return formatRequirement(requirement);
    throw new Failure('packages-failed', `it needs ${JSON.stringify(text)} to be built: ${requirement}`);
  });
}

/** A message never shows the text: nobody knows what was read. */
function tomlOf(text: string): Record<string, unknown> {
  try {
    return parseToml(text);
  } catch (error) {
    throw unclear(error instanceof TomlError ? `line ${error.line} cannot be read` : 'it cannot be read');
  }
}

function areTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}

function unclear(what: string): Failure {
  return new Failure('packages-failed', `its pyproject.toml says nothing that can be built: ${what}`);
}
