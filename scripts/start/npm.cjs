'use strict';
/* Finding and running npm: the one that runs us where there is one, since a machine has it for certain. */
const fs = require('node:fs');
const path = require('node:path');
const { spawn } = require('node:child_process');
const { noteHolders } = require('./lock.cjs');
const { explain, StartError } = require('./words.cjs');

const endSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** What npm sets for the scripts it runs, and must not reach another npm in another folder. */
const scriptVariables = /^(npm_(package|lifecycle)_.*|npm_command|npm_config_(local_prefix|global_prefix|prefix|npm_version|node_gyp|user_agent|init_module|workspaces?|include_workspace_root|omit|include|production|only|global|location|dry_run|package_lock.*|ignore_scripts|yes|call|package)|INIT_CWD)$/i;

/** The environment for a command run with this Node: its folder first in PATH, npm's own variables left out. */
function environmentFor(node, extra) {
  const environment = {};
  let pathName = 'PATH';
  for (const [name, value] of Object.entries(process.env)) {
    if (scriptVariables.test(name)) continue;
    if (name.toUpperCase() === 'PATH') pathName = name;
    environment[name] = value;
  }
  const bin = path.join(__dirname, '..', '..', 'node_modules', '.bin');
  environment[pathName] = [path.dirname(node), bin, environment[pathName]].filter(Boolean).join(path.delimiter);
  return Object.assign(environment, extra);
}

/** The command line interface of npm as a JavaScript file, or null. */
function findNpm() {
  const candidates = [];
  const running = process.env.npm_execpath;
  // npx names itself here; yarn and pnpm name themselves too, and cannot stand in for npm.
  if (running && /np[mx]-cli\.js$/.test(running)) candidates.push(path.join(path.dirname(running), 'npm-cli.js'));
  const home = path.dirname(process.execPath);
  candidates.push(path.join(home, '..', 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js'), path.join(home, 'node_modules', 'npm', 'bin', 'npm-cli.js'));
  for (const folder of (process.env.PATH || process.env.Path || '').split(path.delimiter).filter(Boolean)) {
    candidates.push(path.join(folder, 'node_modules', 'npm', 'bin', 'npm-cli.js'), path.join(folder, 'npm'));
  }
  for (const candidate of candidates) {
    try {
      const real = fs.realpathSync(candidate);
      if (/\.c?js$/.test(real) && fs.statSync(real).isFile()) return real;
    } catch {
      continue;
    }
  }
  return null;
}

/**
 * Runs a command and keeps what it says. When we are told to end, it is ended first.
 * @returns {Promise<{ code: number | null, output: string, stopped: boolean }>} rejects if it cannot be run
 */
function run(command, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'], windowsHide: true });
    let output = '';
    let stopped = false;
    const keep = (piece) => {
      output = (output + piece).slice(-64 * 1024);
    };
    const stop = (signal) => {
      stopped = true;
      child.kill(signal);
    };
    for (const signal of endSignals) process.on(signal, stop);
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const settle = (then) => (value) => {
      for (const signal of endSignals) process.off(signal, stop);
      noteHolders([process.pid]);
      then(value);
    };
    child.on('error', settle(reject));
    child.on('close', settle((code) => resolve({ code, output, stopped })));
    // Should we be killed, the next start must not install beside it.
    if (child.pid) noteHolders([process.pid, child.pid]);
  });
}

/** The first number of the version of an npm; null when it cannot be told. */
function majorOf(npm) {
  try {
    return Number(JSON.parse(fs.readFileSync(path.join(path.dirname(npm), '..', 'package.json'), 'utf8')).version.split('.')[0]);
  } catch {
    return null;
  }
}

/**
 * `npm ci` in a folder, run with the given Node. Install scripts are left out: nothing we use needs one.
 * @param npm which one; default: the one of the machine
 * @throws {StartError} saying why, and what to do
 */
async function npmCi(folder, node, what, npm = findNpm()) {
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--no-progress', '--include=dev', '--include=optional', '--loglevel=error'];
  let result;
  try {
    const options = { cwd: folder, env: environmentFor(node, { npm_config_update_notifier: 'false' }) };
    result = npm ? await run(node, [npm, ...args], options) : await run(process.platform === 'win32' ? 'npm.cmd' : 'npm', args, { ...options, shell: process.platform === 'win32' });
  } catch (error) {
    throw new StartError(`${what} failed: npm cannot be run (${error.message}).`, ['Install npm (it comes with Node) and start again.']);
  }
  if (result.stopped) throw new StartError(`${what} was stopped.`);
  if (result.code !== 0) throw explain(what, result.output);
  return result.output;
}

module.exports = { environmentFor, findNpm, majorOf, npmCi, run };
