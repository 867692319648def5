import { Tracer, watchMethods, type Logs } from './base/observability/index.ts';
import type { Clock } from './base/clock.ts';
import type { Storage } from './base/storage/index.ts';
import type { Jobs } from './base/jobs/index.ts';
import type { Accounts } from './core/accounts/index.ts';
import type { Conversations } from './core/conversations/index.ts';
import type { Models, ReplyEvent } from './core/models/index.ts';
import type { Agents } from './features/agents/index.ts';

/** Makes the tracer, which sees nothing until the parts are shown to it. */
export function createTracer(clock: Clock, logs: Logs): Tracer {
  return new Tracer({ clock, logs });
}

/** Lets the tracer see what the parts below the dialects do. Each of their steps costs one comparison more while nobody watches. */
export function observeCore(tracer: Tracer, { storage, accounts, jobs, models }: { storage: Storage; accounts: Accounts; jobs: Jobs; models: Models }): void {
  watchMethods(tracer, 'storage', storage, ['write', 'appendTurnLog']);
  watchMethods(tracer, 'accounts', accounts, ['authenticate', 'login', 'register', 'issueToken', 'logout', 'providerKey']);
  watchMethods(tracer, 'jobs', jobs, ['enqueue']);
  watchMethods(tracer, 'ai', models, ['list', 'resolve', 'embed', 'draw']);
  const { reply } = models;
  models.reply = (target, ...given) => {
    const events = reply.call(models, target, ...given);
    return tracer.active ? tracer.spanOver('ai', `reply from ${target.provider}`, events, endOf) : events;
  };
}

/** The same for conversations. */
export function observeConversations(tracer: Tracer, conversations: Conversations): void {
  watchMethods(tracer, 'chat', conversations, ['create', 'get', 'list', 'messages', 'send', 'sendAfter', 'speak', 'regenerate', 'edit', 'continue', 'cancel', 'answerUnstored', 'search', 'statistics', 'delete']);
}

/** The same for sessions of agents. */
export function observeAgents(tracer: Tracer, agents: Agents): void {
  watchMethods(tracer, 'agents', agents, ['create', 'list', 'get', 'messages', 'end']);
}

/** How a reply has ended; null in the middle of it. */
function endOf(last: readonly ReplyEvent[] | undefined): string | null {
  const event = last?.at(-1);
  return event?.type === 'finish' ? 'ok' : event?.type === 'error' ? event.error.code : null;
}
