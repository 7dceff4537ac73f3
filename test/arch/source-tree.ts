import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import ts from 'typescript';

export interface SourceFile {
  /** Path below src, with slashes. */
  path: string;
  text: string;
}

export interface Import {
  from: string;
  /** As written, or undefined where it is not a plain string. */
  specifier: string | undefined;
  /** `eager` is loaded with the file, `lazy` when the line runs, `type` never. */
  load: 'eager' | 'lazy' | 'type';
  line: number;
}

export function readSourceTree(dir: string): SourceFile[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ts|mts|cts|js|mjs|cjs|py)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((path) => ({ path: relative(dir, path), text: readFileSync(path, 'utf8') }));
}

/** Every way in which a TypeScript file names another module. */
export function importsOf(file: SourceFile): Import[] {
  if (file.path.endsWith('.py')) return [];
  const source = ts.createSourceFile(file.path, file.text, ts.ScriptTarget.Latest, false);
  const found: Import[] = [];
  const add = (node: ts.Node, specifier: ts.Node | undefined, load: Import['load']) => {
    const text = specifier !== undefined && ts.isStringLiteralLike(specifier) ? specifier.text : undefined;
    const line = source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
    found.push({ from: file.path, specifier: text, load, line });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node, node.moduleSpecifier, loadOf(node.importClause));
    else if (ts.isExportDeclaration(node) && node.moduleSpecifier)
      add(node, node.moduleSpecifier, node.isTypeOnly ? 'type' : 'eager');
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node, node.argument.literal, 'type');
    else if (ts.isCallExpression(node) && loadsModule(node)) add(node, node.arguments[0], 'lazy');
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function loadOf(clause: ts.ImportClause | undefined): Import['load'] {
  return clause?.phaseModifier === ts.SyntaxKind.TypeKeyword ? 'type' : 'eager';
}

function loadsModule(call: ts.CallExpression): boolean {
  const { expression } = call;
  if (expression.kind === ts.SyntaxKind.ImportKeyword) return true;
  return ts.isIdentifier(expression) && expression.text === 'require';
}
