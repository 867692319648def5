import type { SettingName } from '../config.ts';

/*
 * The types of the public module. They name nothing of Parley's inside, so that a program can be compiled against them
 * without the types of any other package.
 */

/** Settings by the names of their environment variables (docs/settings.md); numbers and booleans are taken as text. */
export type Config = Record<SettingName, string | number | boolean>;

/** A running server. */
export interface App {
  /** Where it answers, such as `http://127.0.0.1:8080`: the first of `addresses`. */
  readonly address: string;
  /** One for PORT and one for each port of ALSO_LISTEN. */
  readonly addresses: readonly string[];
  /** Id of the account that owns this server. There is always one. */
  ownerId(): Promise<string>;
  /** Refuses what is new, lets running answers end (DRAIN_SECONDS), and stops everything. Further calls wait for the same end. */
  stop(): Promise<void>;
  /** As `stop`: `await using app = await createApp()`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Where a service finds its parts. */
export interface ServiceOptions {
  /** A server in this process: the service uses its parts, and closing the service leaves the server alone. */
  app?: App;
  /** Settings over those of the environment, where no `app` is given. */
  config?: Partial<Config>;
}

/** One message for a model. */
export interface ChatTurn {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

/**
 * Who answers: the four documented services, or any other provider that is set up (`ollama`, `llama`, the name of a
 * compatible server).
 */
export type Provider = 'openai' | 'anthropic' | 'google' | 'cohere' | (string & {});

/**
 * How an answer is made. Names in snake_case (`max_tokens`) mean the same. What a service has no word for is refused, and
 * so is a name that is not listed here.
 */
export interface Settings {
  /** 0 to 2; services with a smaller range refuse what is beyond theirs. */
  temperature?: number;
  /** Most tokens of the answer, 1 or more. */
  maxTokens?: number;
  /** 0 to 1. */
  topP?: number;
  topK?: number;
  seed?: number;
  /** Texts before which the answer ends. */
  stop?: string | string[];
  /** -2 to 2. */
  frequencyPenalty?: number;
  /** -2 to 2. */
  presencePenalty?: number;
  [name: string]: unknown;
}

export interface ChatCompletion {
  content: string;
  /** The model that answered, by its service's own name; it may be a dated form of the one that was asked. */
  model: string;
  /** The provider that answered. */
  provider: string;
  /** Tokens of prompt and answer as the service counts them; null when it does not say. */
  tokensUsed: number | null;
  /** US dollars by the dated price table; 0 for models on this machine, null when the price or the tokens are not known. */
  cost: number | null;
}

/** The next piece of an answer. */
export interface StreamChunk {
  content: string;
}

export type ImageSize = '1024x1024' | '1024x1792' | '1792x1024';
export type ImageQuality = 'standard' | 'hd';

export interface ImageResult {
  /** The first picture. */
  url: string;
  /** All pictures: `data:` addresses that hold them, which do not run out. */
  urls: string[];
  /** The model that drew them. */
  model: string;
  /** Width and height in pixels. */
  size: string;
  /** The prompt as the model rewrote it for the first picture, where it says so. */
  revisedPrompt?: string;
}

/** What `createSession` takes beyond the documented arguments. */
export interface SessionOptions {
  systemPrompt?: string;
  provider?: Provider;
}

/** A message of a session. */
export interface SessionMessage {
  id: string;
  sessionId: string;
  role: 'user' | 'assistant' | 'system';
  content: string;
  /** `modelUsed` where a model made it, and what was stored with it. */
  metadata: Record<string, unknown>;
  /** 0 for messages that nobody counted tokens of; null for an answer whose service did not say them. */
  tokensUsed: number | null;
  /** US dollars; 0 for messages that no model made, null for an answer whose price is not known. */
  cost: number | null;
  createdAt: Date;
}

/** A chat session with all its messages, oldest first. */
export interface SessionWithMessages {
  id: string;
  userId: string;
  title: string;
  /** Null where the model's name alone decides. */
  modelProvider: string | null;
  modelName: string | null;
  systemPrompt: string | null;
  /** `temperature` and `maxTokens` where they are set for this session. */
  settings: Record<string, unknown>;
  isActive: boolean;
  createdAt: Date;
  updatedAt: Date;
  messages: SessionMessage[];
}

export interface ChatAnswer extends ChatCompletion {
  /** Id of the stored answer. */
  messageId: string;
}
