import { startAll, stopAll, type Part } from '../base/lifecycle.ts';
import { createLog } from '../base/observability/index.ts';
import { readConfig } from '../config.ts';
import { scopesOfRole, type User, type Viewer } from '../core/accounts/index.ts';
import { createCore, type Core } from '../parts.ts';
import { CommandError } from './failure.ts';

/**
 * Opens the database beside a server that may be running, does the work, and closes it. Only accounts and storage
 * are started: no model is loaded and no waiting job is run.
 * @param options `hints`: also tells running instances at once, where they share a Redis; otherwise they notice by themselves
 */
export async function withCore<Result>(work: (core: Core) => Promise<Result>, options: { hints?: boolean } = {}): Promise<Result> {
  const core = openCore();
  return await withParts(core, [core.storage, ...(options.hints ? core.shared : []), core.accounts], work);
}

/** The same with the database alone. */
export async function withStorage<Result>(work: (core: Core) => Promise<Result>): Promise<Result> {
  const core = openCore();
  return await withParts(core, [core.storage], work);
}

function openCore(): Core {
  const config = readConfig();
  const log = createLog(config.logLevel === 'info' ? 'warn' : config.logLevel);
  return createCore(config, { exclusive: false, log });
}

async function withParts<Result>(core: Core, parts: readonly Part[], work: (core: Core) => Promise<Result>): Promise<Result> {
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

/** Who runs commands: whoever may open the database is its owner. */
export async function operator({ accounts }: Core): Promise<Viewer> {
  const { id, username, role } = await accounts.owner();
  return { userId: id, username, role, scopes: scopesOfRole(role), via: 'internal', credentialId: null, expiresAt: null };
}
