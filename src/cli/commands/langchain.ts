import { readConfig } from '../../config.ts';
import { serveLangchain } from '../../core/models/index.ts';
import { CommandError } from '../failure.ts';

/** Fewest characters of a secret that others may try. */
const fewestSecretCharacters = 16;

/** Runs the LangChain service until it is told to stop; answers that are being made come to their end. */
export async function runLangchain({ host, port }: { host: string; port: string }): Promise<void> {
  const { secret } = readConfig().langchain;
  if (secret.length < fewestSecretCharacters) {
    throw new CommandError(`LANGCHAIN_SERVICE_SECRET must have at least ${fewestSecretCharacters} characters: whoever reaches this service spends the keys that are sent to it.`);
  }
  const number = Number(port);
  if (!Number.isInteger(number) || number < 0 || number > 65_535) throw new CommandError(`--port takes a number from 0 to 65535, not "${port}".`);
  const service = await serveLangchain({ host, port: number, secret, aliveMs: 1000 });
  process.stdout.write(`The LangChain service runs at http://${host.includes(':') ? `[${host}]` : host}:${service.port}\n`);
  const stop = (): void => void service.drain().then(() => process.exit(0));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
}
