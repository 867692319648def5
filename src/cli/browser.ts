import { spawn } from 'node:child_process';

/** Opens a page in the browser of whoever sits at this machine, if there is one; says nothing if not. */
export function openBrowser(url: string): void {
  const [command, ...args] = process.platform === 'win32' ? ['cmd', '/c', 'start', '', url] : process.platform === 'darwin' ? ['open', url] : ['xdg-open', url];
  const child = spawn(command!, args, { stdio: 'ignore', detached: true });
  // A machine without a screen has no such program.
  child.on('error', () => undefined);
  child.unref();
}
