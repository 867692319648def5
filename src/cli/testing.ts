import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Kept between runs, as the start script does it: a command is there in half the time. */
const compileCache = fileURLToPath(new URL('../../.cache/compiled', import.meta.url));
const program = fileURLToPath(new URL('./index.ts', import.meta.url));

export interface CommandResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs commands as people do: each in a process of its own, with settings in the environment. */
export function createCommandLine(settings: Record<string, string>) {
  const children = new Set<ChildProcessWithoutNullStreams>();

  function begin(args: string[], more: Record<string, string> = {}) {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, ...args], { env: { ...process.env, NODE_COMPILE_CACHE: compileCache, ...settings, ...more } });
    children.add(child);
    const result: CommandResult = { code: null, stdout: '', stderr: '' };
    child.stdout.on('data', (piece: Buffer) => (result.stdout += piece.toString()));
    child.stderr.on('data', (piece: Buffer) => (result.stderr += piece.toString()));
    const ended = new Promise<CommandResult>((resolve) => {
      child.on('close', (code) => {
        children.delete(child);
        resolve(Object.assign(result, { code }));
      });
    });
    return { child, result, ended };
  }

  return {
    begin,

    /** @param input what stands on standard input */
    run(args: string[], input = '', more: Record<string, string> = {}): Promise<CommandResult> {
      const { child, ended } = begin(args, more);
      child.stdin.end(input);
      return ended;
    },

    /** `parley serve`, once its port is open. */
    async serve(more: Record<string, string> = {}) {
      const { child, result, ended } = begin(['serve'], { PORT: '0', ...more });
      const url = await new Promise<string>((resolve, reject) => {
        child.stdout.on('data', () => {
          const address = /Open the page +(http:\S+)\n/.exec(result.stdout)?.[1];
          if (address) resolve(address);
        });
        void ended.then(() => reject(new Error(`the server ended: ${result.stderr}`)));
      });
      return {
        url,
        child,
        result,
        ended,
        async stop(): Promise<CommandResult> {
          child.kill('SIGTERM');
          return await ended;
        },
      };
    },

    /** Ends whatever still runs. */
    async close(): Promise<void> {
      await Promise.all([...children].map((child) => new Promise((resolve) => child.once('close', resolve).kill('SIGKILL'))));
    },
  };
}
