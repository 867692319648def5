import { ParleyError } from '../../../base/errors.ts';
import type { Message } from '../../../core/conversations/index.ts';
import type { ContentPart, ModelMessage, ToolCall } from '../../../core/models/index.ts';
import { itemOf } from './ids.ts';
import type { InputItem, InputPart, ResponseRequest } from './request-schema.ts';

/** Stored items that one input may name instead of repeating them. */
const mostReferences = 256;

/** Reads a message of the viewer's; rejects with `not_found` where there is none. */
export type ReadMessage = (messageId: string) => Promise<Message>;
/** Reads the parts of a message that has pictures; undefined for one without. */
export type ReadParts = (message: Message) => Promise<ContentPart[] | undefined>;

/**
 * The input as messages. A text and the calls behind it are one message of the assistant, as models see it; reasoning
 * is left out, because it means nothing to other models.
 * @throws {ParleyError} `invalid_request`, `unsupported_value` and `not_found`, with the place in the input
 */
export async function inputMessages(input: ResponseRequest['input'], read: ReadMessage, readParts: ReadParts): Promise<ModelMessage[]> {
  if (typeof input === 'string') return [{ role: 'user', content: input }];
  const references = input.filter((item) => item.type === 'item_reference').length;
  if (references > mostReferences) throw new ParleyError('invalid_request', { message: `At most ${mostReferences} items may be named by reference.`, parameter: 'input' });
  const known = new Map<string, Promise<Message>>();
  const readOnce: ReadMessage = (id) => {
    const message = known.get(id) ?? read(id);
    known.set(id, message);
    return message;
  };
  const messages: ModelMessage[] = [];
  for (const [at, item] of input.entries()) await addItem(messages, item, `input[${at}]`, { read: readOnce, readParts });
  if (messages.length === 0) throw new ParleyError('invalid_request', { message: 'The input holds nothing to answer.', parameter: 'input' });
  return messages;
}

interface Reading {
  read: ReadMessage;
  readParts: ReadParts;
}

async function addItem(messages: ModelMessage[], item: InputItem, place: string, reading: Reading): Promise<void> {
  switch (item.type ?? 'message') {
    case 'message':
      return void messages.push(messageOf(item, place));
    case 'function_call':
      return addCall(messages, { id: required(item.call_id, `${place}.call_id`), name: required(item.name, `${place}.name`), arguments: item.arguments ?? '' });
    case 'function_call_output':
      return void messages.push({ role: 'tool', content: plainText(item.output, `${place}.output`), toolCallId: required(item.call_id, `${place}.call_id`) });
    case 'reasoning':
      return;
    case 'item_reference':
      return addReferenced(messages, required(item.id, `${place}.id`), place, reading);
    default:
      throw unsupported(`${place}.type`, `Input of type ${JSON.stringify(item.type!.slice(0, 40))} is not supported.`);
  }
}

/** Calls that follow a text of the assistant, or each other, were made in one message. */
function addCall(messages: ModelMessage[], call: ToolCall): void {
  const last = messages.at(-1);
  if (last?.role === 'assistant') last.toolCalls = [...(last.toolCalls ?? []), call];
  else messages.push({ role: 'assistant', content: '', toolCalls: [call] });
}

/** An item that is stored here, named by its id. */
async function addReferenced(messages: ModelMessage[], id: string, place: string, { read, readParts }: Reading): Promise<void> {
  const missing = new ParleyError('not_found', { message: `Item with id '${id.slice(0, 128)}' not found.`, parameter: place });
  const named = itemOf(id);
  if (!named) throw missing;
  if (named.kind === 'rs') return;
  const message = await read(named.messageId).catch((error: unknown) => {
    throw error instanceof ParleyError && (error.code === 'not_found' || error.code === 'forbidden') ? missing : error;
  });
  if (message.metadata?.['forgotten'] === true) throw missing;
  if (named.kind === 'fc') {
    const call = message.toolCalls?.[named.index];
    if (!call) throw missing;
    return addCall(messages, call);
  }
  const parts = await readParts(message);
  messages.push({ role: message.role, content: message.content, ...(parts ? { parts } : {}), ...(message.toolCallId === null ? {} : { toolCallId: message.toolCallId }) });
}

function messageOf(item: InputItem, place: string): ModelMessage {
  switch (item.role) {
    case 'system':
    case 'developer':
      return { role: 'system', content: plainText(item.content, `${place}.content`) };
    case 'assistant':
      return { role: 'assistant', content: plainText(item.content, `${place}.content`) };
    case 'user':
      return { role: 'user', ...contentOf(item.content, `${place}.content`) };
    default:
      throw new ParleyError('invalid_request', { message: 'role must be one of "user", "assistant", "system", "developer".', parameter: `${place}.role` });
  }
}

type Content = InputItem['content'];

/** Content that can only be text here; its parts are put one below the other. */
function plainText(content: Content, place: string): string {
  const { content: text, parts } = contentOf(content, place);
  if (parts) throw unsupported(place, 'Pictures are understood in messages of the user only.');
  return text;
}

function contentOf(content: Content, place: string): { content: string; parts?: ContentPart[] } {
  if (content === null || content === undefined) throw new ParleyError('invalid_request', { message: 'This item needs content.', parameter: place });
  if (typeof content === 'string') return { content };
  const parts = content.map((part, at) => partOf(part, `${place}[${at}]`));
  const text = parts.filter((part) => part.type === 'text').map((part) => part.text).join('\n');
  return parts.every((part) => part.type === 'text') ? { content: text } : { content: text, parts };
}

function partOf(part: InputPart, place: string): ContentPart {
  switch (part.type) {
    case 'input_text':
    case 'output_text':
    case 'text':
      return { type: 'text', text: part.text ?? '' };
    case 'refusal':
      return { type: 'text', text: part.refusal ?? '' };
    case 'input_image':
      return imageOf(part, place);
    default:
      throw unsupported(place, `Content of type ${JSON.stringify(part.type.slice(0, 40))} is not supported: send text or pictures.`);
  }
}

const imageForm = /^(https:\/\/|data:image\/[a-z0-9.+-]+;base64,)/i;

function imageOf(part: InputPart, place: string): ContentPart {
  if (!part.image_url) throw unsupported(place, 'Send pictures as image_url: files cannot be uploaded to this server.');
  if (!imageForm.test(part.image_url)) throw new ParleyError('invalid_request', { message: 'image_url must be an https: address or a data: URL with base64.', parameter: `${place}.image_url` });
  const detail = part.detail === 'low' || part.detail === 'high' || part.detail === 'auto' ? part.detail : undefined;
  return { type: 'image', url: part.image_url, ...(detail ? { detail } : {}) };
}

function required(value: string | null | undefined, place: string): string {
  if (!value) throw new ParleyError('invalid_request', { message: `Missing required parameter: '${place}'.`, parameter: place });
  return value;
}

function unsupported(parameter: string, message: string): ParleyError {
  return new ParleyError('unsupported_value', { message, parameter });
}
