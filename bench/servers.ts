import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Asked } from './load.ts';
import { benchFolder, freePort, projectRoot, start, startMock, untilAnswers, type Mock, type Running } from './processes.ts';
import { textOf, type Shape } from './shapes.ts';

/** Limits so high that they are never reached, but counted all the same. */
const raisedLimits = {
  LIMIT_MESSAGES_PER_HOUR: '100000000',
  LIMIT_FRIEND_MESSAGES_PER_MINUTE: '100000000',
  LIMIT_REQUESTS_PER_MINUTE: '100000000',
  LIMIT_COMPLETIONS_PER_MINUTE: '100000000',
  LIMIT_SOCKETS_PER_ADDRESS: '100000',
};

/** Someone who answers in the form of OpenAI: the mock itself, Parley, or a peer, all in front of the same mock. */
export interface Answering {
  name: string;
  /** What is sent to ask for this shape. */
  asked(shape: Shape, stream: boolean): Asked;
  /** Null for the mock, whose CPU is of no interest. */
  pid: number | null;
  stop(): Promise<void>;
}

const messages = [{ role: 'user', content: 'Say some words.' }];

export function straight(mock: Mock): Answering {
  return {
    name: 'straight',
    pid: null,
    asked: (shape, stream) => ({ port: mock.port, path: '/v1/chat/completions', headers: {}, body: { model: shape.name, stream, messages }, text: textOf(shape) }),
    stop: async () => undefined,
  };
}

export interface ParleyServer extends Answering {
  port: number;
  key: string;
  dataDir: string;
  running: Running;
  /** Its settings, for commands beside it. */
  environment: Record<string, string>;
}

/** Where compiled code is kept between starts, as the start script does. */
export const compileCache = join(projectRoot, '.cache', 'compile');

/** Settings of a server whose only model service is the mock. */
export function parleyEnvironment(dataDir: string, port: number, mockPort: number | null): Record<string, string> {
  return {
    PORT: String(port), HOST: '127.0.0.1', DATA_DIR: dataDir, OLLAMA_URLS: 'off', LOG_LEVEL: 'warn', NODE_COMPILE_CACHE: compileCache,
    ...(mockPort === null ? {} : { COMPATIBLE_SERVERS: `mock=http://127.0.0.1:${mockPort}/v1` }),
    ...raisedLimits,
  };
}

export interface ParleyOptions {
  mock: Mock | null;
  /** Options for Node, such as those of its profiler. */
  nodeOptions?: string[];
  environment?: Record<string, string>;
  pinned?: boolean;
  /** Called with the data folder before the server starts. */
  prepare?: (dataDir: string) => void;
}

/** A server on a fresh data folder, with a key of its own for authentication. Everything is kept (`store`). */
export async function startParley(options: ParleyOptions): Promise<ParleyServer> {
  const dataDir = mkdtempSync(join(tmpdir(), 'parley-bench-'));
  options.prepare?.(dataDir);
  const port = await freePort();
  const environment = { ...parleyEnvironment(dataDir, port, options.mock?.port ?? null), ...options.environment };
  const running = start([process.execPath, '--disable-warning=ExperimentalWarning', ...(options.nodeOptions ?? []), join(projectRoot, 'src', 'main.ts')], { environment, pinned: options.pinned });
  await untilAnswers(port, '/health', running);
  const key = createKey(environment);
  return {
    name: 'parley',
    pid: running.pid,
    port,
    key,
    dataDir,
    running,
    environment,
    asked: (shape, stream) => ({
      port,
      path: '/v1/chat/completions',
      headers: { authorization: `Bearer ${key}` },
      body: { model: `mock/${shape.name}`, stream, store: true, messages },
      text: textOf(shape),
    }),
    async stop() {
      await running.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** Makes an API key (`ask_...`) by the command that people use. @param user whose; the owner's without */
function createKey(environment: Record<string, string>, user?: string): string {
  const printed = command(environment, ['key', 'create', 'bench', ...(user === undefined ? [] : ['--user', user])]);
  const key = /ask_\S+/.exec(printed)?.[0];
  if (key === undefined) throw new Error('No key was printed.');
  return key;
}

/** Makes accounts, and gives a key of each. */
export function createPeople(environment: Record<string, string>, count: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    const name = `person${index}`;
    command(environment, ['user', 'add', name], `a long password of ${name}`);
    return createKey(environment, name);
  });
}

function command(environment: Record<string, string>, args: string[], input = ''): string {
  return execFileSync(process.execPath, ['--disable-warning=ExperimentalWarning', join(projectRoot, 'src', 'cli', 'index.ts'), ...args], {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...environment },
    encoding: 'utf8',
    input,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
}

/** Portkey's gateway, which keeps nothing and asks for no key of its own. */
export async function startPortkey(mock: Mock): Promise<Answering> {
  const port = await freePort();
  const program = join(benchFolder, 'node_modules', '@portkey-ai', 'gateway', 'build', 'start-server.js');
  const running = start([process.execPath, '--disable-warning=ExperimentalWarning', '--import', join(benchFolder, 'loopback-only.ts'), program, '--headless', `--port=${port}`], { cwd: benchFolder, environment: { NODE_ENV: 'production' } });
  await untilAnswers(port, '/', running);
  return {
    name: 'portkey',
    pid: running.pid,
    asked: (shape, stream) => ({
      port,
      path: '/v1/chat/completions',
      headers: { authorization: 'Bearer none', 'x-portkey-provider': 'openai', 'x-portkey-custom-host': `http://127.0.0.1:${mock.port}/v1` },
      body: { model: shape.name, stream, messages },
      text: textOf(shape),
    }),
    stop: () => running.stop(),
  };
}

/** The limits in force, for the report. */
export const limitsInForce: Record<string, string> = raisedLimits;

export { startMock, type Mock };
