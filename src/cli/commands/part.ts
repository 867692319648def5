import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ownPartFolders, readConfig } from '../../config.ts';
import { CommandError } from '../failure.ts';

/** Optional parts: what each is for, and the file that says that it is there. */
const parts: Readonly<Record<string, { meaning: string; sign: string; size: string }>> = {
  hedera: { meaning: 'transcripts on the Hedera Consensus Service', sign: join('node_modules', '@hiero-ledger', 'sdk', 'package.json'), size: 'about 220 MB' },
};

export async function listParts(): Promise<void> {
  const { dataDir } = readConfig();
  for (const [name, { meaning, sign, size }] of Object.entries(parts)) {
    const folder = [join(dataDir, 'parts', name), ...ownPartFolders(name)].find((one) => existsSync(join(one, sign)));
    console.log(`${name}: ${meaning}; ${folder === undefined ? `not installed (${size}): parley part install ${name}` : `installed in ${folder}`}`);
  }
}

/** Installs beside what is there and swaps at the end: a running server never finds half a part. */
export async function installPart(name: string): Promise<void> {
  const part = Object.hasOwn(parts, name) ? parts[name]! : null;
  if (!part) throw new CommandError(`There is no optional part ${name}. There are: ${Object.keys(parts).join(', ')}.`);
  const source = ownPartFolders(name).find((folder) => existsSync(join(folder, 'package-lock.json')));
  if (source === undefined) throw new CommandError(`The list of packages of the part ${name} is not in this installation.`);
  const home = join(readConfig().dataDir, 'parts');
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const draft = mkdtempSync(join(home, `.${name}-`));
  try {
    for (const file of ['package.json', 'package-lock.json', '.npmrc']) if (existsSync(join(source, file))) cpSync(join(source, file), join(draft, file));
    console.error(`Fetching the part ${name} (${part.size}) ...`);
    await npmCi(draft);
    if (!existsSync(join(draft, part.sign))) throw new CommandError('npm ended well, and the packages are not there.');
    const target = join(home, name);
    const before = `${draft}.before`;
    if (existsSync(target)) renameSync(target, before);
    renameSync(draft, target);
    rmSync(before, { recursive: true, force: true });
    console.log(`Installed in ${target}. A running server finds it by itself.`);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** `npm ci`, without install scripts: nothing in a part needs one. */
async function npmCi(folder: string): Promise<void> {
  const beside = join(dirname(process.execPath), '..', 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js');
  const args = ['ci', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const isWindows = process.platform === 'win32';
  const child = existsSync(beside) ? spawn(process.execPath, [beside, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] }) : spawn(isWindows ? 'npm.cmd' : 'npm', args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], shell: isWindows });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece: Buffer) => (output = (output + piece.toString()).slice(-4000)));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', () => reject(new CommandError('npm cannot be run. Install it (it comes with Node) and try again.')));
    child.on('close', resolve);
  });
  if (code !== 0) throw new CommandError(`The packages could not be fetched:\n${output.trim()}`);
}
