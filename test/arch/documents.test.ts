/** Every link of the documents leads somewhere: to a file of the checkout, and to a heading that is in it. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const DIRECTORIES = new Set(['docs/decisions', 'docs/reference']);
const SKIPPED = new Set(['node_modules', 'dist', '.git', '.node', '.peers']);

function documents(dir = ROOT): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : documents(path);
    return entry.name.endsWith('.md') ? [path] : [];
  });
}

/** Without code, in which brackets mean something else. */
function proseOf(text: string): string {
  return text.replace(/^```[\s\S]*?^```/gm, '').replace(/`[^`\n]*`/g, 'code');
}

/** As GitHub makes them of headings. */
function anchorsOf(file: string): string[] {
  const headings =
    readFileSync(file, 'utf8')
      .replace(/^```[\s\S]*?^```/gm, '')
      .match(/^#+ .*$/gm) ?? [];
  return headings.map((heading) =>
    heading
      .replace(/^#+ /, '')
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(' ', '-'),
  );
}

/** Of links that stay in the checkout. */
function targetsIn(file: string): string[] {
  const links = proseOf(readFileSync(file, 'utf8')).matchAll(/\]\(([^)\s]+)\)/g);
  return [...links].map(([, target]) => target ?? '').filter((target) => !/^[a-z]+:/.test(target));
}

function brokenIn(file: string): string[] {
  return targetsIn(file).filter((target) => {
    const [path = '', anchor] = target.split('#');
    const meant = path === '' ? file : resolve(dirname(file), path);
    if (!existsSync(meant)) return true;
    return anchor !== undefined && (statSync(meant).isDirectory() || !anchorsOf(meant).includes(anchor));
  });
}

test('no link of the documents is broken', () => {
  const files = documents();
  expect(files.map((file) => relative(ROOT, file))).toEqual(expect.arrayContaining(['README.md', 'docs/tutorial.md']));
  const broken = files.flatMap((file) => brokenIn(file).map((target) => `${relative(ROOT, file)}: ${target}`));
  expect(broken).toEqual([]);
});

test('every document is found from the README', () => {
  const found = new Set([join(ROOT, 'README.md')]);
  for (const file of found) {
    for (const target of targetsIn(file)) {
      const meant = resolve(dirname(file), target.split('#')[0] ?? '');
      if (meant.endsWith('.md') && existsSync(meant)) found.add(meant);
      // Who is led to a directory finds all that is in it.
      else if (DIRECTORIES.has(relative(ROOT, meant))) for (const one of documents(meant)) found.add(one);
    }
  }
  const docs = documents(join(ROOT, 'docs'));
  expect(docs.length).toBeGreaterThan(20);
  expect(docs.filter((file) => !found.has(file)).map((file) => relative(ROOT, file))).toEqual([]);
});

test('documents that the program names are there', () => {
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true, withFileTypes: true }).filter(
    (entry) => entry.isFile() && /\.(ts|mjs|py|js)$/.test(entry.name),
  );
  const named = sources.flatMap((entry) => {
    const text = readFileSync(join(entry.parentPath, entry.name), 'utf8');
    return [...text.matchAll(/\bdocs\/[\w/-]+\.md\b/g)].map(([path]) => path);
  });
  expect(named).toContain('docs/registry.md');
  expect([...new Set(named)].filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
});
