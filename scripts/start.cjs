#!/usr/bin/env node
'use strict';
/*
 * Starts Parley from a clone, whatever Node (from 18) and npm are at hand:
 *
 *   1. a Node that is new enough: this one, else one from the package registry, kept in runtime/
 *   2. the packages of package-lock.json, installed with that Node (an older one would pick older packages)
 *   3. the page, built if its sources changed
 *   4. the command itself, with signals passed on and its exit code kept
 *
 * Steps 1 to 3 leave a stamp, so a second start does none of them. Plain CommonJS: old Nodes must be able to read it.
 * `npm start` is `start.cjs serve`, `npm test` is `start.cjs test`, `npx parley ...` is `start.cjs ...`;
 * `start.cjs --script FILE ...` runs a file of the project, such as those of bench/.
 *
 * In an installed package (`npm pack`) there is nothing to prepare: it holds what was built.
 */
const { prepare } = require('./start/prepare.cjs');
const { runCommand } = require('./start/command.cjs');
const { packagedEntry, packagedNode } = require('./start/packaged.cjs');
const { say, StartError } = require('./start/words.cjs');

async function main(args) {
  const began = Date.now();
  if (Number(process.versions.node.split('.')[0]) < 18) {
    throw new StartError(`Node ${process.versions.node} is too old to start from.`, ['Install Node 18 or newer (https://nodejs.org); Parley fetches what else it needs by itself.']);
  }
  if (packagedEntry()) {
    process.exitCode = await runCommand(packagedNode(), args, () => undefined);
    return;
  }
  const isServer = args.length === 0 || args[0] === 'serve';
  const { node, worked } = await prepare({ page: isServer || args[0] === 'test' });
  process.exitCode = await runCommand(node, args, () => {
    if (worked) say(`from the command to ready in ${((Date.now() - began) / 1000).toFixed(1)} s.`);
  });
}

main(process.argv.slice(2)).catch((error) => {
  if (!(error instanceof StartError)) throw error;
  say(error.message);
  for (const line of error.hints) say(`  ${line}`);
  process.exitCode = 1;
});
