import { spawn, type ChildProcess } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const scripts = fileURLToPath(new URL('..', import.meta.url));
const { explain } = createRequire(import.meta.url)('./words.cjs') as { explain(what: string, output: string): Error & { hints: string[] } };

/** The npm that was brought along where the machine's is too old; else the machine's is taken. */
const ownNpm = join(scripts, '../runtime/npm/node_modules/npm/bin/npm-cli.js');

/** What the program of the small clone does; the start script runs it as it runs Parley. */
const program = `
const [command, value] = process.argv.slice(2);
if (command === 'exit') process.exit(Number(value));
if (command === 'wait') {
  process.on('SIGTERM', () => { console.log('told to end'); process.exit(7); });
  setInterval(() => undefined, 1000);
  process.send({ type: 'ready' });
  console.log('waiting');
} else console.log(JSON.stringify({ arguments: process.argv.slice(2), cache: process.env.NODE_COMPILE_CACHE, lifecycle: process.env.npm_lifecycle_event ?? null }));
process.channel?.unref();
`;

/** A clone with the start script, no packages, and a program of a few lines. Installing needs no network. */
function makeClone(): string {
  const root = mkdtempSync(join(tmpdir(), 'parley-start-'));
  cpSync(scripts, join(root, 'scripts'), { recursive: true });
  mkdirSync(join(root, 'src/cli'), { recursive: true });
  mkdirSync(join(root, 'web'));
  const packageFile = { name: 'clone', version: '1.0.0', private: true };
  writeFileSync(join(root, 'package.json'), JSON.stringify(packageFile));
  writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ ...packageFile, lockfileVersion: 3, requires: true, packages: { '': packageFile } }));
  writeFileSync(join(root, 'src/cli/index.ts'), program);
  return root;
}

interface Ended {
  code: number | null;
  output: string;
  said: string;
}

