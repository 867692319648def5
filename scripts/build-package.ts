/**
 * Builds what is published, into dist/: JavaScript and types of src/, and the page. Node runs no TypeScript below
 * node_modules. `npm pack --ignore-scripts=false` does this first: without that option .npmrc keeps it from running, and what
 * an earlier build left would be packed. By hand: `node scripts/start.cjs --script scripts/build-package.ts`.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const draft = join(root, '.cache', 'package');
const target = join(root, 'dist');

/** Ends with a sentence in place of a package that would not work. */
function fail(reason: string): never {
  process.stderr.write(`parley: the package was not built: ${reason}\n`);
  process.exit(1);
}

const { prepare } = createRequire(import.meta.url)('./start/prepare.cjs') as { prepare(wanted: { page: boolean }): Promise<unknown> };
await prepare({ page: true });
const page = join(root, 'web', 'dist');
if (!existsSync(join(page, 'index.html'))) fail('there is no page in web/dist.');

rmSync(draft, { recursive: true, force: true });
const compiler = createRequire(import.meta.url).resolve('typescript/package.json').replace(/package\.json$/, 'bin/tsc');
const { status } = spawnSync(process.execPath, [compiler, '--project', join(root, 'tsconfig.package.json')], { stdio: 'inherit' });
if (status !== 0) fail('the types are not right.');
cpSync(page, join(draft, 'web', 'dist'), { recursive: true });

const sources = readdirSync(draft, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'));
if (sources.length > 0) fail(`TypeScript was left in it: ${sources[0]}.`);
rmSync(target, { recursive: true, force: true });
renameSync(draft, target);
