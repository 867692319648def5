import type { Message } from './types.ts';

/**
 * Whether a message belongs to what was said, for whoever is told no states: answers do only when they have ended and a model
 * has said something.
 */
export function isSaid({ role, status, content }: Pick<Message, 'role' | 'status' | 'content'>): boolean {
  if (role !== 'assistant' || status === 'DELIVERED') return true;
  return (status === 'CANCELLED' || status === 'INTERRUPTED') && content !== '';
}
