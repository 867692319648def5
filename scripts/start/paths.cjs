'use strict';
const path = require('node:path');

/** The folder of the clone. */
const root = path.resolve(__dirname, '..', '..');

module.exports = {
  root,
  /** What the start script keeps between starts; git ignores it. */
  cache: path.join(root, '.cache'),
  runtime: path.join(root, 'runtime'),
  web: path.join(root, 'web'),
};
