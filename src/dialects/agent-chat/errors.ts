import type { ErrorCode, ParleyError } from '../../base/errors.ts';
import type { Dialect } from '../shared/index.ts';

/** Where the status differs from the table's: 401 and 404 are kept for the user and for sessions. */
const statuses: Partial<Record<ErrorCode, number>> = { validation_failed: 400, no_api_key: 503, model_not_found: 400, invalid_api_key: 502 };

const statusOf = (error: ParleyError): number => statuses[error.code] ?? error.status;

/** `{"success": false, "message": "...", "status": 404}`. */
export const agentChatDialect: Dialect = {
  name: 'agent-chat',
  prefixes: ['/api/agent-chat'],
  status: statusOf,
  errorBody: (error) => ({ success: false, message: sentenceOf(error), status: statusOf(error) }),
};

/** The code of an `error` event, by the event that has failed. */
const errorCodes: Readonly<Record<string, string>> = {
  'agent-join-session': 'JOIN_ERROR',
  'user-send-message-on-behalf': 'MESSAGE_ERROR',
  'agent-send-message': 'MESSAGE_ERROR',
  'trigger-ai-response': 'AI_TRIGGER_ERROR',
  'get-conversation-history': 'HISTORY_ERROR',
  'stream-conversation-messages': 'HISTORY_ERROR',
  'get-session-status': 'STATUS_ERROR',
  'end-session': 'END_SESSION_ERROR',
};

/** For events that there are not. */
const unknownEvent = 'UNKNOWN_EVENT';

/** @param event the event of the client that failed */
export function errorPayload(error: ParleyError, event: string): { message: string; code: string; reason: ErrorCode } {
  return { message: sentenceOf(error), code: (Object.hasOwn(errorCodes, event) ? errorCodes[event] : undefined) ?? unknownEvent, reason: error.code };
}

/** With the first field that is not valid, which the general sentence does not name. */
function sentenceOf(error: ParleyError): string {
  const [issue] = error.issues;
  return issue ? `${issue.path.slice(1).join('.') || issue.path.join('.')}: ${issue.message}` : error.message;
}
