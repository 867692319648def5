import { isoTime } from '../../base/clock.ts';
import { ParleyError } from '../../base/errors.ts';
import type { Transcript } from './types.ts';
import { canonicalJson, CanonicalError, mostCharacters, mostMessages, type MessageRecord, type SessionRecord, type TranscriptRecord } from './verify/index.ts';

/**
 * The records of a transcript, the session's own first.
 * @throws {ParleyError} `invalid_request` for one without a canonical form, or too large
 */
export function recordsOf(transcript: Transcript): TranscriptRecord[] {
  const { id, startedAt, endedAt, metadata, messages } = transcript;
  if (id === '' || id.length > 128) throw refused('its id must have 1 to 128 characters');
  if (messages.length > mostMessages) throw refused(`it has ${messages.length} messages; ${mostMessages} fit`);
  try {
    const session: SessionRecord = { kind: 'session', session: id, started_at: isoTime(startedAt), ended_at: isoTime(endedAt), messages: messages.length, metadata };
    const records = [session, ...messages.map((message): MessageRecord => ({ kind: 'message', id: message.id, from: message.from, text: message.text, sent_at: isoTime(message.sentAt), metadata: message.metadata ?? {} }))];
    let characters = 0;
    for (const record of records) characters += canonicalJson(record).length;
    if (characters > mostCharacters) throw refused(`it has ${characters} characters; ${mostCharacters} fit`);
    return records;
  } catch (error) {
    if (error instanceof CanonicalError || error instanceof RangeError) throw refused(error.message, error);
    throw error;
  }
}

function refused(why: string, cause?: unknown): ParleyError {
  return new ParleyError('invalid_request', { message: `The transcript cannot be sealed: ${why}.`, cause });
}