describe('The start script', () => {
  let root: string;
  let children: ChildProcess[];

  beforeEach(() => {
    root = makeClone();
    children = [];
  });

  afterEach(async () => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(root, { recursive: true, force: true });
  });

  function start(args: string[], environment: Record<string, string> = {}) {
    const env: NodeJS.ProcessEnv = { ...process.env, ...(existsSync(ownNpm) ? { npm_execpath: ownNpm } : {}), ...environment };
    delete env['NODE_COMPILE_CACHE'];
    const child = spawn(process.execPath, [join(root, 'scripts/start.cjs'), ...args], { cwd: tmpdir(), env });
    children.push(child);
    const ended: Ended = { code: null, output: '', said: '' };
    child.stdout.on('data', (piece: Buffer) => (ended.output += piece.toString()));
    child.stderr.on('data', (piece: Buffer) => (ended.said += piece.toString()));
    return { child, ended, end: new Promise<Ended>((resolve) => child.on('close', (code) => resolve(Object.assign(ended, { code })))) };
  }

  /** Adds a package that is nowhere to the lock. */
  function lockAbsentPackage(): void {
    const file = join(root, 'package-lock.json');
    const lock = JSON.parse(readFileSync(file, 'utf8')) as { packages: Record<string, object> };
    const dependencies = { absent: '1.0.0' };
    lock.packages = { '': { ...lock.packages[''], dependencies }, 'node_modules/absent': { version: '1.0.0', integrity: `sha512-${'A'.repeat(86)}==` } };
    writeFileSync(join(root, 'package.json'), JSON.stringify({ name: 'clone', version: '1.0.0', private: true, dependencies }));
    writeFileSync(file, JSON.stringify(lock));
  }

  /** A registry that nobody answers for. */
  const offline = (): Record<string, string> => ({ npm_config_registry: 'http://127.0.0.1:9', npm_config_fetch_retries: '0', npm_config_cache: join(root, 'npm-cache') });

  it('installs once, and then only starts', async () => {
    const first = await start(['hello', '--there']).end;
    expect(first.said).toMatch(/installing packages .*\n.*packages installed \(\d/);
    expect(JSON.parse(first.output)).toMatchObject({ arguments: ['hello', '--there'], cache: join(root, '.cache/compiled') });
    const second = await start(['hello']).end;
    expect(second).toMatchObject({ code: 0, said: '' });
  });

  it('installs again when the lock file has changed, or node_modules is gone', async () => {
    await start(['hello']).end;
    const lock = join(root, 'package-lock.json');
    writeFileSync(lock, readFileSync(lock, 'utf8').replaceAll('1.0.0', '1.0.1'));
    writeFileSync(join(root, 'package.json'), readFileSync(join(root, 'package.json'), 'utf8').replaceAll('1.0.0', '1.0.1'));
    expect((await start(['hello']).end).said).toContain('packages installed');
    rmSync(join(root, 'node_modules'), { recursive: true });
    expect((await start(['hello']).end).said).toContain('packages installed');
  });

  it('keeps the packages that are there when new ones cannot be had', async () => {
    await start(['hello']).end;
    writeFileSync(join(root, 'node_modules/kept.txt'), 'still here');
    lockAbsentPackage();
    expect((await start(['hello'], offline()).end).code).toBe(1);
    expect(readFileSync(join(root, 'node_modules/kept.txt'), 'utf8')).toBe('still here');
  });

  it('takes what somebody else has installed, if it is what the lock names', async () => {
    const npm = spawn('npm', ['ci', '--ignore-scripts', '--no-audit'], { cwd: root, stdio: 'ignore' });
    await new Promise((resolve) => npm.on('close', resolve));
    mkdirSync(join(root, 'node_modules'), { recursive: true });
    writeFileSync(join(root, 'node_modules/.package-lock.json'), JSON.stringify({ packages: {} }));
    expect((await start(['hello']).end).said).toBe('');
  });

  it('lets one of several starts install and the others wait', async () => {
    const ends = await Promise.all([start(['one']).end, start(['two']).end, start(['three']).end]);
    expect(ends.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(ends.filter(({ said }) => said.includes('packages installed'))).toHaveLength(1);
    expect(existsSync(join(root, '.cache/start.lock'))).toBe(false);
  });

  it('takes over the lock of a start that died', async () => {
    const dead = spawn(process.execPath, ['--version'], { stdio: 'ignore' });
    await new Promise((resolve) => dead.on('close', resolve));
    mkdirSync(join(root, '.cache'));
    writeFileSync(join(root, '.cache/start.lock'), `${dead.pid} ${(await import('node:os')).hostname()} 0`);
    const { code, said } = await start(['hello']).end;
    expect({ code, said }).toEqual({ code: 0, said: expect.not.stringContaining('waiting for it') });
  });

  it('keeps the exit code of the command', async () => {
    expect((await start(['exit', '3']).end).code).toBe(3);
  });

  it('passes signals on, and says how long a start with an installation took', async () => {
    const { child, ended, end } = start(['wait']);
    await new Promise<void>((resolve) => child.stdout.on('data', () => ended.output.includes('waiting') && resolve()));
    child.kill('SIGTERM');
    const { code, output, said } = await end;
    expect({ code, output }).toEqual({ code: 7, output: 'waiting\ntold to end\n' });
    expect(said).toMatch(/from the command to ready in \d+\.\d s/);
  });

  it('keeps variables of npm from the command', async () => {
    const { output } = await start(['hello'], { npm_lifecycle_event: 'start', npm_config_omit: 'dev' }).end;
    expect(JSON.parse(output)).toMatchObject({ lifecycle: null });
  });

  it('says so when the registry cannot be reached', async () => {
    lockAbsentPackage();
    const { code, said } = await start(['hello'], offline()).end;
    expect(code).toBe(1);
    expect(said).toContain('Installing packages failed: the package registry cannot be reached.');
  });
});

describe('What npm says, in plain words', () => {
  it.each([
    ['npm error code ENOSPC\nnpm error ENOSPC: no space left on device, write', 'the disk is full'],
    ['npm error code EACCES\nnpm error path node_modules', 'a folder cannot be written'],
    ['npm error code ENOTFOUND\nnpm error network request failed', 'the package registry cannot be reached'],
    ['npm error code SELF_SIGNED_CERT_IN_CHAIN', 'the certificate of the package registry is not trusted'],
    ['npm error code E404\nnpm error 404 Not Found', 'does not have one of the packages'],
    ['npm error code EUSAGE\nnpm error `npm ci` can only install packages when', 'package.json and package-lock.json do not fit together'],
    ['npm error code EINTEGRITY', 'a package arrived damaged'],
  ])('%s', (output, sentence) => {
    const error = explain('Installing packages', output);
    expect(error.message).toContain(sentence);
    expect(error.hints.at(-1)).toMatch(/^\| npm error/);
  });
});
