import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';

const TEXT = readFileSync(resolve(import.meta.dirname, '../../package-lock.json'), 'utf8');

interface Package {
  version?: string;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

test('the lock names no registry: everybody installs from their own', () => {
  expect(TEXT.match(/"resolved"|https?:\/\/[^"]*registr/g)).toBe(null);
});

// npm writes such a lock where a registry does not have all packages, and then refuses it.
test('the lock holds every package that another one wants, for other systems too', () => {
  const { packages } = JSON.parse(TEXT) as { packages: Record<string, Package> };
  const missing = Object.entries(packages).flatMap(([path, one]) =>
    Object.keys({ ...one.dependencies, ...one.optionalDependencies })
      .filter((name) => !foldersAbove(path).some((folder) => packages[`${folder}node_modules/${name}`]?.version))
      .map((name) => `${path || 'isla'} wants ${name}`),
  );
  expect(Object.keys(packages).length).toBeGreaterThan(100);
  expect(missing).toEqual([]);
});

/** `a/node_modules/b` looks in itself, in `a`, and at the top, as Node does. */
function foldersAbove(path: string): string[] {
  const parts = path === '' ? [] : path.split('/node_modules/');
  return ['', ...parts.map((_, at) => `${parts.slice(0, at + 1).join('/node_modules/')}/`)];
}
