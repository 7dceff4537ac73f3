import { existsSync } from 'node:fs';
import { Failure } from '../config/failure.ts';
import { everyField } from '../config/fields.ts';
import { parseSettings } from '../config/parse.ts';
import type { Settings } from '../config/settings.ts';
import { writeFileAtomic } from '../lib/atomic-write.ts';
import { readJson, templateOrigin } from './config-file.ts';

/** One setting that has another value than before. */
export interface Change {
  key: string;
  old: unknown;
  new: unknown;
}

export interface ChangedTemplate {
  changes: Change[];
  /** Directories that were asked for and do not exist, by their setting. */
  missing: { key: string; path: string }[];
}

/**
 * Merges settings into a template file; relative paths start at the cluster's root. Nothing is written unless everything in it is legal
 * afterwards; throws Failure `config-invalid` with all problems otherwise.
 */
export function changeTemplate(path: string, overrides: string): ChangedTemplate {
  const before = readJson(path);
  const origin = { ...templateOrigin(path), name: 'this configuration' };
  const asked = parseOverrides(overrides);
  const after = parseSettings(merge(before, asked), origin);
  const changes = differences(before, after);
  if (changes.length > 0) writeFileAtomic(path, formatSettings(after));
  return { changes, missing: missingPlaces(asked, after) };
}

/** As files hold settings: indented, with a final newline. */
export function formatSettings(settings: object): string {
  return `${JSON.stringify(settings, null, 2)}\n`;
}

function parseOverrides(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Failure('usage', `the settings are not JSON: ${reason}; write them like '{"pool_size": 8}'`, {
      cause: error,
    });
  }
}

/** Objects are merged key by key, everything else is replaced. */
function merge(old: unknown, over: unknown): unknown {
  if (!isPlain(old) || !isPlain(over)) return over;
  const merged = new Map(Object.entries(old));
  for (const [key, value] of Object.entries(over)) {
    merged.set(key, merged.has(key) ? merge(merged.get(key), value) : value);
  }
  // fromEntries, not assignment: a key `__proto__` stays a key, for the parser to refuse.
  return Object.fromEntries(merged);
}

function differences(before: unknown, after: Settings): Change[] {
  const changes: Change[] = [];
  for (const [key] of everyField()) {
    const old = valueAt(before, key);
    const now = valueAt(after, key);
    // A list is another object each time it is read.
    if (JSON.stringify(old) !== JSON.stringify(now)) changes.push({ key, old, new: now });
  }
  return changes;
}

/** What is asked for by name. `python` is not among them: it is a path inside the base. */
function missingPlaces(asked: unknown, after: Settings): ChangedTemplate['missing'] {
  return everyField().flatMap(([key, field]) => {
    const path = valueAt(after, key);
    const isPlace = field.kind === 'directory' || (key === 'base' && path !== 'host');
    if (!isPlace || valueAt(asked, key) === undefined || existsSync(path as string)) return [];
    return [{ key, path: path as string }];
  });
}

function valueAt(settings: unknown, key: string): unknown {
  let value = settings;
  for (const part of key.split('.')) {
    value = isPlain(value) && Object.hasOwn(value, part) ? value[part] : undefined;
  }
  return value;
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
