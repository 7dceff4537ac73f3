// Imports in cells. The inspector evaluates scripts, which have none: a declaration becomes an awaited call of the same, and
// `import()` one of a function that has been given to cells, line for line.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const CALL = '__import__';
const here = createRequire(import.meta.url);
let parser;

/** Relative names are looked up from the working directory. */
Object.defineProperty(globalThis, CALL, {
  value: (name) => {
    const base = `${process.cwd()}/`;
    if (/^\.{0,2}\//.test(name)) return import(new URL(name, pathToFileURL(base)).href);
    if (/^[a-z]+:/.test(name)) return import(name);
    try {
      return import(toUrl(createRequire(base).resolve(name)));
    } catch {
      return import(name);
    }
  },
  configurable: true,
  writable: true,
  enumerable: false,
});

function toUrl(path) {
  return path.startsWith('/') ? pathToFileURL(path).href : path;
}

/** The same cell without imports; as it is if it has none, or can not be parsed: whoever runs it will say why. */
export function importsRewritten(code) {
  if (!/\bimport\b/.test(code)) return code;
  try {
    parser ??= here('internal/deps/acorn/acorn/dist/acorn');
  } catch {
    return code;
  }
  const edits = [];
  try {
    const tree = parser.parse(code, { ecmaVersion: 'latest', sourceType: 'module', allowAwaitOutsideFunction: true });
    for (const node of tree.body)
      if (node.type === 'ImportDeclaration') edits.push([node.start, node.end, declaration(node)]);
    calls(tree, edits);
  } catch {
    return code;
  }
  let result = code;
  for (const [start, end, text] of edits.sort((a, b) => b[0] - a[0])) {
    const newlines = code.slice(start, end).split('\n').length - text.split('\n').length;
    result = result.slice(0, start) + text + '\n'.repeat(newlines) + result.slice(end);
  }
  return result;
}

function declaration(node) {
  const call = `await ${CALL}(${node.source.raw})`;
  const names = node.specifiers.map((one) => {
    if (one.type === 'ImportNamespaceSpecifier') return undefined;
    const imported = one.type === 'ImportDefaultSpecifier' ? 'default' : (one.imported.raw ?? one.imported.name);
    return imported === one.local.name ? imported : `${imported}: ${one.local.name}`;
  });
  const whole = node.specifiers.find((one) => one.type === 'ImportNamespaceSpecifier');
  const listed = names.filter((name) => name !== undefined);
  if (whole === undefined) return listed.length === 0 ? `${call};` : `const { ${listed.join(', ')} } = ${call};`;
  const rest = listed.length === 0 ? '' : ` const { ${listed.join(', ')} } = ${whole.local.name};`;
  return `const ${whole.local.name} = ${call};${rest}`;
}

function calls(node, edits) {
  if (node === null || typeof node !== 'object') return;
  if (node.type === 'ImportExpression') edits.push([node.start, node.start + 'import'.length, CALL]);
  for (const child of Object.values(node)) if (typeof child === 'object') calls(child, edits);
}
