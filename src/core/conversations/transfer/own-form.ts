import { bounds, conversationForm, messageForm } from './form.ts';
import { fits, Remarks, storableValue, type ReadConversation, type ReadMessage } from './neutral.ts';

/**
 * A conversation of a file that this project wrote.
 * @throws {Error} saying what is wrong with it as a whole; messages that are wrong are left out and noted
 */
export function readOwn(value: unknown, exportedBy: string | null): ReadConversation {
  const parsed = conversationForm.safeParse(storableValue(value));
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new Error(`${issue.path.join('.') || 'It'}: ${issue.message}`.slice(0, 200));
  }
  const { messages, ...head } = parsed.data;
  const remarks = new Remarks();
  const read = readMessages(messages, remarks);
  // Lists and searches go by it.
  const lastActivityAt = read.reduce((latest, { createdAt }) => Math.max(latest, createdAt), head.last_activity_at);
  const parameters = fits(head.parameters, bounds.metadata) ? head.parameters : {};
  if (parameters !== head.parameters) remarks.add('the parameters are too large, and were left out');
  return {
    source: 'parley', sourceId: head.id, title: head.title, titleSource: head.title_source, description: head.description ?? null, type: head.type, model: head.model ?? null,
    persona: head.persona ?? null, systemPrompt: head.system_prompt ?? null, temperature: head.temperature ?? null, maxTokens: head.max_tokens ?? null, parameters,
    isPrivate: head.is_private, tags: head.tags ?? null, label: head.label ?? null, origin: head.origin, headKey: head.head_id ?? null, createdAt: head.created_at,
    lastActivityAt, archivedAt: head.archived_at ?? null, pinnedAt: head.pinned_at ?? null, participants: head.participants, exportedBy: exportedBy ?? head.owner ?? null,
    messages: read, remarks: remarks.list(),
  };
}

function readMessages(values: readonly unknown[], remarks: Remarks): ReadMessage[] {
  const messages: ReadMessage[] = [];
  const seen = new Set<string>();
  /** Where the children of a message that was left out go. */
  const instead = new Map<string, string | null>();
  for (const value of values) {
    const parsed = messageForm.safeParse(value);
    const raw = value as { id?: unknown; parent_id?: unknown } | null;
    if (!parsed.success) {
      const issue = parsed.error.issues[0]!;
      remarks.add(`a message was left out: ${issue.path.join('.')} ${issue.message}`.slice(0, 200));
      const parent = typeof raw?.parent_id === 'string' ? raw.parent_id : null;
      if (typeof raw?.id === 'string') instead.set(raw.id, parent !== null && instead.has(parent) ? instead.get(parent)! : parent);
      continue;
    }
    const message = parsed.data;
    if (seen.has(message.id)) {
      remarks.add('a message that stands there twice was taken once');
      continue;
    }
    let parent = message.parent_id ?? null;
    if (parent !== null && instead.has(parent)) parent = instead.get(parent)!;
    if (parent !== null && !seen.has(parent)) {
      remarks.add('a message whose parent does not stand before it begins a branch of its own');
      parent = null;
    }
    seen.add(message.id);
    messages.push(asRead(message, parent, remarks));
  }
  return messages;
}

function asRead(message: (typeof messageForm)['_output'], parentKey: string | null, remarks: Remarks): ReadMessage {
  const isUnfinished = message.status === 'QUEUED' || message.status === 'PROCESSING';
  if (isUnfinished) remarks.add('an answer that was still being made is interrupted');
  const metadata = message.metadata ?? null;
  const isTooLarge = metadata !== null && !fits(metadata, bounds.metadata);
  if (isTooLarge) remarks.add('metadata that is too large was left out');
  const calls = message.tool_calls ?? null;
  return {
    key: message.id, parentKey, role: message.role, sender: message.sender ?? null, content: message.content, reasoning: message.reasoning ?? null,
    tools: calls !== null ? JSON.stringify(calls) : message.tool_call_id != null ? JSON.stringify({ toolCallId: message.tool_call_id }) : null,
    status: message.status === 'QUEUED' || message.status === 'PROCESSING' ? 'INTERRUPTED' : message.status,
    replyToKey: message.reply_to_id ?? null, replacesKey: message.replaces_id ?? null, isEdited: message.is_edited, metadata: isTooLarge ? null : metadata,
    model: message.model ?? null, figures: message.figures ?? null, pictures: message.pictures ?? [], finishReason: message.finish_reason ?? null, error: message.error ?? null,
    createdAt: message.created_at, endedAt: message.ended_at ?? (isUnfinished ? message.created_at : null),
  };
}
