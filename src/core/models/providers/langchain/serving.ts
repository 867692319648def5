import type { RunningService, ServiceOptions } from './service/server.ts';

/**
 * Runs the service in this process, for those who run it by itself. LangChain is loaded only then.
 * @throws {Error} when the port cannot be had
 */
export async function serveLangchain(options: ServiceOptions): Promise<RunningService> {
  return (await import('./service/server.ts')).startLangchainServer(options);
}
