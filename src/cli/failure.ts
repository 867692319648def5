import { ParleyError } from '../base/errors.ts';
import { SecretsError } from '../base/secrets.ts';
import { ConfigError } from '../config.ts';
import { PortError } from '../dialects/shared/index.ts';

/** A command cannot do what it was asked; the message is for the person who typed it. */
export class CommandError extends Error {}

/**
 * What to tell a person about an error that ended a command: one that was foreseen is a sentence of its own, anything
 * else shows its stack, because somebody has to find it.
 */
export function explain(error: unknown): string {
  if (error instanceof ParleyError && error.code !== 'internal') return [error.message, ...error.issues.map((issue) => `  ${issue.path.join('.')}: ${issue.message}`)].join('\n');
  if (error instanceof CommandError || error instanceof ConfigError || error instanceof PortError || error instanceof SecretsError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
