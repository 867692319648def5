import { isErrorCode, ParleyError } from '../../base/errors.ts';
import type { Message } from '../../core/conversations/index.ts';

/**
 * Why an answer is not whole, as an error for who waited for it; null when it is whole, or still being made.
 * @param answer an answer or the last event of one
 */
export function failureOf(answer: { status: Message['status']; error: { code: string; message: string; retryAfterMs?: number } | null }): ParleyError | null {
  switch (answer.status) {
    case 'CANCELLED':
      return new ParleyError('cancelled');
    case 'INTERRUPTED':
      return new ParleyError('shutting_down', { message: 'The server stopped in the middle of the answer; its text is kept.' });
    case 'FAILED': {
      const code = answer.error && isErrorCode(answer.error.code) ? answer.error.code : 'provider_error';
      const { message, retryAfterMs } = answer.error ?? {};
      return new ParleyError(code, { ...(message === undefined ? {} : { message }), ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
    }
    default:
      return null;
  }
}
