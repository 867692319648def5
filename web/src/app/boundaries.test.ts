import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** What an import between two files of web/src breaks, or null. Paths are relative to web/src. */
function brokenRule(from: string, to: string): string | null {
  const [floor, feature] = from.split('/');
  const [target, other, ...rest] = to.split('/');
  if (floor === 'shared' && target !== 'shared') return 'shared knows no feature and no app';
  if (floor === 'features' && target === 'app') return 'a feature knows no app';
  if (floor === 'features' && target === 'features' && feature !== other) return 'one feature imports another';
  if (floor === 'app' && target === 'features' && (rest.length !== 1 || rest[0] !== 'index.ts')) return 'a feature is entered through its index.ts';
  return null;
}

function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map((match) => posix.normalize(posix.join(posix.dirname(file), match[1]!)));
}

describe('The folders of the page', () => {
  it('keep to their floors', () => {
    const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).map((file) => relative('.', file).split(sep).join('/')).filter((file) => /\.tsx?$/.test(file));
    expect(files.length).toBeGreaterThan(50);
    const broken = files.flatMap((file) => importsOf(file).flatMap((to) => (brokenRule(file, to) ? [`${file} -> ${to}: ${brokenRule(file, to)}`] : [])));
    expect(broken).toEqual([]);
  });

  it.each([
    ['features/chats/api.ts', 'features/models/index.ts', 'one feature imports another'],
    ['features/chats/api.ts', 'app/queries.ts', 'a feature knows no app'],
    ['shared/ui/menu.tsx', 'features/chats/index.ts', 'shared knows no feature and no app'],
    ['app/shell.tsx', 'features/chats/api.ts', 'a feature is entered through its index.ts'],
  ])('%s must not import %s', (from, to, rule) => {
    expect(brokenRule(from, to)).toBe(rule);
  });

  it('may go down and stay at home', () => {
    expect(brokenRule('app/shell.tsx', 'features/chats/index.ts')).toBeNull();
    expect(brokenRule('features/chats/api.ts', 'shared/api/index.ts')).toBeNull();
    expect(brokenRule('features/chats/api.ts', 'features/chats/list.ts')).toBeNull();
  });
});
