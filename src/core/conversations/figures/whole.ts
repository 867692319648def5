import { sql, type RawBuilder } from 'kysely';
import type { Message } from '../types.ts';

/** For forms that show whole messages only: whether this one is shown. Answers are, when a model has said something and they have ended. */
export function isWhole(message: Pick<Message, 'role' | 'status' | 'content'>): boolean {
  if (message.role !== 'assistant' || message.status === 'DELIVERED') return true;
  return (message.status === 'CANCELLED' || message.status === 'INTERRUPTED') && message.content !== '';
}

/** The same in SQL, of rows of `messages`. */
export const whole: RawBuilder<boolean> = sql`(messages.role <> 'assistant' or messages.status = 'DELIVERED' or (messages.status in ('CANCELLED', 'INTERRUPTED') and messages.content <> ''))`;
