/** An import cache, and loaders, as drawings for people. Pure. */
import type { ImportCacheStatus, LoaderStatus, ZygoteStatus } from '../cluster/ping.ts';
import { columns, mebibytes } from './terminal.ts';

const HEAD = ['ZYGOTE', 'HITS', 'SAVED', 'IMPORT', 'MEMORY', 'WAITING'];
const LOADERS_HEAD = ['LOADER', 'FORKS', 'IMPORT', 'MEMORY'];
const NAMES_MAX = 6;

export function importCacheLines(worker: string, cache: ImportCacheStatus): string[] {
  const { hits, misses, saved_ms, zygotes, kept_out } = cache;
  const head = `${worker}: ${hits} of ${hits + misses} starts of lambdas with packages hit, ${seconds(saved_ms)} saved`;
  const rows = [['(no packages)', '', '', '', '', ''], ...childrenOf(null, zygotes, '')];
  const kept = kept_out.map(({ members, module, reason }) => `  ${module ?? short(members)}: ${firstLine(reason)}`);
  return [head, ...columns([HEAD, ...rows]), ...(kept.length === 0 ? [] : ['kept out:', ...kept])];
}

/** Nothing if there are none. */
export function loaderLines(loaders: readonly LoaderStatus[]): string[] {
  if (loaders.length === 0) return [];
  const rows = loaders.map(({ lambda, forks, import_ms, memory_bytes }) => [
    lambda,
    String(forks),
    `${import_ms} ms`,
    mebibytes(memory_bytes),
  ]);
  return columns([LOADERS_HEAD, ...rows]);
}

function childrenOf(parent: number | null, zygotes: readonly ZygoteStatus[], indent: string): string[][] {
  const children = zygotes.filter((each) => each.parent === parent);
  return children.flatMap((each, at) => {
    const last = at === children.length - 1;
    const row = [
      `${indent}${last ? '└─ ' : '├─ '}+ ${short(each.added)}`,
      String(each.hits),
      seconds(each.saved_ms),
      `${each.import_ms} ms`,
      mebibytes(each.memory_bytes),
      String(each.waiting),
    ];
    return [row, ...childrenOf(each.zygote, zygotes, `${indent}${last ? '   ' : '│  '}`)];
  });
}

function short(members: readonly string[]): string {
  const more = members.length - NAMES_MAX;
  return members.slice(0, NAMES_MAX).join(' ') + (more > 0 ? ` and ${more} more` : '');
}

function firstLine(text: string): string {
  return text.split('\n')[0] as string;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
