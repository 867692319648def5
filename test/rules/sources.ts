import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync, Visitor, type ParseResult } from 'rolldown/utils';

/** The folder of the project. */
export const projectRoot = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

const leftOut = new Set(['node_modules', '.git', '.cache', 'dist', 'coverage', 'results']);

/** All files below a folder of the project, as paths from its root with forward slashes, sorted. */
export function filesBelow(folder: string): string[] {
  if (!existsSync(join(projectRoot, folder))) return [];
  return readdirSync(join(projectRoot, folder), { withFileTypes: true })
    .filter((entry) => !leftOut.has(entry.name))
    .flatMap((entry) => {
      const path = posix.join(folder, entry.name);
      return entry.isDirectory() ? filesBelow(path) : entry.isFile() ? [path] : [];
    })
    .sort();
}

export function readText(file: string): string {
  return readFileSync(join(projectRoot, file), 'utf8');
}

/** A file as the rules see it. */
export interface Source {
  /** Path from the root of the project. */
  path: string;
  text: string;
  parsed: ParseResult;
  /** Files of the project that it names in `import`, `export from` or `import()`, types included. */
  imports: SourceImport[];
}

export interface SourceImport {
  /** Path from the root of the project. */
  path: string;
  line: number;
}

/** Tests and what only tests use: free of the rules that keep the product in shape. */
export function isTest(path: string): boolean {
  return /\.test\.tsx?$|-suite\.ts$|(^|\/)(fixtures|testing)(\/|\.ts$)/.test(path) || path.startsWith('test/');
}

export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}

/** Parses the TypeScript files below a folder. */
export function readSources(folder: string): Source[] {
  return filesBelow(folder)
    .filter((path) => /\.tsx?$/.test(path))
    .map((path) => {
      const text = readText(path);
      const parsed = parseSync(path, text);
      if (parsed.errors.length > 0) throw new Error(`${path} cannot be parsed: ${parsed.errors[0]!.message}`);
      return { path, text, parsed, imports: importsOf(path, text, parsed) };
    });
}

function importsOf(path: string, text: string, parsed: ParseResult): SourceImport[] {
  const found: SourceImport[] = [];
  const add = (source: { type: string; value?: unknown; start: number } | null | undefined): void => {
    if (source?.type !== 'Literal' || typeof source.value !== 'string' || !source.value.startsWith('.')) return;
    found.push({ path: posix.normalize(posix.join(posix.dirname(path), source.value)), line: lineAt(text, source.start) });
  };
  new Visitor({
    ImportDeclaration: (node) => add(node.source),
    ExportNamedDeclaration: (node) => add(node.source),
    ExportAllDeclaration: (node) => add(node.source),
    ImportExpression: (node) => add(node.source),
    TSImportType: (node) => add(node.source),
  }).visit(parsed.program);
  return found;
}

/** Path of a file of the project, from its root, with forward slashes. */
export function fromRoot(file: string): string {
  return relative(projectRoot, file).split(sep).join('/');
}
