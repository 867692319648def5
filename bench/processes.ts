import { execFileSync, fork, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import net from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const benchFolder = dirname(fileURLToPath(import.meta.url));
export const projectRoot = join(benchFolder, '..');

/** The core of the server that is measured; what drives it runs on the other one. */
const serverCore = 0;
const driverCore = 1;

/** Cores of the machine, counted before this process is put on one of them. */
export const cores = availableParallelism();

/** Whether processes can be given a core of their own. */
export const canPin = cores >= 2 && spawnSync('taskset', ['--version']).status === 0;

/** Puts this process, and what it starts from now on, on the driver's core. */
export function pinDriver(): void {
  if (canPin) execFileSync('taskset', ['-acp', String(driverCore), String(process.pid)], { stdio: 'ignore' });
}

/** Lets a child of this process run on every core again. */
export function unpin(pid: number): void {
  if (canPin) execFileSync('taskset', ['-acp', `0-${cores - 1}`, String(pid)], { stdio: 'ignore' });
}

export interface Running {
  pid: number;
  output(): string;
  /** Asks it to end and waits until it has. */
  stop(): Promise<void>;
}

/** A command that runs on every core, though this process does not. */
export function onEveryCore(command: string[]): string[] {
  return canPin ? ['taskset', '-c', `0-${cores - 1}`, ...command] : command;
}

/** Starts a program, on the server's core when `pinned`. */
export function start(command: string[], settings: { environment?: Record<string, string>; cwd?: string; pinned?: boolean } = {}): Running {
  const [program, ...given] = settings.pinned === false ? onEveryCore(command) : canPin ? ['taskset', '-c', String(serverCore), ...command] : command;
  const child = spawn(program!, given, {
    cwd: settings.cwd ?? projectRoot,
    stdio: ['ignore', 'pipe', 'pipe'],
    // taskset becomes the program, so the process id is the program's own.
    env: { PATH: process.env['PATH'], HOME: tmpdir(), ...settings.environment },
  });
  let output = '';
  const take = (text: string): void => void (output = (output + text).slice(-20_000));
  child.stdout!.setEncoding('utf8').on('data', take);
  child.stderr!.setEncoding('utf8').on('data', take);
  started.add(child);
  return { pid: child.pid!, output: () => output, stop: () => end(child) };
}

const started = new Set<ChildProcess>();

async function end(child: ChildProcess): Promise<void> {
  const exited = child.exitCode !== null || child.signalCode !== null ? Promise.resolve() : new Promise<void>((resolve) => child.once('close', () => resolve()));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  await exited;
  clearTimeout(timer);
  started.delete(child);
}

/** Ends whatever is still running when this process ends. */
process.on('exit', () => {
  for (const child of started) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));

/** Waits until an address answers GET with this status. @throws {Error} with what the program printed */
export async function untilAnswers(port: number, path: string, running: Running, status = 200): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (performance.now() < deadline) {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`).then((response) => response.status, () => 0);
    if (answer === status) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`Nothing answers at port ${port}:\n${running.output()}`);
}

/** A port that is free now. */
export async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Clock ticks of the kernel in a second: fixed on Linux. */
const ticksPerSecond = 100;

/** Seconds of CPU that a process has used, all threads, user and system. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** Seconds of CPU of each thread of a process, by name; threads of one name together, the main thread as `main`. */
export function threadSeconds(pid: number): Record<string, number> {
  const seconds: Record<string, number> = {};
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8');
    const name = thread === String(pid) ? 'main' : stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    seconds[name] = (seconds[name] ?? 0) + (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  }
  return seconds;
}

/** Megabytes (10^6 bytes) of memory that a process holds now. */
export function residentMegabytes(pid: number): number {
  const kibibytes = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]);
  return (kibibytes * 1024) / 1e6;
}

/** The mock upstream in its process. */
export interface Mock {
  port: number;
  /** Requests and chunks it has sent so far. */
  sent(): Promise<{ requests: number; chunks: number }>;
  stop(): void;
}

export async function startMock(): Promise<Mock> {
  const child = fork(join(benchFolder, 'mock.ts'), { execArgv: ['--disable-warning=ExperimentalWarning'] });
  started.add(child);
  const next = <Message>(): Promise<Message> => new Promise((resolve) => child.once('message', (message) => resolve(message as Message)));
  const { port } = await next<{ port: number }>();
  return {
    port,
    async sent() {
      const answer = next<{ sent: { requests: number; chunks: number } }>();
      child.send('sent');
      return (await answer).sent;
    },
    stop() {
      child.disconnect();
      started.delete(child);
    },
  };
}
