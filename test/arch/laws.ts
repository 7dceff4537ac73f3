/** The laws of the house as pure functions: source files in, violations out, one line each. */
import { posix } from 'node:path';
import { BANNED_FILES, FILE_LINES_MAX, LAZY_PACKAGES, ONE_ROOM, RESERVED, ROOMS } from './rooms.ts';
import { type Import, importsOf, type SourceFile } from './source-tree.ts';

/** All violations of all laws that concern TypeScript and names. */
export function violations(files: readonly SourceFile[]): string[] {
  if (files.length === 0) return ['src is empty: there is nothing to judge'];
  const imports = files.flatMap(importsOf);
  return [
    ...files.flatMap(fileViolations),
    ...imports.flatMap(importViolations),
    ...roomCycle(imports).map((cycle) => `rooms import each other in a circle: ${cycle}`),
  ];
}

function fileViolations(file: SourceFile): string[] {
  const found: string[] = [];
  const lines = file.text.split('\n').length - 1;
  if (lines > FILE_LINES_MAX) found.push(`${file.path} has ${lines} lines; ${FILE_LINES_MAX} is the stop`);
  if (BANNED_FILES.test(posix.basename(file.path))) {
    found.push(`${file.path}: a file is named for what it owns, not for a heap`);
  }
  if (roomOf(file.path) === undefined) found.push(`${file.path} lies in no room of the table (test/arch/rooms.ts)`);
  return found;
}

function importViolations(one: Import): string[] {
  const where = `${one.from}:${one.line}`;
  if (one.specifier === undefined) {
    // What runs inside a sandbox loads the lambda's code.
    return one.from.startsWith('runtime/') ? [] : [`${where} loads a module whose name is computed`];
  }
  if (!one.specifier.startsWith('.')) return packageViolations(one, where, one.specifier);
  const target = targetOf(one, one.specifier);
  const from = roomOf(one.from);
  const to = roomOf(target);
  if (target.startsWith('..')) return [`${where} leaves src: ${one.specifier}`];
  if (from === undefined || to === undefined || from === to) return [];
  const reserved = RESERVED[to];
  if (reserved && !reserved.includes(from) && !sameRoom(from, to)) {
    return [`${where} imports ${target}; only ${reserved.join(', ')} may import ${to}`];
  }
  if (sameRoom(from, to) || allows(from, to, target)) return [];
  return [`${where} imports ${target}; ${from} may import ${ROOMS[from]?.join(', ') || 'nothing'}`];
}

function packageViolations(one: Import, where: string, specifier: string): string[] {
  for (const [name, rooms] of Object.entries(LAZY_PACKAGES)) {
    if (specifier !== name && !specifier.startsWith(`${name}/`)) continue;
    if (one.load === 'eager') return [`${where} loads ${name} eagerly; await import() it where it is needed`];
    const room = roomOf(one.from);
    if (room !== undefined && !rooms.includes(room)) {
      return [`${where} imports ${name}; only ${rooms.join(', ')} may know it`];
    }
  }
  return [];
}

function allows(from: string, to: string, target: string): boolean {
  return (ROOMS[from] ?? []).some((allowed) => allowed === to || target.replace(/\.ts$/, '') === allowed);
}

function sameRoom(a: string, b: string): boolean {
  return ONE_ROOM.some((parts) => parts.includes(a) && parts.includes(b));
}

function targetOf(one: Import, specifier: string): string {
  return posix.normalize(posix.join(posix.dirname(one.from), specifier));
}

/** The most deeply nested room that holds this path. */
export function roomOf(path: string): string | undefined {
  return Object.keys(ROOMS)
    .filter((room) => path === room || path.startsWith(`${room}/`))
    .sort((a, b) => b.length - a.length)[0];
}

/** The first circle among rooms, as `a -> b -> a`, in a list of none or one. */
export function roomCycle(imports: readonly Import[]): string[] {
  const edges = new Map<string, Set<string>>();
  for (const one of imports) {
    const from = roomOf(one.from);
    const to = one.specifier?.startsWith('.') ? roomOf(targetOf(one, one.specifier)) : undefined;
    if (from === undefined || to === undefined || from === to || sameRoom(from, to)) continue;
    edges.set(from, (edges.get(from) ?? new Set()).add(to));
  }
  return firstCycle(edges);
}

export function firstCycle(edges: ReadonlyMap<string, Iterable<string>>): string[] {
  const done = new Set<string>();
  const walk = (room: string, path: readonly string[]): string | undefined => {
    if (path.includes(room)) return [...path.slice(path.indexOf(room)), room].join(' -> ');
    if (done.has(room)) return undefined;
    for (const next of edges.get(room) ?? []) {
      const cycle = walk(next, [...path, room]);
      if (cycle !== undefined) return cycle;
    }
    done.add(room);
    return undefined;
  };
  for (const room of edges.keys()) {
    const cycle = walk(room, []);
    if (cycle !== undefined) return [cycle];
  }
  return [];
}
