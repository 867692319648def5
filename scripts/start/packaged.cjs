'use strict';
/* Started from an installed package: everything is built and installed already, only the Node has to be new enough. */
const fs = require('node:fs');
const path = require('node:path');
const { root } = require('./paths.cjs');
const { isNewEnough, oldestNode } = require('./prepare.cjs');
const { StartError } = require('./words.cjs');

const entry = path.join(root, 'dist', 'src', 'cli', 'index.js');

/** The built command line interface, where this is a package and no clone; null in a clone, whose sources run. */
function packagedEntry() {
  return !fs.existsSync(path.join(root, 'src')) && fs.existsSync(entry) ? entry : null;
}

/** The Node to run it with. */
function packagedNode() {
  if (isNewEnough(process.versions.node)) return process.execPath;
  throw new StartError(`Parley needs Node ${oldestNode.join('.')} or newer; this is ${process.versions.node}.`, ['Install it from https://nodejs.org or with the package manager of this machine, and start again.']);
}

module.exports = { packagedEntry, packagedNode };
