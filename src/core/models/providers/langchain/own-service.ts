import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../../../../base/clock.ts';
import { randomToken } from '../../../../base/ids.ts';
import type { Log } from '../../../../base/observability/index.ts';
import type { ReplyError } from '../../types.ts';
import { ReplyFault } from '../../wire/index.ts';
import type { ServiceOptions } from './service/server.ts';
import type { LangchainService, ServiceAddress } from './types.ts';

export interface OwnServiceOptions {
  clock: Clock;
  log: Log;
  /** Milliseconds without a call after which the process is ended. */
  idleMs: number;
  /** The environment of the process: the few variables that a program needs, and none that holds a secret. */
  environment: Readonly<Record<string, string>>;
  /** Milliseconds between two signs of life while an answer is waited for. Default 1000. */
  aliveMs?: number;
  /** Milliseconds in which the process must have begun to listen. Default 20,000. */
  startMs?: number;
  /** Milliseconds after an unexpected end before it is started again; doubled each time, up to a minute. Default 3000. */
  restartPauseMs?: number;
}

/** The sources run as they are; what is published is compiled. */
const entry = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './service/main.ts' : './service/main.js', import.meta.url));
const host = '127.0.0.1';
const longestPauseMs = 60_000;
/** Milliseconds that the process has to end by itself. */
const endMs = 2000;
/** Most of what a process that cannot start says of the reason, in characters. */
const longestReason = 500;

interface Running {
  child: ChildProcess;
  port: number;
  startedAt: number;
}

/** A process of this server's own: started when it is needed, ended when it is not, replaced when it dies. */
export function createOwnService(options: OwnServiceOptions): LangchainService {
  return new OwnService(options);
}

class OwnService implements LangchainService {
  private readonly options: OwnServiceOptions;
  private readonly secret = randomToken(32);
  private running: Running | null = null;
  private starting: Promise<Running> | null = null;
  private holders = 0;
  private idleTimer: NodeJS.Timeout | undefined;
  private lastPort = 0;
  private deaths = 0;
  private notBefore = -Infinity;
  private isStopped = false;

  constructor(options: OwnServiceOptions) {
    this.options = options;
  }

  async reach(): Promise<ServiceAddress> {
    const { port } = this.running ?? (await this.start());
    return { origin: `http://${host}:${port}`, path: '', secret: this.secret };
  }

