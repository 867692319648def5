import type { StandIn } from '../../../../test/stand-in/index.ts';
import type { ModelProvider, ModelRequest, ReplyEvent } from '../types.ts';
import type { Becomes, Setting } from './provider-suite-settings.ts';

/** A provider made for one test, with what answers behind it. */
export interface ProviderUnderTest {
  provider: ModelProvider;
  apiKey: string | null;
  /** A model that chats. Its answer to "Hello" has at least two pieces. */
  chatModel: string;
  /** A model that calls the tool it is offered; default `chatModel`. */
  toolModel?: string;
  /** A model that embeds, where there is one. */
  embeddingModel: string | null;
  /** The stand-in behind the provider; null for those that call no service. Calls give up after `timeoutMs` of silence. */
  standIn: StandIn | null;
  stop(): Promise<void>;
}

/** Cases that some provider cannot have. */
export type Avoidable = 'service' | 'usage' | 'length' | 'tools' | 'embeddings' | 'split characters of the answer';

export interface ProviderHarness {
  name: string;
  start(): Promise<ProviderUnderTest>;
  /** Why the provider cannot have a case. Each reason is printed with the tests. */
  without?: Partial<Record<Avoidable, string>>;
  /** What becomes of each setting; for providers whose requests can be looked at. */
  settings?: Record<Setting, Becomes>;
}

/** What the cases work with. */
export interface Suite {
  ask(more?: Partial<ModelRequest>, signal?: AbortSignal): AsyncIterable<ReplyEvent[]>;
  under(): ProviderUnderTest;
  standIn(): StandIn;
  /** A test, or, where the harness says that the provider cannot have it, the reason in its place. */
  has(part: Avoidable | null, title: string, run: () => Promise<void>): void;
}
