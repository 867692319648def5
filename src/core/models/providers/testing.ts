import type { StandIn } from '../../../../test/stand-in/index.ts';
import type { ModelProvider, ModelRequest, ReplyEvent, ToolDefinition, Usage } from '../types.ts';

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
export type Avoidable = 'service' | 'log-probabilities' | 'log-probabilities of other tokens' | 'seed' | 'open length' | 'usage' | 'length' | 'tools' | 'embeddings' | 'split characters of the answer';

/** What the cases work with. */
export interface Suite {
  ask(more?: Partial<ModelRequest>, signal?: AbortSignal): AsyncIterable<ReplyEvent[]>;
  under(): ProviderUnderTest;
  standIn(): StandIn;
  /** A test, or, where the harness says that the provider cannot have it, the reason in its place. */
  has(part: Avoidable | null, title: string, run: () => Promise<void>): void;
}

/** What the cases ask. */
export const hello: ModelRequest['messages'] = [{ role: 'user', content: 'Hello' }];
/** A tool, and the only arguments it takes. */
export const weather: ToolDefinition = { name: 'weather', description: 'The weather in a city', parameters: { type: 'object', properties: { city: { type: 'string', enum: ['Graz'] } }, required: ['city'] } };

/** All batches of a reply. */
export async function collect(reply: AsyncIterable<ReplyEvent[]>): Promise<ReplyEvent[][]> {
  const batches: ReplyEvent[][] = [];
  for await (const batch of reply) batches.push(batch);
  return batches;
}

/** The text of a reply so far. */
export function textOf(events: readonly ReplyEvent[]): string {
  return events.filter((event) => event.type === 'text').map((event) => event.text).join('');
}

/** The usage that counts: the last one. */
export function usageOf(events: readonly ReplyEvent[]): Usage {
  return events.findLast((event) => event.type === 'usage')?.usage ?? {};
}
