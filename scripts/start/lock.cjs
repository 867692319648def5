'use strict';
/* One start at a time may install: `npm ci` begins by deleting node_modules. */
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { cache } = require('./paths.cjs');
const { say, StartError } = require('./words.cjs');

const file = path.join(cache, 'start.lock');
const beatMs = 2000;
/** A lock that nobody has touched for so long is dead: of another machine, and of this one (ids are used again). */
const staleMs = { elsewhere: 30000, here: 600000 };
/** What stands in the lock while it is ours: the processes that work under it, the machine, the time it was taken. */
let mine = null;

function holder() {
  try {
    return { text: fs.readFileSync(file, 'utf8'), touched: fs.statSync(file).mtimeMs };
  } catch {
    return null;
  }
}

function isDead(found) {
  const [pids, host] = found.text.split(' ');
  const age = Date.now() - found.touched;
  if (host !== os.hostname()) return age > staleMs.elsewhere;
  return age > staleMs.here || !pids.split(',').some((pid) => isRunning(Number(pid)));
}

function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code !== 'ESRCH';
  }
}

/** Says which processes work under the lock, if it is ours. */
function noteHolders(pids) {
  if (mine === null) return;
  mine = [pids.join(','), ...mine.split(' ').slice(1)].join(' ');
  try {
    fs.writeFileSync(file, mine);
  } catch {
    // A full disk: the lock stays as it was.
  }
}

/** Moves a dead lock away. Two who try at once cannot both take a new one for the old: the text is compared. */
function removeDead(found) {
  const aside = `${file}.${process.pid}`;
  try {
    fs.renameSync(file, aside);
    if (fs.readFileSync(aside, 'utf8') !== found.text) fs.linkSync(aside, file);
    fs.unlinkSync(aside);
  } catch {
    // Somebody else was faster; the next round looks again.
  }
}

/** Waits for its turn, does the work and lets the next one in. */
async function withLock(work) {
  try {
    fs.mkdirSync(cache, { recursive: true });
    fs.accessSync(cache, fs.constants.W_OK);
  } catch (error) {
    throw new StartError(`The clone cannot be written (${error.code}): ${cache}`, ['The first start installs into the clone. Start once as the user who owns it.']);
  }
  const wanted = `${process.pid} ${os.hostname()} ${Date.now()}`;
  let waiting = false;
  for (;;) {
    try {
      fs.writeFileSync(file, wanted, { flag: 'wx' });
      mine = wanted;
      break;
    } catch (error) {
      if (error.code === 'ENOSPC') throw new StartError('The disk is full.', ['Free about 1 GB and start again.']);
      if (error.code !== 'EEXIST') throw error;
    }
    const found = holder();
    if (found && isDead(found)) removeDead(found);
    else if (found) {
      if (!waiting) say(`another start (process ${found.text.split(/[ ,]/)[0]}) is installing; waiting for it ...`);
      waiting = true;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }
  const release = () => {
    const found = holder();
    if (found && found.text === mine) fs.rmSync(file, { force: true });
    mine = null;
  };
  const beat = setInterval(() => {
    const now = new Date();
    fs.utimes(file, now, now, () => undefined);
  }, beatMs);
  process.on('exit', release);
  try {
    return await work();
  } finally {
    clearInterval(beat);
    process.off('exit', release);
    release();
  }
}

module.exports = { noteHolders, withLock };
