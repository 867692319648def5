import { openBrowser } from './cli/browser.ts';
import { explain } from './cli/failure.ts';
import { addressOf, modelLines, startLines } from './cli/terminal-page.ts';
import { readConfig, type Config } from './config.ts';
import type { Restarter } from './features/operations/index.ts';
import { createParts, type Parts } from './parts.ts';
import { version } from './version.ts';

/** Milliseconds in which a second signal counts as the first: a terminal and npm both pass on one Ctrl-C. */
const oneSignalMs = 1000;
/** Milliseconds beyond the drain time after which a server that does not end is ended. */
const stopGraceMs = 15_000;

/** Ends with this when it wants to be started again; of the codes of sysexits.h the one for trying again (EX_TEMPFAIL). */
export const restartCode = 75;

/** Whether somebody starts the server again: the start script says so over its channel, a service manager by a setting. */
function createRestarter({ restartedByService }: Config, begin: () => void): Restarter {
  let startScript = false;
  // Nobody else is on the other side of this channel; a library that loads us may have one of its own.
  if (process.connected) process.on('message', (message: unknown) => (startScript ||= isHello(message)));
  return {
    get isPossible() {
      return startScript || restartedByService;
    },
    get how() {
      if (startScript) return 'The start script starts the server again.';
      if (restartedByService) return 'A service manager starts the server again (RESTARTED_BY_SERVICE).';
      return 'Nobody would start this server again. Start it with `npm start` or scripts/start.cjs, or let a service manager start it again on code 75 and set RESTARTED_BY_SERVICE=on.';
    },
    begin,
  };
}

function isHello(message: unknown): boolean {
  return typeof message === 'object' && message !== null && 'type' in message && message.type === 'starter' && 'restarts' in message && message.restarts === true;
}

/** Runs the server until it is told to stop. Ends the process. */
export async function runServer(config: Config): Promise<void> {
  let parts: Parts;
  let stopWith: (code: number) => void = () => undefined;
  try {
    parts = createParts(config, { restarter: createRestarter(config, () => stopWith(restartCode)), onReplaced: (error) => end(`\nParley stops.\n${error.message}\n`) });
  } catch (error) {
    fail(error);
  }
  const stop = stopOnSignals(parts);
  stopWith = (code) => stop('an administrator restarts it', code);
  exitOnFaults(parts);
  try {
    await parts.start();
  } catch (error) {
    fail(error);
  }
  process.stdout.write(
    startLines({
      version,
      addresses: parts.http.addresses(),
      ollama: parts.ollama && { address: parts.ollama.addresses()[0], problem: parts.ollama.problem() },
      dataDir: config.dataDir,
      readyInMs: performance.now(),
      setupCode: parts.accounts.setupCode(),
      localTrustOff: parts.accounts.localTrustOff,
    }),
  );
  // Tells the start script, which then says how long everything took.
  process.send?.({ type: 'ready' });
  if (config.openBrowser) openBrowser(addressOf(parts.http.addresses()[0]!));
  await sayModels(parts);
}

/** Looking for models may take seconds (a service that does not answer), so it comes behind the address. */
async function sayModels(parts: Parts): Promise<void> {
  const { accounts, models } = parts;
  const owner = await accounts.owner();
  const caller = { userId: owner.id, role: owner.role };
  const [providers, target] = await Promise.all([models.providers(caller), models.resolve(null, caller).catch(() => null)]);
  process.stdout.write(`${modelLines(providers, target?.id ?? null)}\n`);
}

function fail(error: unknown): never {
  end(`\nParley cannot start.\n${explain(error)}\n`);
}

function end(reason: string): never {
  process.stderr.write(reason);
  process.exit(1);
}

/**
 * SIGTERM, SIGINT and SIGHUP drain and stop; so does the end of the start script. A second signal ends at once. Who wants to be
 * started again says so also when stopping failed or took too long.
 */
function stopOnSignals(parts: Parts): (reason: string, code?: number) => void {
  let stoppingSince: number | null = null;
  const stop = (reason: string, code = 0): void => {
    const { drainMs } = parts.config;
    if (stoppingSince !== null) {
      if (performance.now() - stoppingSince > oneSignalMs) process.exit(1);
      return;
    }
    stoppingSince = performance.now();
    parts.log.info({ reason }, 'stopping');
    process.stdout.write(`\n  Stopping; running answers have ${drainMs / 1000} s to end. Once more stops at once.\n`);
    setTimeout(() => {
      parts.log.error('the server did not stop in time');
      process.exit(code || 1);
    }, drainMs + stopGraceMs).unref();
    parts.stop().then(
      () => process.exit(code),
      (error: unknown) => {
        parts.log.error({ err: error }, 'stopping failed');
        process.exit(code || 1);
      },
    );
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => stop(signal));
  if (process.connected) process.on('disconnect', () => stop('the start script ended'));
  return stop;
}

/** An error nobody foresaw leaves the process in a state nobody knows: what was committed is safe, so it ends. */
function exitOnFaults(parts: Parts): void {
  const end = (error: unknown): void => {
    parts.log.fatal({ err: error }, 'unexpected error');
    process.exit(1);
  };
  process.on('uncaughtException', end);
  // A log that nobody takes any more (a closed pipe, a full disk) is no reason to end.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  process.on('unhandledRejection', end);
}

if (import.meta.main) {
  let config: Config;
  try {
    config = readConfig();
  } catch (error) {
    fail(error);
  }
  await runServer(config);
}
