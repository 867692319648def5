import { existsSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import { settingsTable } from '../../src/cli/settings-page.ts';
import { filesBelow, projectRoot, readText } from './sources.ts';

const pages = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md', ...filesBelow('docs').filter((path) => path.endsWith('.md'))];

/** Links of a page to files of the project, as paths from its root, and the heading they point at. */
function linksOf(page: string): { path: string; heading: string | null }[] {
  const text = readText(page).replace(/```[^]*?```/g, '');
  return [...text.matchAll(/!?\[[^\]]*\]\(([^)\s]+)\)/g)]
    .map((match) => match[1]!)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [path, heading] = target.split('#') as [string, string | undefined];
      return { path: path === '' ? page : posix.normalize(posix.join(posix.dirname(page), path)), heading: heading ?? null };
    });
}

/** The anchors that GitHub makes of the headings of a page. */
function anchorsOf(page: string): string[] {
  return readText(page)
    .split('\n')
    .filter((line) => /^#{1,6} /.test(line))
    .map((line) => line.replace(/^#+ /, '').toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-'));
}

describe('The documentation', () => {
  it('lists every setting as the program knows it', () => {
    const table = /<!-- settings -->([^]*)<!-- \/settings -->/.exec(readText('docs/settings.md'))?.[1]?.trim();
    expect(table, 'run: node scripts/start.cjs --script scripts/write-settings.ts').toBe(settingsTable());
  });

  it('is all linked from the README, the architecture or the list of pages', () => {
    const linked = new Set(['README.md', 'ARCHITECTURE.md', 'docs/README.md'].flatMap((page) => linksOf(page).map(({ path }) => path)));
    expect(filesBelow('docs').filter((path) => /\.(md|png|svg|jpe?g)$/.test(path) && path !== 'docs/README.md' && !linked.has(path))).toEqual([]);
  });

  it.each(pages)('has links that lead somewhere: %s', (page) => {
    const dead = linksOf(page).filter(({ path, heading }) => !existsSync(join(projectRoot, path)) || (heading !== null && path.endsWith('.md') && !anchorsOf(path).includes(heading)));
    expect(dead).toEqual([]);
  });

  it('explains in docs/cli.md every command there is', () => {
    const page = readText('docs/cli.md');
    const program = readText('src/cli/index.ts');
    const commands = [...program.matchAll(/\.command\('([a-z]+)'/g)].map((match) => match[1]!);
    expect(commands.length).toBeGreaterThan(10);
    expect(commands.filter((command) => !new RegExp(`\`parley ([a-z]+ )?${command}\\b`).test(page))).toEqual([]);
  });
});
