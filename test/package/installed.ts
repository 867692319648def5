import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));
const { findNpm, environmentFor } = createRequire(import.meta.url)('../../scripts/start/npm.cjs') as {
  findNpm(): string | null;
  environmentFor(node: string, extra: Record<string, string>): Record<string, string>;
};

/** A program's folder with Parley installed in it from what `npm pack` made, and nothing of the clone in reach. */
export interface Installed {
  folder: string;
  /** Where the package lies: `node_modules/parley`. */
  package: string;
  /** Files of the package, from its root, with forward slashes. */
  files: string[];
  /** What `npm pack` printed. */
  output: string;
  remove(): void;
}

export interface Ended {
  code: number | null;
  output: string;
  errors: string;
}

/** Runs a command to its end, for at most two minutes. */
export function run(file: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = process.env): Promise<Ended> {
  const child = spawn(file, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], timeout: 110_000 });
  let [output, errors] = ['', ''];
  child.stdout.on('data', (piece) => (output += String(piece)));
  child.stderr.on('data', (piece) => (errors += String(piece)));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output, errors }));
  });
}

/**
 * Packs the project as it would be published (.npmrc keeps scripts from running, so they are asked for) and unpacks it where `npm install` would put it. The packages it depends on
 * are linked one by one, so that one which package.json does not name is missed.
 */
export async function installPackage(): Promise<Installed> {
  const folder = mkdtempSync(join(tmpdir(), 'parley-package-'));
  const npm = findNpm();
  if (npm === null) throw new Error('There is no npm on this machine.');
  const environment = environmentFor(process.execPath, {});
  const packed = await run(process.execPath, [npm, 'pack', '--pack-destination', folder, '--foreground-scripts', '--ignore-scripts=false'], root, environment);
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'));
  if (packed.code !== 0 || !tarball) throw new Error(`npm pack failed:\n${packed.output}\n${packed.errors}`);
  const target = join(folder, 'node_modules', 'parley');
  mkdirSync(target, { recursive: true });
  const unpacked = await run('tar', ['-xzf', join(folder, tarball), '-C', target, '--strip-components=1'], folder);
  if (unpacked.code !== 0) throw new Error(unpacked.errors);
  const { dependencies } = JSON.parse(readFileSync(join(target, 'package.json'), 'utf8')) as { dependencies: Record<string, string> };
  for (const name of Object.keys(dependencies)) {
    mkdirSync(dirname(join(folder, 'node_modules', name)), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name), 'junction');
  }
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'program', version: '1.0.0', type: 'module', private: true }));
  const files = readdirSync(target, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(target.length + 1).replaceAll('\\', '/'));
  return { folder, package: target, files, output: packed.output + packed.errors, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Starts `parley serve` of the package; resolves with its address. */
export async function serve(installed: Installed, env: NodeJS.ProcessEnv): Promise<{ child: ChildProcess; address: string; ended: Promise<number | null> }> {
  const child = spawn(process.execPath, [join(installed.package, 'scripts', 'start.cjs'), 'serve'], { cwd: installed.folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number | null>((resolve) => child.on('exit', (code) => resolve(code)));
  let output = '';
  const address = await new Promise<string>((resolve, reject) => {
    const take = (piece: unknown): void => {
      output += String(piece);
      const found = /Open the page\s+(http:\S+)/.exec(output);
      if (found) resolve(found[1]!);
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    void ended.then((code) => reject(new Error(`the server ended with ${code}:\n${output}`)));
  });
  return { child, address, ended };
}
