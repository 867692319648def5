import type { Message } from '../../../shared/api/index.ts';

/** The name of whoever wrote a message; null for the reader's own. */
export function senderOf({ sender_id: id, message_metadata: metadata }: Pick<Message, 'sender_id' | 'message_metadata'>, userId: string, personName: (userId: string) => string): string | null {
  if (id !== null) return id === userId ? null : personName(id);
  // Imported ones have no account here; the name stands in what the import kept.
  const kept = metadata?.['parley_import'];
  const name = typeof kept === 'object' && kept !== null ? (kept as { sender?: unknown }).sender : undefined;
  return typeof name === 'string' && name !== '' ? name : null;
}
