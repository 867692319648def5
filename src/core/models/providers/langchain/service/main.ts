import { startLangchainServer, type RunningService, type ServiceOptions } from './server.ts';

/*
 * The process of the LangChain service, as Parley starts it. It is told how to run over the channel to its parent, so that
 * nothing secret stands in its arguments or its environment, and it ends with that channel: also when the parent was killed.
 */

let running: RunningService | null = null;

process.on('disconnect', () => process.exit(0));
// A Ctrl-C in the terminal reaches the parent as well, which lets answers end and then ends this process.
process.on('SIGINT', () => undefined);
process.on('SIGHUP', () => undefined);
process.on('SIGTERM', () => void (running?.drain() ?? Promise.resolve()).then(() => process.exit(0)));

process.once('message', (options: ServiceOptions) => {
  startAt(options).then(
    (service) => {
      running = service;
      process.send?.({ type: 'ready', port: service.port });
    },
    (error: unknown) => process.send?.({ type: 'failed', reason: error instanceof Error ? error.message : String(error) }, () => process.exit(1)),
  );
});

/** At the port it had before, so that its address stays; at any other when somebody else has it now. */
async function startAt(options: ServiceOptions): Promise<RunningService> {
  try {
    return await startLangchainServer(options);
  } catch (error) {
    if (options.port === 0 || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    return startLangchainServer({ ...options, port: 0 });
  }
}
