import { spawnSync } from 'node:child_process';

/** Modules that the Python listings import; Debian has them as python3-aiohttp and python3-websockets. */
const modules = ['aiohttp', 'websockets'];

/** The interpreter that runs the Python listings: PYTHON_PATH, else Debian's own; null where it has not what they import. */
export function findPython(): string | null {
  const path = process.env['PYTHON_PATH'] || '/usr/bin/python3';
  const tried = spawnSync(path, ['-c', `import ${modules.join(', ')}`], { timeout: 20_000, stdio: 'ignore' });
  return tried.status === 0 ? path : null;
}
