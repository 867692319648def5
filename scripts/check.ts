/** Type check and lint of the whole project: `npm run check`. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const checks = [
  ['types of the server', 'node_modules/typescript/bin/tsc', '--noEmit'],
  ['types of the page', 'node_modules/typescript/bin/tsc', '--noEmit', '-p', 'web'],
  ['lint', 'node_modules/oxlint/bin/oxlint', '--deny-warnings'],
].filter(([, , , , folder]) => folder === undefined || existsSync(`${folder}/tsconfig.json`));

for (const [name, script, ...args] of checks) {
  const began = performance.now();
  const { status } = spawnSync(process.execPath, [script!, ...args], { stdio: 'inherit' });
  process.stdout.write(`${name}: ${status === 0 ? 'ok' : 'failed'} (${((performance.now() - began) / 1000).toFixed(1)} s)\n`);
  if (status !== 0) process.exitCode = 1;
}
