import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseSync, Visitor } from 'rolldown/utils';
import { describe, expect, it } from 'vitest';
import { filesBelow, isTest, lineAt, projectRoot, readSources, readText, type Source } from './sources.ts';

/** Most lines of a function. */
const longestFunction = 70;

/**
 * Functions that were longer when the rule came: they may stay, may not grow, and none may be added.
 * Path and name, with the lines they had.
 */
const oldLongFunctions: Record<string, number> = {};

interface Finding {
  path: string;
  line: number;
  what: string;
}

const show = (findings: Finding[]): string[] => findings.map(({ path, line, what }) => `${path}:${line}: ${what}`);

/** Functions of a file with their lengths in lines. */
function functionsOf(source: Pick<Source, 'path' | 'text' | 'parsed'>): { name: string; line: number; lines: number }[] {
  const found: { name: string; line: number; lines: number }[] = [];
  const names = new Map<number, string>();
  const measure = (node: { start: number; end: number; id?: { name: string } | null }): void => {
    const line = lineAt(source.text, node.start);
    found.push({ name: node.id?.name ?? names.get(node.start) ?? 'a function without a name', line, lines: lineAt(source.text, node.end) - line + 1 });
  };
  new Visitor({
    VariableDeclarator: (node) => {
      if (node.init && node.id.type === 'Identifier') names.set(node.init.start, node.id.name);
    },
    MethodDefinition: (node) => {
      if (node.key.type === 'Identifier') names.set(node.value.start, node.key.name);
    },
    Property: (node) => {
      if (node.key.type === 'Identifier') names.set(node.value.start, node.key.name);
    },
    FunctionDeclaration: measure,
    FunctionExpression: measure,
    ArrowFunctionExpression: measure,
  }).visit(source.parsed.program);
  return found;
}

/** Uses of `object.property`, such as `process.env`. */
function membersOf(source: Source, object: string, property: string | null): Finding[] {
  const found: Finding[] = [];
  new Visitor({
    MemberExpression: (node) => {
      if (node.object.type !== 'Identifier' || node.object.name !== object) return;
      const name = node.property.type === 'Identifier' && !node.computed ? node.property.name : node.property.type === 'Literal' ? String(node.property.value) : '?';
      if (property === null || name === property) found.push({ path: source.path, line: lineAt(source.text, node.start), what: `${object}.${name}` });
    },
  }).visit(source.parsed.program);
  return found;
}

describe('The code', () => {
  const server = readSources('src').filter((source) => !isTest(source.path));
  const page = readSources('web/src').filter((source) => !isTest(source.path));
  const product = [...server, ...page];

  it('reads the environment in config.ts only', () => {
    expect(show(server.filter((source) => source.path !== 'src/config.ts').flatMap((source) => membersOf(source, 'process', 'env')))).toEqual([]);
  });

  it('writes to the console in the command line interface only', () => {
    expect(show(product.filter((source) => !source.path.startsWith('src/cli/')).flatMap((source) => membersOf(source, 'console', null)))).toEqual([]);
  });

  it('takes no figure and no id from Math.random', () => {
    expect(show(product.flatMap((source) => membersOf(source, 'Math', 'random')))).toEqual([]);
  });

  it('has no `any`', () => {
    const found: Finding[] = [];
    for (const source of product) {
      new Visitor({
        TSAnyKeyword: (node) => void found.push({ path: source.path, line: lineAt(source.text, node.start), what: 'any' }),
      }).visit(source.parsed.program);
    }
    expect(show(found)).toEqual([]);
  });

  it('swallows no error without saying why', () => {
    const found: Finding[] = [];
    for (const source of product) {
      new Visitor({
        CatchClause: (node) => {
          const body = source.text.slice(node.body.start + 1, node.body.end - 1).trim();
          if (body === '') found.push({ path: source.path, line: lineAt(source.text, node.start), what: 'an empty catch' });
        },
      }).visit(source.parsed.program);
    }
    expect(show(found)).toEqual([]);
  });

  it('holds nothing that is left for later', () => {
    const found = product.flatMap((source) =>
      source.parsed.comments
        .filter((comment) => /\b(TODO|FIXME|XXX|HACK)\b/.test(comment.value))
        .map((comment) => ({ path: source.path, line: lineAt(source.text, comment.start), what: comment.value.trim().split('\n')[0]! })),
    );
    expect(show(found)).toEqual([]);
  });

  it(`has no function longer than ${longestFunction} lines`, () => {
    const tooLong = product.flatMap((source) =>
      functionsOf(source)
        .filter(({ name, lines }) => lines > Math.max(longestFunction, oldLongFunctions[`${source.path} ${name}`] ?? 0))
        .map(({ name, line, lines }) => ({ path: source.path, line, what: `${name} has ${lines} lines` })),
    );
    expect(show(tooLong)).toEqual([]);
  });

  it('has files that can be read in one sitting', ({ annotate }) => {
    const lengths = product.map((source) => ({ path: source.path, lines: source.text.split('\n').length - 1 }));
    for (const { path, lines } of lengths.filter((file) => file.lines > 400)) void annotate(`${path} has ${lines} lines; a file has one subject, seldom over 300 lines`, 'warning');
    expect(lengths.filter((file) => file.lines > 600)).toEqual([]);
  });
});

