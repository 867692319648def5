import type { Config } from './config.ts';
import type { Viewer } from './core/accounts/index.ts';
import type { ModuleState } from './features/operations/index.ts';
import type { Models } from './core/models/index.ts';
import type { Redis } from './base/redis/index.ts';
import type { Storage } from './base/storage/index.ts';

/** What is looked at. */
interface Looked {
  config: Pick<Config, 'langchain' | 'hedera'>;
  storage: Storage;
  redis: Redis | null;
  models: Models;
}

/**
 * Dialects that can be switched off while the server runs. Those of accounts (friend) and of these very routes (ultimate) cannot:
 * nobody could sign in, or switch them on again.
 */
export function switchableDialects({ ollamaApiPort }: Config): Record<string, string> {
  return {
    openai: 'The API of OpenAI at /v1',
    arketic: 'Chats at /api/v1/chat, and the page, which speaks it',
    studio: 'Conversations at /api/chat/conversations and on Socket.IO',
    'agent-chat': 'Sessions of two agents at /api/agent-chat and on Socket.IO',
    ...(ollamaApiPort === null ? {} : { ollama: 'The API of Ollama on a port of its own' }),
  };
}

/** The parts of a server with their state, the dialects that can be switched left out. */
export async function modulesOf({ config, storage, redis, models }: Looked, viewer: Viewer): Promise<ModuleState[]> {
  const checked = await storage.check();
  const shared = redis?.check() ?? null;
  const providers = await models.providers({ userId: viewer.userId, role: viewer.role });
  const fixed = (name: string, kind: ModuleState['kind'], state: ModuleState['state'], detail: string): ModuleState => ({ name, kind, state, detail, isSwitchable: false });
  const engine = storage.engine === 'sqlite' ? 'SQLite' : 'PostgreSQL';
  return [
    fixed('storage', 'base', checked.ok ? 'running' : 'unavailable', checked.ok ? engine : checked.problem),
    fixed('redis', 'base', shared === null ? 'off' : shared.ok ? 'running' : 'unavailable', shared === null ? 'One instance needs none (REDIS_URL)' : shared.ok ? 'Bus and limits of several instances' : shared.problem),
    fixed('jobs', 'base', 'running', 'Durable long work'),
    fixed('accounts', 'core', 'running', 'Users, tokens, keys'),
    fixed('conversations', 'core', 'running', 'Chats and their answers'),
    fixed('langchain', 'core', config.langchain.service === 'off' ? 'off' : 'running', 'Set by LANGCHAIN_SERVICE_URL'),
    fixed('agents', 'feature', 'running', 'Sessions of two agents'),
    fixed('hedera', 'feature', config.hedera === null ? 'off' : 'running', 'Set by HEDERA_ACCOUNT_ID and HEDERA_TOPIC_ID'),
    ...providers.map(({ id, state, detail }) => fixed(`model service ${id}`, 'provider', state === 'ready' ? 'running' : 'unavailable', detail)),
    fixed('friend', 'dialect', 'running', 'Accounts and chat at /api/auth and /api/chat'),
    fixed('ultimate', 'dialect', 'running', 'Chat, state and these routes at /api/ai and /api/v4'),
  ];
}
