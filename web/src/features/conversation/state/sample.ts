import type { Message } from '../../../shared/api/index.ts';

/** A message for tests, with what matters to the test filled in. */
export function sampleMessage(fields: Partial<Message> & { id: string }): Message {
  return {
    chat_id: 'chat', sender_id: null, content: '', message_type: 'AI', model: 'builtin/parley', processing_time_ms: null,
    status: 'DELIVERED', created_at: '2026-01-01T00:00:00.000Z', is_edited: false, parent_id: null, seq: 1, siblings: [fields.id],
    reasoning: null, error: null, finish_reason: null, tokens: null, cost_usd: null, time_to_first_token_ms: null,
    last_event_seq: 0, tool_calls: null, tool_call_id: null, images: [], ended_at: null, ...fields,
  };
}