describe('The tests', () => {
  const tests = [...readSources('src'), ...readSources('test'), ...readSources('web/src')].filter((source) => isTest(source.path));

  it('are never alone: nothing is left focused', () => {
    expect(show(tests.flatMap((source) => ['describe', 'it', 'test'].flatMap((name) => membersOf(source, name, 'only'))))).toEqual([]);
  });

  it('are skipped only for want of a machine part, never by hand', () => {
    expect(show(tests.flatMap((source) => ['describe', 'it', 'test'].flatMap((name) => [...membersOf(source, name, 'skip'), ...membersOf(source, name, 'todo')])))).toEqual([]);
  });
});

describe('The repository', () => {
  const texts = ['.ci', 'bench', 'docs', 'parts', 'runtime', 'scripts', 'src', 'test', 'web']
    .flatMap(filesBelow)
    .concat(['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md', 'package.json'])
    .filter((path) => existsSync(join(projectRoot, path)))
    .filter((path) => /\.(ts|tsx|cjs|mjs|json|md|html|css|sh)$|\/run$/.test(path) && !path.endsWith('package-lock.json'));

  it('names no folder of anybody\'s machine', () => {
    const folder = /(^|[\s"'`(=:])\/(work|root|Users|workspace)\/[\w.-]/;
    const found = texts.flatMap((path) =>
      readText(path).split('\n').flatMap((line, at) => (folder.test(line) && !path.endsWith('code.test.ts') ? [`${path}:${at + 1}: ${line.trim()}`] : [])),
    );
    expect(found).toEqual([]);
  });
});

describe('The lock files', () => {
  const locks = ['package-lock.json', 'runtime/package-lock.json', 'runtime/npm/package-lock.json', 'bench/package-lock.json', 'parts/hedera/package-lock.json'].filter((path) => existsSync(join(projectRoot, path)));

  it.each(locks)('hold the parts of every platform, so that npm ci works on all of them: %s', (path) => {
    type Entry = { optionalDependencies?: Record<string, string>; inBundle?: boolean };
    const { packages } = JSON.parse(readText(path)) as { packages: Record<string, Entry> };
    const missing = Object.entries(packages).filter(([, entry]) => !entry.inBundle).flatMap(([folder, entry]) =>
      Object.keys(entry.optionalDependencies ?? {}).filter((name) => !packages[`node_modules/${name}`] && !packages[`${folder}/node_modules/${name}`]).map((name) => `${folder} needs ${name}`),
    );
    expect(missing).toEqual([]);
  });

  it.each(locks)('name packages, not the host they came from: %s', (path) => {
    expect(readText(path).match(/"resolved": "https?:[^"]*"/g)).toBeNull();
  });
});

describe('The rule itself', () => {
  it('measures functions of every form', () => {
    const text = 'const one = () => {\n};\nclass Two { three() {\n\n} }\nfunction four() {}\n';
    const parsed = parseSync('sample.ts', text);
    expect(functionsOf({ path: 'sample.ts', text, parsed })).toEqual([
      { name: 'one', line: 1, lines: 2 },
      { name: 'three', line: 3, lines: 3 },
      { name: 'four', line: 6, lines: 1 },
    ]);
  });
});
