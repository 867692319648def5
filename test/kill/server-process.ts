import { spawn, type ChildProcess } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const projectRoot = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Characters of the server's output kept to explain an unexpected end. */
const outputKept = 4000;

/** The real server in a process of its own. */
export interface ServerProcess {
  pid: number;
  /** Its address, as soon as it is ready; null when it ended before. */
  ready: Promise<string | null>;
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  kill(signal: NodeJS.Signals): void;
  /** The end of what it printed. */
  output(): string;
}

export interface ServerSettings {
  dataDir: string;
  /** Settings over the ones below. */
  environment?: Record<string, string>;
}

/** Starts `src/main.ts` on a free port. Limits are raised, so that only what is tested stands in the way. */
export function spawnServer({ dataDir, environment = {} }: ServerSettings): ServerProcess {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', join(projectRoot, 'src', 'main.ts')], {
    cwd: dataDir,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      HOME: dataDir,
      NODE_COMPILE_CACHE: join(projectRoot, '.cache', 'compile'),
      PORT: '0',
      HOST: '127.0.0.1',
      DATA_DIR: dataDir,
      OLLAMA_URLS: 'off',
      REGISTRATION: 'open',
      LOG_LEVEL: 'error',
      DRAIN_SECONDS: '1',
      LIMIT_MESSAGES_PER_HOUR: '1000000000',
      LIMIT_REQUESTS_PER_MINUTE: '1000000000',
      LIMIT_COMPLETIONS_PER_MINUTE: '1000000000',
      LIMIT_LOGINS_PER_MINUTE: '1000',
      LIMIT_SOCKETS_PER_ADDRESS: '1000',
      ...environment,
    },
  });
  return control(child);
}

function control(child: ChildProcess): ServerProcess {
  let output = '';
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => child.once('close', (code, signal) => resolve({ code, signal })));
  const ready = new Promise<string | null>((resolve) => {
    const take = (text: string): void => {
      output = (output + text).slice(-outputKept);
      const found = /http:\/\/localhost:(\d+)/.exec(output);
      if (found) resolve(`http://127.0.0.1:${found[1]}`);
    };
    child.stdout!.setEncoding('utf8').on('data', take);
    child.stderr!.setEncoding('utf8').on('data', take);
    void exited.then(() => resolve(null));
  });
  return { pid: child.pid!, ready, exited, kill: (signal) => void child.kill(signal), output: () => output };
}
