'use strict';
/* Step 4 of the start: the command itself, in a Node of its own, as if it had been called directly. */
const path = require('node:path');
const { spawn } = require('node:child_process');
const { cache, root } = require('./paths.cjs');
const { environmentFor } = require('./npm.cjs');
const { packagedEntry } = require('./packaged.cjs');
const { say, StartError } = require('./words.cjs');

const signals = process.platform === 'win32' ? ['SIGINT', 'SIGTERM', 'SIGBREAK'] : ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2'];

/** With this code the server wants to be started again (src/main.ts). */
const restartCode = 75;

/** What Node runs for these arguments, and in which folder. */
function scriptFor(args) {
  const packaged = packagedEntry();
  if (packaged) return { script: [packaged, ...args], cwd: process.cwd() };
  if (args[0] === 'test') return { script: [path.join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run', ...args.slice(1)], cwd: root };
  if (args[0] === '--script') {
    if (!args[1]) throw new StartError('--script needs a file.');
    return { script: [path.resolve(root, args[1]), ...args.slice(2)], cwd: root };
  }
  return { script: [path.join(root, 'src', 'cli', 'index.ts'), ...args], cwd: process.cwd() };
}

/** How often we look whether npm is still there, milliseconds. */
const lookMs = 500;

/**
 * npm runs scripts in a shell; told to end, it ends the shell and leaves what runs in it behind. So, when npm started
 * us, losing our parent means that we were told to end.
 * @returns a function that ends the watch
 */
function watchParent(onLost) {
  if (!process.env.npm_lifecycle_event) return () => undefined;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    onLost();
  }, lookMs);
  return () => clearInterval(timer);
}

/**
 * Runs the command line interface, the tests or a script, and resolves with the exit code.
 * A Ctrl-C in a terminal reaches the child by itself and once more from here: the server takes both for one.
 * @param onReady called when the server says that it is ready
 */
async function runCommand(node, args, onReady) {
  for (;;) {
    const { code, toldToEnd } = await runOnce(node, args, onReady);
    if (code !== restartCode || !isServer(args)) return code;
    // It had begun to end in order to be started again, and was not to be.
    if (toldToEnd) return 0;
    say('starting again, as an administrator wants it.');
  }
}

function isServer(args) {
  return args.length === 0 || args[0] === 'serve';
}

/** The same once. @returns {Promise<{ code: number, toldToEnd: boolean }>} */
function runOnce(node, args, onReady) {
  const { script, cwd } = scriptFor(args);
  const env = environmentFor(node, process.env.NODE_COMPILE_CACHE ? {} : { NODE_COMPILE_CACHE: path.join(cache, 'compiled') });
  return new Promise((resolve, reject) => {
    const child = spawn(node, ['--disable-warning=ExperimentalWarning', ...script], {
      cwd,
      env,
      // The fourth is a channel on which the server says that it is ready, and by which it notices our end.
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    });
    let toldToEnd = false;
    const end = (signal) => {
      toldToEnd = true;
      child.kill(signal);
    };
    const forward = new Map(signals.map((signal) => [signal, () => end(signal)]));
    for (const [signal, send] of forward) process.on(signal, send);
    const endWatch = watchParent(() => end('SIGTERM'));
    // So that the server knows that it may end in order to be started again.
    if (isServer(args)) child.send({ type: 'starter', restarts: true }, () => undefined);
    child.on('message', (message) => {
      if (message && message.type === 'ready') onReady();
    });
    child.on('error', (error) => reject(new StartError(`Node cannot be run (${error.message}).`, [`Delete ${path.join(root, 'runtime', 'node_modules')} and start again.`])));
    child.on('exit', (code, signal) => {
      endWatch();
      for (const [name, send] of forward) process.off(name, send);
      if (signal) process.kill(process.pid, signal);
      resolve({ code: signal ? 1 : code, toldToEnd });
    });
  });
}

module.exports = { runCommand };
