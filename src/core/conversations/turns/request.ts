import type { MessagesTable } from '../../../base/storage/index.ts';
import type { Parties } from '../parties/parties.ts';
import type { Sampling, ToolChoiceRequest, ToolDefinition } from '../../models/index.ts';

/** What a turn needs to run, also after a restart: kept as JSON in its row. */
export interface TurnRequest {
  /** The model asked for: `provider/model`, a bare name, or null for the default. */
  model: string | null;
  sampling: Sampling;
  tools?: ToolDefinition[];
  toolChoice?: ToolChoiceRequest;
  /** The answer that this one goes on with: its text is where this one begins. */
  continues?: string;
  /** In place of the conversation's system prompt and persona. */
  instructions?: string | null;
  /** Nobody waits for pieces of the answer. */
  whole?: boolean;
  /** Who speaks, where models speak for several parties. */
  parties?: Parties;
  dialect: string;
  apiKeyId: string | null;
  /** Set when something of a budget is reserved for it, under the id of its message. */
  reserved?: boolean;
  refuseBuiltin: boolean;
  /** As in Outgoing. */
  confidence?: boolean;
  historyTokens?: number;
  notesContext?: boolean;
}

/** What a turn answers. */
export interface TurnQuestion {
  /** The message to answer. */
  row: MessagesTable;
  systemPrompt: string | null;
  persona: string | null;
  /** The role of the one who asks: decides whose keys may be used. */
  senderRole: 'owner' | 'admin' | 'user';
  /** Text that the answer begins with already. */
  prefill: string;
  sampling: Sampling;
}

/** The settings of a conversation, where the request has none of its own. */
export function withDefaults(sampling: Sampling, settings: { temperature: number | null; max_tokens: number | null }): Sampling {
  return { ...sampling, temperature: sampling.temperature ?? settings.temperature ?? undefined, maxTokens: sampling.maxTokens ?? settings.max_tokens ?? undefined };
}

/** What the model is told besides the messages: what the request says of it, else what the conversation does. */
export function instructionsOf(instructions: string | null | undefined, settings: { system_prompt: string | null; persona: string | null }): Pick<TurnQuestion, 'systemPrompt' | 'persona'> {
  if (instructions !== undefined) return { systemPrompt: instructions, persona: null };
  return { systemPrompt: settings.system_prompt, persona: settings.persona };
}

/** A turn whose lease this instance holds. */
export interface HeldTurn {
  messageId: string;
  conversationId: string;
  userId: string;
  epoch: number;
  request: TurnRequest;
}

/** Waiting answers of one conversation. */
export const mostQueued = 8;
/** How long a lease holds without a heartbeat, milliseconds. */
export const leaseMs = 6000;
/** Pause between heartbeats, milliseconds. */
export const heartbeatMs = 2000;

/** Hints of the bus for one instance: a turn that it runs is to be cancelled. */
export const instanceTopic = (instanceId: string): string => `instance:${instanceId}`;
/** Hints of the bus for all instances: turns wait and nobody runs them. */
export const turnsTopic = 'turns';
