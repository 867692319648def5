import { systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/observability/index.ts';
import type { TestStorage } from '../../base/storage/testing.ts';
import { startConversations, type ScriptedCall, type ScriptedModels } from '../../core/conversations/testing.ts';
import { createPipelines } from './service.ts';
import type { NewRun, PipelineNeeds, StageDefinition } from './types.ts';

/** One instance over a database: conversations with a scripted model, and pipelines upon them. */
export async function startPipelines({ storage }: Pick<TestStorage, 'storage'>, options: { models?: ScriptedModels; settings?: PipelineNeeds['settings']; revokedKeys?: boolean } = {}) {
  const house = await startConversations(storage, options.models ? { models: options.models } : {});
  const accounts: PipelineNeeds['accounts'] = {
    async user(id) {
      const row = await storage.read.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirst();
      return row ? { id, username: row.username, email: null, name: null, role: row.role, claimed: true, createdAt: row.created_at, disabledAt: row.disabled_at } : null;
    },
    apiKeys: async () => [],
  };
  const pipelines = createPipelines({ storage, conversations: house.conversations, models: house.models, accounts, jobs: house.jobs, bus: house.bus, clock: systemClock, log: silentLog(), settings: options.settings ?? {} });
  return { ...house, pipelines };
}

export function stage(name: string, more: Partial<StageDefinition> = {}): StageDefinition {
  return { name, model: 'scripted/one', backendModel: null, system: null, prompt: null, maxTokens: 100, temperature: null, ...more };
}

export function newRun(kind: NewRun['kind'], stages: StageDefinition[], more: Partial<NewRun> = {}): NewRun {
  return { kind, input: 'Seven', stages, join: null, ...more };
}

/** What a call of the model was asked. */
export function questionOf({ request }: ScriptedCall): string {
  return request.messages.at(-1)!.content;
}

/** Lets a call say this, and end. */
export function answer(call: ScriptedCall, ...pieces: string[]): void {
  for (const piece of pieces) call.text(piece);
  call.finish();
}
