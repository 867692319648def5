import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isTest, projectRoot, readSources, type Source } from './sources.ts';

/** The floors of the house, lowest first. What stands on no floor (parts, main, config, cli) stands above all of them. */
const floors = ['base', 'core', 'features', 'dialects'] as const;

/** What the page has in common with the server. */
const verifier = 'src/features/ledger/verify';

/** Where a file lives: floor 0 to 3, or 4 above them; and the module, which is a folder of its floor. */
function placeOf(path: string): { floor: number; module: string | null; isDoor: boolean } {
  const [, first, second, ...rest] = path.split('/');
  const floor = floors.indexOf(first as (typeof floors)[number]);
  if (floor < 0) return { floor: floors.length, module: first === 'cli' ? 'cli' : null, isDoor: true };
  const inFolder = rest.length > 0;
  return { floor, module: inFolder ? `${first}/${second}` : null, isDoor: !inFolder || (rest.length === 1 && rest[0] === 'index.ts') };
}

/** What an import breaks, or null. */
function brokenRule(from: string, to: string): string | null {
  const here = placeOf(from);
  const there = placeOf(to);
  if (there.floor > here.floor) return `an arrow up, from ${floors[here.floor]} to ${floors[there.floor] ?? to}`;
  if (here.module !== null && here.module === there.module) return null;
  if (!there.isDoor) return `${to} is inside another folder: import ${there.module}/index.ts`;
  if (here.floor === there.floor && here.floor === floors.indexOf('features')) return 'one feature imports another';
  if (here.floor === there.floor && here.floor === floors.indexOf('dialects') && there.module !== 'dialects/shared') return 'one dialect imports another';
  return null;
}

/** Each cycle once, as the list of its members. */
function cyclesOf(graph: Map<string, Set<string>>): string[][] {
  const done = new Set<string>();
  const path: string[] = [];
  const cycles: string[][] = [];
  const visit = (node: string): void => {
    const at = path.indexOf(node);
    if (at >= 0) {
      cycles.push([...path.slice(at), node]);
      return;
    }
    if (done.has(node)) return;
    path.push(node);
    for (const next of graph.get(node) ?? []) visit(next);
    path.pop();
    done.add(node);
  };
  for (const node of graph.keys()) visit(node);
  return cycles;
}

function graphOf(sources: Source[], nameOf: (path: string) => string | null): Map<string, Set<string>> {
  const graph = new Map<string, Set<string>>();
  for (const source of sources) {
    const from = nameOf(source.path);
    if (from === null) continue;
    const targets = graph.get(from) ?? new Set();
    graph.set(from, targets);
    for (const { path } of source.imports) {
      const to = nameOf(path);
      if (to !== null && to !== from) targets.add(to);
    }
  }
  return graph;
}

describe('The house', () => {
  const sources = readSources('src').filter((source) => !isTest(source.path));
  const everything = [...sources, ...readSources('web/src')];

  it('has arrows that run down only, and doors that are used', () => {
    const broken = sources.flatMap((source) =>
      source.imports.flatMap(({ path, line }) => {
        const rule = path.startsWith('src/') ? brokenRule(source.path, path) : null;
        return rule ? [`${source.path}:${line}: ${rule}`] : [];
      }),
    );
    expect(broken).toEqual([]);
  });

  it('has no way out of src but to packages', () => {
    const outside = sources.flatMap((source) => source.imports.filter(({ path }) => !path.startsWith('src/') && path !== 'package.json').map(({ path, line }) => `${source.path}:${line}: ${path}`));
    expect(outside).toEqual([]);
  });

  it('keeps the page apart from the server: they meet only over the wire', () => {
    const outside = readSources('web/src').flatMap((source) => source.imports.filter(({ path }) => !path.startsWith('web/') && path !== `${verifier}/index.ts`).map(({ path, line }) => `${source.path}:${line}: ${path}`));
    expect(outside).toEqual([]);
  });

  it('has one exception to that, which runs anywhere: transcripts are checked in the page as `parley verify` checks them, without the server', () => {
    const files = readSources(verifier).filter((source) => !isTest(source.path));
    expect(files.length).toBeGreaterThan(5);
    const outside = files.flatMap((source) => source.imports.filter(({ path }) => !path.startsWith(`${verifier}/`)).map(({ path, line }) => `${source.path}:${line}: ${path}`));
    const packages = files.flatMap((source) => [...source.text.matchAll(/from '([^.'][^']*)'/g)].map((match) => `${source.path}: ${match[1]}`));
    const ofNode = files.flatMap((source) => [...source.text.matchAll(/\b(?:Buffer|process)\./g)].map((match) => `${source.path}: ${match[0]}`));
    expect([...outside, ...packages, ...ofNode]).toEqual([]);
  });

  it('imports only files that exist', () => {
    const missing = sources.flatMap((source) => source.imports.filter(({ path }) => !existsSync(join(projectRoot, path))).map(({ path, line }) => `${source.path}:${line}: ${path}`));
    expect(missing).toEqual([]);
  });

  it('gives settings as parameters: only the top knows config.ts', () => {
    const readers = sources.filter((source) => placeOf(source.path).floor < floors.length && source.imports.some(({ path }) => path === 'src/config.ts'));
    expect(readers.map((source) => source.path)).toEqual([]);
  });

  it('has no import cycle between files', () => {
    expect(cyclesOf(graphOf(everything, (path) => path))).toEqual([]);
  });

  it('has no import cycle between folders', () => {
    expect(cyclesOf(graphOf(sources, (path) => placeOf(path).module))).toEqual([]);
  });
});

describe('The rule itself', () => {
  it.each([
    ['src/base/jobs/runner.ts', 'src/core/models/index.ts', 'an arrow up'],
    ['src/core/accounts/users.ts', 'src/config.ts', 'an arrow up'],
    ['src/core/accounts/users.ts', 'src/base/storage/sqlite/connection.ts', 'inside another folder'],
    ['src/features/voice/index.ts', 'src/features/memory/index.ts', 'one feature imports another'],
    ['src/dialects/openai/index.ts', 'src/dialects/arketic/index.ts', 'one dialect imports another'],
    ['src/parts.ts', 'src/core/models/registry.ts', 'inside another folder'],
  ])('refuses %s -> %s', (from, to, sentence) => {
    expect(brokenRule(from, to)).toContain(sentence);
  });

  it.each([
    ['src/core/accounts/users.ts', 'src/base/clock.ts'],
    ['src/core/accounts/users.ts', 'src/base/storage/index.ts'],
    ['src/core/models/providers/openai/provider.ts', 'src/core/models/types.ts'],
    ['src/dialects/openai/index.ts', 'src/dialects/shared/index.ts'],
    ['src/parts.ts', 'src/dialects/openai/index.ts'],
  ])('allows %s -> %s', (from, to) => {
    expect(brokenRule(from, to)).toBeNull();
  });

  it('finds a cycle', () => {
    const graph = new Map([['a', new Set(['b'])], ['b', new Set(['c'])], ['c', new Set(['a'])]]);
    expect(cyclesOf(graph)).toEqual([['a', 'b', 'c', 'a']]);
  });
});
