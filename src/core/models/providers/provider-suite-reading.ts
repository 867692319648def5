import type { ModelRequest, ReplyEvent, ToolDefinition, Usage } from '../types.ts';

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
