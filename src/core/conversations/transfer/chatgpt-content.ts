import { z } from 'zod';

/** What is read of a message of ChatGPT. Everything may be missing or odd: what has another form is passed over. */
export const nodeMessage = z.object({
  author: z.object({ role: z.string().catch(''), name: z.string().nullish().catch(null) }).catch({ role: '', name: null }),
  create_time: z.number().nullish().catch(null),
  update_time: z.number().nullish().catch(null),
  content: z.record(z.string(), z.unknown()).catch({}),
  status: z.string().nullish().catch(null),
  end_turn: z.boolean().nullish().catch(null),
  recipient: z.string().nullish().catch(null),
  metadata: z.record(z.string(), z.unknown()).nullish().catch(null),
});
export type NodeMessage = z.output<typeof nodeMessage>;

/** What a message says. */
export type Said =
  | { kind: 'text'; text: string }
  /** Thoughts that belong to the answer behind it. */
  | { kind: 'reasoning'; text: string }
  /** The assistant asks a tool. */
  | { kind: 'call'; name: string; arguments: string }
  | { kind: 'nothing'; reason: string | null };

/** Content types that say nothing to a reader. */
const silent: Record<string, string | null> = {
  user_editable_context: "the account's own instructions were left out",
  model_editable_context: 'notes of the memory were left out',
  reasoning_recap: null,
  tether_browsing_code: null,
};

/** The content of a message as Markdown. */
export function saidBy(message: NodeMessage): Said {
  const { content, author, metadata, recipient } = message;
  const type = textOf(content['content_type']) || 'text';
  if (metadata?.['is_visually_hidden_from_conversation'] === true) return { kind: 'nothing', reason: 'hidden messages were left out' };
  if (type in silent) return { kind: 'nothing', reason: silent[type]! };
  if (type === 'thoughts') return asReasoning(thoughtsOf(content));
  const text = contentText(type, content);
  if (text.trim() === '') return { kind: 'nothing', reason: known(type) ? null : `content of the type ${type.slice(0, 60)} was left out` };
  if (author.role === 'system') return { kind: 'text', text };
  if (author.role === 'assistant' && recipient && recipient !== 'all' && recipient !== 'assistant' && recipient !== 'user') {
    return { kind: 'call', name: recipient, arguments: asArguments(type === 'code' ? textOf(content['text']) : text) };
  }
  return { kind: 'text', text };
}

function asReasoning(text: string): Said {
  return text.trim() === '' ? { kind: 'nothing', reason: null } : { kind: 'reasoning', text };
}

/** Types whose emptiness is nothing to speak of. */
function known(type: string): boolean {
  return ['text', 'multimodal_text', 'code', 'execution_output', 'tether_quote', 'tether_browsing_display', 'system_error', 'computer_output'].includes(type);
}

function contentText(type: string, content: Record<string, unknown>): string {
  switch (type) {
    case 'code':
      return fenced(textOf(content['text']) || partsOf(content).map(partText).join('\n'), textOf(content['language']));
    case 'execution_output':
      return fenced(textOf(content['text']), '');
    case 'tether_quote':
      return [textOf(content['title']), textOf(content['url']), textOf(content['text'])].filter(Boolean).join('\n\n');
    case 'tether_browsing_display':
      return [textOf(content['summary']), textOf(content['result'])].filter(Boolean).join('\n\n');
    case 'system_error':
      return [textOf(content['name']), textOf(content['text'])].filter(Boolean).join(': ');
    default:
      return partsOf(content).map(partText).filter(Boolean).join('\n\n') || textOf(content['text']) || textOf(content['result']);
  }
}

/** One part of a message: text, or a note of what is not in the file. */
function partText(part: unknown): string {
  if (typeof part === 'string') return part;
  if (typeof part !== 'object' || part === null) return '';
  const { content_type: type, width, height, text } = part as Record<string, unknown>;
  switch (type) {
    case 'image_asset_pointer':
      return typeof width === 'number' && typeof height === 'number' ? `[picture, ${width} × ${height}]` : '[picture]';
    case 'audio_transcription':
      return textOf(text);
    case 'audio_asset_pointer':
    case 'real_time_user_audio_video_asset_pointer':
      return '[sound]';
    case 'video_container_asset_pointer':
      return '[film]';
    default:
      return textOf(text) || (typeof type === 'string' ? `[${type.slice(0, 60)}]` : '');
  }
}

function partsOf(content: Record<string, unknown>): unknown[] {
  return Array.isArray(content['parts']) ? content['parts'] : [];
}

function thoughtsOf(content: Record<string, unknown>): string {
  const thoughts = Array.isArray(content['thoughts']) ? (content['thoughts'] as unknown[]) : [];
  const told = thoughts.map((thought) => {
    if (typeof thought !== 'object' || thought === null) return '';
    const { summary, content: inner } = thought as Record<string, unknown>;
    return [textOf(summary), textOf(inner)].filter(Boolean).join('\n');
  });
  return [...told, ...partsOf(content).map(partText)].filter(Boolean).join('\n\n');
}

/** A fence longer than any in the text. */
function fenced(text: string, language: string): string {
  if (text.trim() === '') return '';
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}${/^[\w+#.-]{1,30}$/.test(language) && language !== 'unknown' ? language : ''}\n${text.replace(/\n+$/, '')}\n${fence}`;
}

/** Arguments of a call are JSON; what is not stands in `input`. */
function asArguments(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return text;
  } catch {
    // Code, or words: kept as they are below.
  }
  return JSON.stringify({ input: text });
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
