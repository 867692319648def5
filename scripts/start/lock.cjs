'use strict';
/* One start at a time may install: `npm ci` begins by deleting node_modules. */
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { cache } = require('./paths.cjs');
const { say, StartError } = require('./words.cjs');

const file = path.join(cache, 'start.lock');
const beatMs = 2000;
/** A lock whose holder has not touched it for so long is taken for dead, whatever its process id says. */
const staleMs = 30000;

function holder() {
  try {
    return { text: fs.readFileSync(file, 'utf8'), touched: fs.statSync(file).mtimeMs };
  } catch {
    return null;
  }
}

function isDead(found) {
  if (Date.now() - found.touched > staleMs) return true;
  const [pid, host] = found.text.split(' ');
  if (host !== os.hostname()) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH';
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
  const mine = `${process.pid} ${os.hostname()} ${Date.now()}`;
  let waiting = false;
  for (;;) {
    try {
      fs.writeFileSync(file, mine, { flag: 'wx' });
      break;
    } catch (error) {
      if (error.code === 'ENOSPC') throw new StartError('The disk is full.', ['Free about 1 GB and start again.']);
      if (error.code !== 'EEXIST') throw error;
    }
    const found = holder();
    if (found && isDead(found)) removeDead(found);
    else if (found) {
      if (!waiting) say(`another start (process ${found.text.split(' ')[0]}) is installing; waiting for it ...`);
      waiting = true;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }
  const release = () => {
    const found = holder();
    if (found && found.text === mine) fs.rmSync(file, { force: true });
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

module.exports = { withLock };
