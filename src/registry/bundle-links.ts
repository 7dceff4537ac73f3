/** Symbolic links inside a bundle, followed as the kernel would, but on paper: nothing is on a disk yet. */
import { BUNDLE_LINK_HOPS_MAX } from './limits.ts';

interface Node {
  kind: 'file' | 'directory' | 'link';
  target?: string;
}

/** Why the link at `path` can not be: it must lead to something in `folder` (the whole bundle if empty). */
export function linkProblem(nodes: ReadonlyMap<string, Node>, path: string, folder: string): string | undefined {
  const { target = '' } = nodes.get(path) as Node;
  if (target.startsWith('/') || target.includes('\0'))
    return 'is absolute; only what lies in the bundle can be linked to';
  const at = path.split('/').slice(0, -1);
  const floor = folder === '' ? 0 : 1;
  const todo = target.split('/');
  let hops = 0;
  while (todo.length > 0) {
    const part = todo.shift() as string;
    if (part === '' || part === '.') continue;
    if (part === '..') {
      if (at.length <= floor) return 'leads out of the bundle';
      at.pop();
      continue;
    }
    at.push(part);
    const node = nodes.get(at.join('/'));
    if (node === undefined) return 'leads nowhere';
    if (node.kind === 'file' && todo.some((rest) => rest !== '')) return 'leads through a file';
    if (node.kind !== 'link') continue;
    hops += 1;
    if (hops > BUNDLE_LINK_HOPS_MAX || node.target?.startsWith('/'))
      return 'leads round in a circle, or out of the bundle';
    at.pop();
    todo.unshift(...(node.target as string).split('/'));
  }
  return undefined;
}
