import type { ModelRequest, ReplyError } from '../../types.ts';

/** What the responder cannot do, said before it begins; null when it can do all that is asked. */
export function refusal(request: ModelRequest): ReplyError | null {
  if (!request.tools?.length || request.toolChoice === 'none') return null;
  return { code: 'unsupported_value', message: 'The built-in responder is no language model and calls no tools. Choose another model.', serviceFault: false };
}

export const cancelled: ReplyError = { code: 'cancelled', message: 'The answer was cancelled.', serviceFault: false };
