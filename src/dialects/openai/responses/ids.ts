import { isId } from '../../../base/ids.ts';

/*
 * The ids of a response and of what belongs to it are made of the ids of messages, so that nothing of them is stored.
 * An answer's reasoning, text and calls have ids of their own: the second text of one answer ends with `_2`, its calls
 * are counted from 0.
 */

export const responseId = (answerId: string): string => `resp_${answerId}`;

export const itemIds = {
  message: (messageId: string, count = 1): string => (count === 1 ? `msg_${messageId}` : `msg_${messageId}_${count}`),
  reasoning: (messageId: string, count = 1): string => (count === 1 ? `rs_${messageId}` : `rs_${messageId}_${count}`),
  call: (messageId: string, index: number): string => `fc_${messageId}_${index}`,
  output: (messageId: string): string => `fco_${messageId}`,
};

/** The answer of a response id; null for a text that is none. */
export function answerOf(id: string): string | null {
  const answerId = id.startsWith('resp_') ? id.slice('resp_'.length) : '';
  return isId(answerId) ? answerId : null;
}

const itemForm = /^(msg|rs|fc|fco)_([0-9a-f-]{36})(?:_(\d{1,4}))?$/;

/** What an item id names: its kind, its message, and for a call which one; null for an id that this server never gave. */
export function itemOf(id: string): { kind: 'msg' | 'rs' | 'fc' | 'fco'; messageId: string; index: number } | null {
  const found = itemForm.exec(id);
  if (!found || !isId(found[2]!)) return null;
  return { kind: found[1] as 'msg', messageId: found[2]!, index: Number(found[3] ?? 0) };
}
