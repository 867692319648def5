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

/** Why an answer failed, in the document's own words where it has some: it knows no other service than OpenAI. */
export function failureSentence({ code, message }: { code: string; message: string }): string {
  return code === 'no_api_key' && /\bopenai\b/.test(message) ? 'Please set up your OpenAI API key in Settings to enable AI responses.' : message;
}

/** @throws {ParleyError} `not_found`, for a message that is not of this chat */
export function unknownMessage(): ParleyError {
  return new ParleyError('not_found', { message: 'Message not found' });
}
