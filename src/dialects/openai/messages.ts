import type { ContentPart, ModelMessage, ToolCall } from '../../core/models/index.ts';
import { invalid, unsupported } from './errors.ts';
import type { RequestMessage } from './schemas.ts';

/** Characters of a value that an error repeats. */
const shownLength = 40;

/**
 * The messages of a request in our own terms.
 * @throws {ParleyError} `unsupported_value` for content that is neither text nor picture, `invalid_request`
 */
export function modelMessages(messages: readonly RequestMessage[]): ModelMessage[] {
  /** Function calls of the form before tools have no ids: they are counted. */
  let calls = 0;
  return messages.map((message, at) => {
    switch (message.role) {
      case 'system':
      case 'developer':
        return { role: 'system', content: textOf(message, at) };
      case 'user':
        return userMessage(message, at);
      case 'tool':
        if (!message.tool_call_id) throw invalid(`messages[${at}].tool_call_id`, 'A tool message needs tool_call_id.');
        return { role: 'tool', content: textOf(message, at), toolCallId: message.tool_call_id };
      case 'function':
        return { role: 'tool', content: textOf(message, at), toolCallId: callId(Math.max(calls, 1)) };
      case 'assistant': {
        const old = message.function_call;
        if (old) calls += 1;
        const toolCalls = old ? [{ id: callId(calls), name: old.name, arguments: old.arguments }] : calledTools(message);
        return { role: 'assistant', content: textOf(message, at), ...(toolCalls.length > 0 ? { toolCalls } : {}) };
      }
    }
  });
}

function callId(number: number): string {
  return `call_function_${number}`;
}

function calledTools(message: RequestMessage): ToolCall[] {
  return (message.tool_calls ?? []).map((call) => ({ id: call.id, name: call.function.name, arguments: call.function.arguments }));
}

/** A message with pictures keeps its parts; one of text alone is one text. */
function userMessage(message: RequestMessage, at: number): ModelMessage {
  const { content } = message;
  if (!Array.isArray(content) || !content.some((part) => part.type === 'image_url')) return { role: 'user', content: textOf(message, at) };
  const parts = content.map((part, index): ContentPart => {
    const place = `messages[${at}].content[${index}]`;
    if (part.type !== 'image_url') return { type: 'text', text: partText(part, place) };
    const image = typeof part.image_url === 'string' ? { url: part.image_url } : part.image_url;
    if (!image || !/^(https:\/\/|data:image\/[\w.+-]+;base64,)/i.test(image.url)) {
      throw invalid(`${place}.image_url`, 'A picture needs an https: address, or a data: one with base64 (data:image/png;base64,...).');
    }
    return { type: 'image', url: image.url, ...('detail' in image && image.detail ? { detail: image.detail } : {}) };
  });
  return { role: 'user', content: parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n'), parts };
}

/** The text of a message; its parts are put one below the other. */
function textOf(message: RequestMessage, at: number): string {
  const { content } = message;
  if (typeof content === 'string') return content;
  if (content === null || content === undefined) {
    if (message.role === 'assistant') return message.refusal ?? '';
    if (message.role === 'function') return '';
    throw invalid(`messages[${at}].content`, `A ${message.role} message needs content.`);
  }
  return content.map((part, index) => partText(part, `messages[${at}].content[${index}]`)).join('\n');
}

function partText(part: Exclude<NonNullable<RequestMessage['content']>, string>[number], place: string): string {
  if (part.type === 'text' && part.text !== undefined) return part.text;
  if (part.type === 'refusal' && part.refusal) return part.refusal;
  throw unsupported(place, `Content of type ${JSON.stringify(part.type.slice(0, shownLength))} is not supported here: send text${part.type === 'image_url' ? '; pictures go into messages of the user' : ' or, in messages of the user, pictures (image_url)'}.`);
}
