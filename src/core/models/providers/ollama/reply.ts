import type { FinishReason, ReplyEvent, Usage } from '../../types.ts';
import { createLineSplitter, ReplyFault, StreamFormError, truncated, unreadable, type ReplyReader } from '../../wire/index.ts';
import { label, readLineError } from './errors.ts';

/** A line of the stream. Nothing in it is trusted to be there. */
interface WireLine {
  error?: unknown;
  model?: unknown;
  message?: {
    content?: unknown;
    thinking?: unknown;
    tool_calls?: { id?: unknown; function?: { name?: unknown; arguments?: unknown } | null }[] | null;
  } | null;
  done?: unknown;
  done_reason?: unknown;
  prompt_eval_count?: unknown;
  eval_count?: unknown;
}

/** Longest line, in UTF-16 units. */
const maxLineLength = 4_194_304;
/** Most tool calls in one answer. */
const maxToolCalls = 128;

/** Reads the stream of POST /api/chat: one JSON object a line, the last with `done`. */
export function createChatReplyReader(): ReplyReader {
  let events: ReplyEvent[] = [];
  let isOver = false;
  let isNamed = false;
  let toolCalls = 0;

  const readTools = (calls: NonNullable<NonNullable<WireLine['message']>['tool_calls']>): void => {
    for (const call of calls) {
      if (toolCalls >= maxToolCalls) throw new StreamFormError(`more than ${maxToolCalls} tool calls`);
      const index = toolCalls;
      toolCalls += 1;
      // Ollama of before 2025 gives calls no id; one is made so that results can be matched to them.
      const id = typeof call.id === 'string' && call.id !== '' ? call.id : `call_${index}`;
      const name = typeof call.function?.name === 'string' ? call.function.name : '';
      events.push({ type: 'tool', index, id, name, arguments: JSON.stringify(call.function?.arguments ?? {}) });
    }
  };
  const onLine = (text: string): void => {
    if (isOver || text.trim() === '') return;
    const line = JSON.parse(text) as WireLine | null;
    if (typeof line !== 'object' || line === null) throw new ReplyFault(unreadable({ label }));
    if (line.error !== undefined && line.error !== null) throw new ReplyFault(readLineError(line.error));
    if (!isNamed && typeof line.model === 'string' && line.model !== '') {
      isNamed = true;
      events.push({ type: 'model', model: line.model.slice(0, 200) });
    }
    const { message } = line;
    if (typeof message?.thinking === 'string' && message.thinking !== '') events.push({ type: 'reasoning', text: message.thinking });
    if (typeof message?.content === 'string' && message.content !== '') events.push({ type: 'text', text: message.content });
    if (message?.tool_calls?.length) readTools(message.tool_calls);
    if (line.done !== true) return;
    isOver = true;
    const usage: Usage = { ...count('tokensIn', line.prompt_eval_count), ...count('tokensOut', line.eval_count) };
    if (Object.keys(usage).length > 0) events.push({ type: 'usage', usage });
    events.push({ type: 'finish', reason: finishReason(line.done_reason, toolCalls > 0) });
  };
  const lines = createLineSplitter(onLine, maxLineLength);
  const inForm = (step: () => void, isEnd: boolean): void => {
    try {
      step();
    } catch (thrown) {
      if (thrown instanceof ReplyFault) throw thrown;
      const error = isEnd && thrown instanceof SyntaxError ? truncated(label) : unreadable({ label });
      if (thrown instanceof StreamFormError) error.message = `${label} sent ${thrown.message}, which is no answer.`;
      throw new ReplyFault(error, thrown);
    }
  };

  return {
    get isOver() { return isOver; },
    get isComplete() { return isOver; },
    push(bytes, into) {
      events = into;
      inForm(() => lines.push(bytes), false);
    },
    end(into) {
      events = into;
      inForm(() => lines.end(), true);
      if (!isOver) throw new ReplyFault(truncated(label));
    },
  };
}

function finishReason(reason: unknown, hasToolCalls: boolean): FinishReason {
  if (reason === 'length') return 'length';
  return hasToolCalls ? 'tool' : 'stop';
}

function count<Name extends keyof Usage>(name: Name, value: unknown): Usage {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 ? { [name]: value } : {};
}
