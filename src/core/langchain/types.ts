import type { Viewer } from '../accounts/index.ts';
import type { FinishReason, BreakerState } from '../models/index.ts';
import type { Message } from '../conversations/index.ts';

/** The switches of the integration; each changes what happens, and what the status says. */
export interface LangchainFeatures {
  /** Whether five failures in a row keep further calls away for a minute. */
  circuitBreaker: boolean;
  /** Whether the test falls back to the model's own provider. */
  fallback: boolean;
  /** Whether answers come in pieces. */
  streaming: boolean;
  /** Whether each look at the status asks the service. */
  healthChecks: boolean;
}

/** How the service is. */
export interface LangchainHealth {
  /** `unknown` where nobody asked it. */
  status: 'healthy' | 'unhealthy' | 'unknown';
  /** Of the request that was made for this look; null when none was made, or it failed. */
  responseTimeMs: number | null;
  /** Why it is not healthy; null when it is. */
  error: string | null;
  url: string;
  breaker: BreakerState;
  /** Whether the integration is switched on. */
  isActive: boolean;
  /** Whether the test could fall back to OpenAI for this viewer. */
  fallbackAvailable: boolean;
  features: LangchainFeatures;
}

/** What the last contact with the service says, without asking it. */
export interface LangchainGlance {
  breaker: BreakerState;
  status: LangchainHealth['status'];
}

/** A message for a model behind the service. */
export interface LangchainMessage {
  content: string;
  /** Whether the answer comes in pieces on the sockets of the chat; else it is waited for. */
  stream: boolean;
  /** Whether message and answer are kept. */
  save: boolean;
}

/** What a message came to. */
export type LangchainAsked =
  | { kind: 'streaming'; userMessageId: string; answerId: string; /** `provider/model` that is asked. */ model: string; glance: LangchainGlance }
  | {
      kind: 'answered';
      question: { id: string; content: string; at: number };
      answer: LangchainAnswer & { id: string; at: number };
      /** Stored messages of the shown path. */
      totalMessages: number;
      /** Tokens of all answers of the chat, this one included. */
      totalTokens: number;
      glance: LangchainGlance;
    };

/** An answer with its figures; null where the model service did not say. */
export interface LangchainAnswer {
  content: string;
  /** `provider/model` that spoke. */
  model: string;
  durationMs: number;
  tokensIn: number | null;
  tokensOut: number | null;
  finishReason: FinishReason;
}

/** One question to try a way to a model with. */
export interface LangchainTrial {
  message: string;
  /** As in a conversation. */
  model: string;
  temperature: number;
  systemPrompt: string | null;
}

export interface LangchainTried extends LangchainAnswer {
  /** Whether the service was not used, and the model's own provider answered. */
  fallbackUsed: boolean;
  glance: LangchainGlance;
}

/** Models asked by way of the LangChain service, as the arketic document describes it. */
export interface Langchain {
  readonly features: LangchainFeatures;
  /** Asks the service how it is, unless health checks are switched off. */
  health(viewer: Viewer): Promise<LangchainHealth>;
  glance(): LangchainGlance;
  /** The address of the service. */
  url(): string;
  /** `available` when OpenAI can be asked directly and the last call did not fail; `disabled` with the fallback. */
  directState(viewer: Viewer): Promise<'available' | 'unavailable' | 'disabled'>;
  /**
   * Sends a message that is answered by way of the service and of nothing else.
   * @throws {ParleyError} `empty_message`, `forbidden`, `not_found`, `invalid_request` (also for what the model service lays to
   * the sender, a bad key or a quota, and where no model is set up), `no_api_key`, `provider_unavailable` for a fault of the service
   */
  ask(viewer: Viewer, conversationId: string, message: LangchainMessage, signal: AbortSignal): Promise<LangchainAsked>;
  /** Asks by way of the service, and the model's own provider when the service is at fault. @throws {ParleyError} as `ask` */
  test(viewer: Viewer, trial: LangchainTrial, signal: AbortSignal): Promise<LangchainTried>;
  /** Asks OpenAI without the service. @throws {ParleyError} as `ask` */
  testDirect(viewer: Viewer, trial: LangchainTrial, signal: AbortSignal): Promise<LangchainAnswer>;
}

/** An answer that is not kept, in the form of one that is. */
export type UnkeptAnswer = Pick<Message, 'id' | 'conversationId' | 'model' | 'createdAt'>;
