import { openBrowser } from './cli/browser.ts';
import { explain } from './cli/failure.ts';
import { addressOf, modelLines, startLines } from './cli/terminal-page.ts';
import { readConfig, type Config } from './config.ts';
import { createParts, type Parts } from './parts.ts';
import { version } from './version.ts';

/** Milliseconds in which a second signal counts as the first: a terminal and npm both pass on one Ctrl-C. */
const oneSignalMs = 1000;
/** Milliseconds beyond the drain time after which a server that does not end is ended. */
const stopGraceMs = 15_000;

/** Runs the server until it is told to stop. Ends the process. */
export async function runServer(config: Config): Promise<void> {
  let parts: Parts;
  try {
    parts = createParts(config, { onReplaced: (error) => end(`\nParley stops.\n${error.message}\n`) });
  } catch (error) {
    fail(error);
  }
  stopOnSignals(parts, config.drainMs);
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

/** SIGTERM, SIGINT and SIGHUP drain and stop; so does the end of the start script. A second signal ends at once. */
function stopOnSignals(parts: Parts, drainMs: number): void {
  let stoppingSince: number | null = null;
  const stop = (reason: string): void => {
    if (stoppingSince !== null) {
      if (performance.now() - stoppingSince > oneSignalMs) process.exit(1);
      return;
    }
    stoppingSince = performance.now();
    parts.log.info({ reason }, 'stopping');
    process.stdout.write(`\n  Stopping; running answers have ${drainMs / 1000} s to end. Once more stops at once.\n`);
    setTimeout(() => {
      parts.log.error('the server did not stop in time');
      process.exit(1);
    }, drainMs + stopGraceMs).unref();
    parts.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        parts.log.error({ err: error }, 'stopping failed');
        process.exit(1);
      },
    );
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => stop(signal));
  if (process.connected) process.on('disconnect', () => stop('the start script ended'));
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
