import type { Echo } from './answer-schema.ts';
import type { ResponseRequest } from './request-schema.ts';

/** Bytes of JSON that a response repeats: they are kept with its answer, and read with every page of its conversation. */
const mostRepeatedBytes = 32_768;

/** What the response repeats of its request. What is too long is left out, the longest kind first. */
export function echoOf(body: ResponseRequest): Echo {
  const whole = wholeEcho(body);
  const shorter: Partial<Echo>[] = [{}, { tools: [] }, { instructions: null }, { text: { ...whole.text, format: { type: whole.text.format.type } } }, { tool_choice: 'auto' }];
  let echo = whole;
  for (const change of shorter) {
    echo = { ...echo, ...change };
    if (Buffer.byteLength(JSON.stringify(echo)) <= mostRepeatedBytes) break;
  }
  return echo;
}

function wholeEcho(body: ResponseRequest): Echo {
  return {
    background: body.background ?? false,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    max_tool_calls: body.max_tool_calls ?? null,
    metadata: body.metadata ?? {},
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: body.previous_response_id ?? null,
    prompt_cache_key: body.prompt_cache_key ?? null,
    reasoning: { effort: body.reasoning?.effort ?? null, summary: body.reasoning?.summary ?? null },
    safety_identifier: body.safety_identifier ?? null,
    store: body.store !== false,
    temperature: body.temperature ?? null,
    text: { format: body.text?.format ?? { type: 'text' }, verbosity: body.text?.verbosity ?? null },
    tool_choice: body.tool_choice ?? 'auto',
    tools: body.tools ?? [],
    top_logprobs: body.top_logprobs ?? null,
    top_p: body.top_p ?? null,
    truncation: body.truncation ?? 'disabled',
    user: body.user ?? null,
  };
}

/** The key of the answer's metadata under which a response keeps what it repeats. */
const metadataKey = 'response';

/** The answer's metadata. */
export function keptMetadata(echo: Echo, userId: string): Record<string, unknown> {
  return { [metadataKey]: { ...echo, user_id: userId } };
}

/** What an answer kept of its response; null for an answer that is not the viewer's response, or was forgotten. */
export function keptEcho(metadata: Record<string, unknown> | null, userId: string): Echo | null {
  const kept = metadata?.[metadataKey] as (Echo & { user_id: string }) | undefined;
  if (!kept || kept.user_id !== userId || metadata?.['forgotten'] === true) return null;
  const { user_id: _, ...echo } = kept;
  return echo;
}
