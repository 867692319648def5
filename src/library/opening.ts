import { ParleyError } from '../base/errors.ts';
import { startAll, stopAll, type Part } from '../base/lifecycle.ts';
import { createLog } from '../base/observability/index.ts';
import { readConfigWith } from '../config.ts';
import { scopesOfRole, type Viewer } from '../core/accounts/index.ts';
import { createConversations, type Conversations } from '../core/conversations/index.ts';
import { createCore, type Core } from '../parts.ts';
import { partsOf } from './parts-of.ts';
import type { Config, ServiceOptions } from './types.ts';

/** What a service works with. */
export interface Opened {
  core: Core;
  conversations: Conversations;
  /** Whether another process has the database and makes the answers. */
  isBeside: boolean;
  close(): Promise<void>;
}

/** The end of the opening that was begun last. */
let lastOpening: Promise<unknown> = Promise.resolve();

/**
 * Opens one service after another. On an empty folder the first one makes the tables and has the lock meanwhile, which would
 * look to another one like a server.
 */
function inTurn<Result>(open: () => Promise<Result>): Promise<Result> {
  const opened = lastOpening.then(open);
  lastOpening = opened.catch(() => undefined);
  return opened;
}

/**
 * The parts of one service: those of an app, or parts of its own, opened by the first call.
 * `calls`: models are asked and nothing is kept but usage, which is safe beside any server. `turns`: answers of
 * conversations are made here, for which a database without Redis has one process; beside it they are left to that one.
 */
export class Opening {
  readonly #options: ServiceOptions;
  readonly #kind: 'calls' | 'turns';
  #opened: Promise<Opened> | null = null;
  #isClosed = false;

  constructor(options: ServiceOptions, kind: 'calls' | 'turns') {
    this.#options = options;
    this.#kind = kind;
  }

  async get(): Promise<Opened> {
    if (this.#isClosed) throw new ParleyError('conflict', { message: 'This service was closed.' });
    this.#opened ??= inTurn(() => this.#open());
    try {
      return await this.#opened;
    } catch (error) {
      // The next call tries again: a database may be on its way.
      this.#opened = null;
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const opened = await this.#opened?.catch(() => null);
    this.#opened = null;
    await opened?.close();
  }

  async #open(): Promise<Opened> {
    const { app, config = {} } = this.#options;
    if (app) {
      const parts = partsOf(app);
      return { core: parts, conversations: parts.conversations, isBeside: false, close: async () => undefined };
    }
    if (this.#kind === 'calls') return await openBeside(config);
    try {
      return await openAlone(config);
    } catch (error) {
      if (error instanceof ParleyError && error.code === 'conflict') return await openBeside(config);
      throw error;
    }
  }
}

function coreOf(settings: Partial<Config>, exclusive: boolean): Core {
  const config = readConfigWith(settings);
  return createCore(config, { exclusive, log: createLog(config.logLevel === 'info' ? 'warn' : config.logLevel) });
}

/** As a server without its ports. @throws {ParleyError} `conflict` when another one has the database */
async function openAlone(settings: Partial<Config>): Promise<Opened> {
  const core = coreOf(settings, true);
  const conversations = createConversations({ ...core, settings: core.config });
  const { storage, shared, accounts, budgets, models } = core;
  return await started([storage, ...shared, accounts, budgets, models, conversations], { core, conversations, isBeside: false });
}

/** Beside whatever else uses the database: nothing that another process runs is touched. */
async function openBeside(settings: Partial<Config>): Promise<Opened> {
  const core = coreOf(settings, false);
  const conversations = createConversations({ ...core, settings: core.config, runsTurns: false });
  const { storage, shared, accounts, budgets, models } = core;
  // Starting budgets would free what calls of the other process hold.
  const held: Part = { name: 'budgets', stop: () => budgets.stop?.() ?? Promise.resolve() };
  return await started([storage, ...shared, accounts, held, models, conversations], { core, conversations, isBeside: true });
}

async function started(parts: readonly Part[], opened: Omit<Opened, 'close'>): Promise<Opened> {
  await startAll(parts);
  return { ...opened, close: () => stopAll(parts) };
}

/** The account of this id as a viewer; the owner for none. @throws {ParleyError} `not_found`, `forbidden` for a locked one */
export async function viewerOf({ accounts }: Core, userId: string | undefined): Promise<Viewer> {
  const user = userId === undefined ? await accounts.owner() : await accounts.user(userId);
  if (!user) throw new ParleyError('not_found', { message: 'There is no user of this id. `parley user list --json` shows all.' });
  if (user.disabledAt !== null) throw new ParleyError('forbidden', { message: 'This account is locked.' });
  return { userId: user.id, username: user.username, role: user.role, scopes: scopesOfRole(user.role), via: 'program', credentialId: null, expiresAt: null };
}