  hold(): () => void {
    this.holders += 1;
    clearTimeout(this.idleTimer);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.holders -= 1;
      if (this.holders === 0) this.waitIdle();
    };
  }

  reportSilence(): void {
    const { running } = this;
    if (!running) return;
    this.options.log.warn({ pid: running.child.pid }, 'the LangChain service says nothing any more and is ended');
    running.child.kill('SIGKILL');
  }

  address(): string {
    return `http://${host}:${this.lastPort}`;
  }

  isRunning(): boolean {
    return this.running !== null;
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    await this.starting?.catch(() => undefined);
    await this.end();
  }

  private start(): Promise<Running> {
    if (this.isStopped) return Promise.reject(unavailable('The LangChain service is stopped: the server ends.'));
    const waitMs = this.notBefore - this.options.clock.monotonic();
    if (waitMs > 0) {
      const seconds = Math.ceil(waitMs / 1000);
      return Promise.reject(unavailable(`The LangChain service ended unexpectedly and is started again in ${seconds} s.`, waitMs));
    }
    this.starting ??= this.launch().finally(() => {
      this.starting = null;
    });
    return this.starting;
  }

  private async launch(): Promise<Running> {
    const { clock, log } = this.options;
    const child = fork(entry, [], { env: { ...this.options.environment }, execArgv: [], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    let port: number;
    try {
      port = await this.listening(child);
    } catch (error) {
      child.kill('SIGKILL');
      this.noteDeath();
      log.error({ err: error }, 'the LangChain service could not be started');
      throw unavailable(`The LangChain service could not be started: ${error instanceof Error ? error.message : String(error)}`);
    }
    const running = { child, port, startedAt: clock.monotonic() };
    this.running = running;
    this.lastPort = port;
    child.once('exit', (code, signal) => this.onExit(running, code ?? signal));
    // Neither keeps this process alive: a server that ends takes it along.
    child.unref();
    child.channel?.unref();
    log.info({ pid: child.pid, port }, 'the LangChain service runs');
    if (this.holders === 0) this.waitIdle();
    return running;
  }

  /** Tells the process how to run, and waits until it listens. @throws {Error} saying why it does not */
  private listening(child: ChildProcess): Promise<number> {
    const { startMs = 20_000, aliveMs = 1000 } = this.options;
    const how: ServiceOptions = { host, port: this.lastPort, secret: this.secret, aliveMs };
    return new Promise((resolve, reject) => {
      let said = '';
      const timer = setTimeout(() => reject(new Error(`it did not listen within ${startMs / 1000} s`)), startMs);
      child.stderr?.on('data', (text: Buffer) => {
        // Only until it runs: later it may speak of what people wrote.
        if (said.length < longestReason) said += text.toString('utf8').slice(0, longestReason - said.length);
      });
      const done = (): void => {
        clearTimeout(timer);
        child.removeAllListeners('error').removeAllListeners('exit').removeAllListeners('message');
        child.on('error', () => undefined);
        child.stderr?.removeAllListeners('data').resume();
        (child.stderr as { unref?(): void } | null)?.unref?.();
      };
      const fail = (reason: string): void => {
        done();
        reject(new Error(reason));
      };
      child.on('error', (error) => fail(error.message));
      child.on('exit', (code, signal) => fail(`it ended with ${code ?? signal}. ${said.replaceAll(/\s+/g, ' ')}`.trim()));
      child.on('message', (message: { type?: string; port?: number; reason?: string }) => {
        if (message.type === 'failed') return fail(message.reason ?? 'it did not say why');
        if (message.type !== 'ready' || typeof message.port !== 'number') return;
        done();
        resolve(message.port);
      });
      child.send(how, (error) => error && fail(error.message));
    });
  }

  private onExit(running: Running, how: number | NodeJS.Signals | null): void {
    if (this.running !== running) return;
    this.running = null;
    const livedMs = this.options.clock.monotonic() - running.startedAt;
    if (livedMs > longestPauseMs) this.deaths = 0;
    this.noteDeath();
    this.options.log.warn({ pid: running.child.pid, how, livedMs: Math.round(livedMs) }, 'the LangChain service ended unexpectedly');
  }

  private noteDeath(): void {
    const { clock, restartPauseMs = 3000 } = this.options;
    this.notBefore = clock.monotonic() + Math.min(restartPauseMs * 2 ** this.deaths, longestPauseMs);
    this.deaths += 1;
  }

  private waitIdle(): void {
    clearTimeout(this.idleTimer);
    this.idleTimer = setTimeout(() => {
      if (this.holders > 0) return;
      this.options.log.info('the LangChain service is not used and is ended');
      void this.end();
    }, this.options.idleMs);
    this.idleTimer.unref();
  }

  /** Ends the process, by the end of its channel or by force. */
  private async end(): Promise<void> {
    clearTimeout(this.idleTimer);
    const { running } = this;
    if (!running) return;
    this.running = null;
    const { child } = running;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    if (child.exitCode !== null || child.signalCode !== null) return;
    if (child.connected) child.disconnect();
    const timer = setTimeout(() => child.kill('SIGKILL'), endMs);
    await ended;
    clearTimeout(timer);
  }
}

function unavailable(message: string, retryAfterMs?: number): ReplyFault {
  const error: ReplyError = { code: 'provider_unavailable', message, serviceFault: true, ...(retryAfterMs === undefined ? {} : { retryAfterMs: Math.ceil(retryAfterMs) }) };
  return new ReplyFault(error);
}
