import { ParleyError } from '../../../base/errors.ts';
import type { Viewer } from '../../../core/accounts/index.ts';
import type { Conversations, Message } from '../../../core/conversations/index.ts';
import type { ModelMessage } from '../../../core/models/index.ts';
import type { Echo } from './answer-schema.ts';
import { keptEcho } from './echo.ts';
import { answerOf } from './ids.ts';

/** Messages read at a time. */
const pageLength = 500;

/** Most messages of a chain that are read. */
const mostMessages = 4096;

/** A response that is kept. */
export interface Kept {
  message: Message;
  echo: Echo;
}

/**
 * The viewer's response with this id.
 * @throws {ParleyError} `not_found` for ids of nothing, of forgotten responses, and of what is not the viewer's, without a difference
 */
export async function openResponse(conversations: Conversations, viewer: Viewer, id: string, parameter?: string): Promise<Kept> {
  const what = parameter ? 'Previous response' : 'Response';
  const missing = new ParleyError('not_found', { message: `${what} with id '${id.slice(0, 128)}' not found.`, parameter });
  const answerId = answerOf(id);
  if (answerId === null) throw missing;
  const message = await conversations.message(viewer, answerId).catch((error: unknown) => {
    throw error instanceof ParleyError && (error.code === 'not_found' || error.code === 'forbidden') ? missing : error;
  });
  const echo = message.role === 'assistant' ? keptEcho(message.metadata, viewer.userId) : null;
  if (!echo) throw missing;
  return { message, echo };
}

/** The messages from behind `after` (or the root) to this one, itself included, oldest first. */
export async function pathBehind(conversations: Conversations, viewer: Viewer, messageId: string, after: string | null): Promise<Message[]> {
  const path: Message[] = [];
  for (let offset = 0; offset < mostMessages; offset += pageLength) {
    const page = await conversations.pathTo(viewer, messageId, { limit: pageLength, offset });
    const end = after === null ? -1 : page.findIndex(({ id }) => id === after);
    path.unshift(...page.slice(end + 1));
    if (end >= 0 || page.length < pageLength) break;
  }
  return path;
}

/** Everything said up to a response, as a model sees it. */
export async function chainMessages(conversations: Conversations, viewer: Viewer, response: Message): Promise<ModelMessage[]> {
  const path = await pathBehind(conversations, viewer, response.id, null);
  const said = path.filter((message) => message.content !== '' || message.pictures.length > 0 || message.toolCalls || message.toolCallId !== null);
  return Promise.all(said.map(async (message): Promise<ModelMessage> => {
    const { role, content, toolCalls, toolCallId } = message;
    const parts = await conversations.partsOf(viewer, message);
    return { role, content, ...(parts ? { parts } : {}), ...(toolCalls ? { toolCalls } : {}), ...(toolCallId === null ? {} : { toolCallId }) };
  }));
}

/**
 * Whether outputs of functions fit the calls they answer: models refuse a conversation in which they do not.
 * @throws {ParleyError} `invalid_request`
 */
export function checkOutputs(previous: Message | null, messages: readonly ModelMessage[]): void {
  const open = new Set(previous?.toolCalls?.map(({ id }) => id));
  const refuse = (message: string): never => {
    throw new ParleyError('invalid_request', { message, parameter: 'input' });
  };
  for (const message of messages) {
    if (message.role === 'tool') {
      if (!open.delete(message.toolCallId!)) refuse(`No tool call found for function call output with call_id ${message.toolCallId}.`);
      continue;
    }
    const [unanswered] = open;
    if (unanswered !== undefined) refuse(`No tool output found for function call ${unanswered}.`);
    for (const call of message.toolCalls ?? []) open.add(call.id);
  }
  const [unanswered] = open;
  if (unanswered !== undefined) refuse(`No tool output found for function call ${unanswered}.`);
}
