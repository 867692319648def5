import { startAll, stopAll } from '../base/lifecycle.ts';
import { createLog } from '../base/observability/index.ts';
import { readConfig } from '../config.ts';
import type { User } from '../core/accounts/index.ts';
import { createCore, type Core } from '../parts.ts';
import { CommandError } from './failure.ts';

/**
 * Opens the database beside a server that may be running, does the work, and closes it. Only accounts and storage
 * are started: no model is loaded and no waiting job is run.
 */
export async function withCore<Result>(work: (core: Core) => Promise<Result>): Promise<Result> {
  const config = readConfig();
  const log = createLog(config.logLevel === 'info' ? 'warn' : config.logLevel);
  const core = createCore(config, { exclusive: false, log });
  const parts = [core.storage, core.accounts];
  await startAll(parts);
  try {
    return await work(core);
  } finally {
    await stopAll(parts);
  }
}

/** The account of this name; the owner for none. @throws {CommandError} */
export async function userNamed(core: Core, name: string | undefined): Promise<User> {
  if (name === undefined) return await core.accounts.owner();
  const user = await core.accounts.findUser(name);
  if (!user) throw new CommandError(`There is no account named ${name}. \`parley user list\` shows all.`);
  return user;
}
