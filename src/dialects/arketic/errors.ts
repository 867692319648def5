import { errorTable, ParleyError, type ErrorCode } from '../../base/errors.ts';
import { detailBody, type Dialect } from '../shared/index.ts';

/** Sentences of the published document for errors that say nothing more precise. */
const sentences: Partial<Record<ErrorCode, string>> = {
  forbidden: 'Access denied to this chat',
  not_found: 'Chat not found or archived',
  rate_limited: 'Rate limit exceeded',
};

/** `{"detail": ...}`, in the document's own words where the error is of the plain kind. */
export const arketicDialect: Dialect = {
  name: 'arketic',
  prefixes: ['/api/v1'],
  errorBody(error, { path }) {
    const sentence = sentences[error.code];
    const plain = error.message === errorTable[error.code].sentence;
    if (!sentence || !plain || (error.code === 'not_found' && !path.startsWith('/api/v1/chat/chats/'))) return detailBody(error);
    return { detail: sentence };
  },
};

/** @throws {ParleyError} `not_found`, for a message that is not of this chat */
export function unknownMessage(): ParleyError {
  return new ParleyError('not_found', { message: 'Message not found' });
}
