/** The tree as the operator sees it. */
import type { ImportCacheView, ZygoteView } from '../sandbox/zygote-view.ts';
import type { Node, Tree } from './tree.ts';

/** Counts of sandboxes of lambdas with packages. */
export interface Starts {
  hits: number;
  misses: number;
  savedUs: number;
}

export function viewOf(tree: Tree, starts: Starts): ImportCacheView {
  return {
    hits: starts.hits,
    misses: starts.misses,
    saved_ms: Math.round(starts.savedUs / 1000),
    zygotes: tree.nodes.map(viewOfNode),
    kept_out: tree.keptOut.map(({ members, module, reason }) => ({ members: members.map(shown), module, reason })),
  };
}

function viewOfNode(node: Node): ZygoteView {
  const { zygote, parent, members, hits, savedUs, bytes } = node;
  const inherited = parent?.members ?? new Set<string>();
  const tookUs = [...zygote.imports.tookUs.values()].reduce((sum, us) => sum + us, 0);
  return {
    zygote: zygote.number,
    parent: parent?.zygote.number ?? null,
    packages: [...members].sort().map(shown),
    added: [...members]
      .filter((member) => !inherited.has(member))
      .sort()
      .map(shown),
    hits,
    saved_ms: Math.round(savedUs / 1000),
    import_ms: Math.round(tookUs / 1000),
    memory_bytes: bytes ?? null,
    waiting: zygote.waiting,
    forks: zygote.forks,
  };
}

/** Without the hash. */
function shown(member: string): string {
  return member.split('@')[0] as string;
}
