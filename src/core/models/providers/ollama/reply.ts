import { newId } from '../../../../base/ids.ts';
import type { FinishReason, ReplyEvent, TokenLogprob, Usage } from '../../types.ts';
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
  logprobs?: (WireLogprob | null)[] | null;
  done?: unknown;
  done_reason?: unknown;
  prompt_eval_count?: unknown;
  eval_count?: unknown;
  total_duration?: unknown;
}

interface WireLogprob {
  token?: unknown;
  logprob?: unknown;
  bytes?: unknown;
  top_logprobs?: (WireLogprob | null)[] | null;
}

/** Longest line, in UTF-16 units. */
const maxLineLength = 4_194_304;
/** Most tool calls in one answer. */
const maxToolCalls = 128;
/** Most tokens in the place of one. */
const maxAlternatives = 20;

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
      // Ollama of before 2025 gives calls no id; one is made so that results can be matched to them, in later turns, too.
      const id = typeof call.id === 'string' && call.id !== '' ? call.id : `call_${newId().replaceAll('-', '')}`;
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
    if (line.logprobs?.length) events.push({ type: 'logprobs', tokens: toLogprobs(line.logprobs) });
    if (message?.tool_calls?.length) readTools(message.tool_calls);
    if (line.done !== true) return;
    isOver = true;
    const usage: Usage = { ...count('tokensIn', line.prompt_eval_count), ...count('tokensOut', line.eval_count), ...count('durationNs', line.total_duration) };
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

/** Log-probabilities of the tokens of a line. Of one whose form is not known nothing is taken. */
function toLogprobs(entries: (WireLogprob | null)[]): TokenLogprob[] {
  return entries.flatMap((entry) => {
    const token = toLogprob(entry);
    const others = Array.isArray(entry?.top_logprobs) ? entry.top_logprobs.slice(0, maxAlternatives) : [];
    return token ? [{ ...token, top: others.flatMap((other) => toLogprob(other) ?? []) }] : [];
  });
}

function toLogprob(entry: WireLogprob | null): Omit<TokenLogprob, 'top'> | null {
  if (typeof entry?.logprob !== 'number') return null;
  const bytes = Array.isArray(entry.bytes) && entry.bytes.every((byte) => Number.isInteger(byte) && byte >= 0 && byte <= 255) ? (entry.bytes as number[]) : null;
  return { token: typeof entry.token === 'string' ? entry.token : '', logprob: entry.logprob, bytes };
}

function finishReason(reason: unknown, hasToolCalls: boolean): FinishReason {
  if (reason === 'length') return 'length';
  return hasToolCalls ? 'tool' : 'stop';
}

function count<Name extends keyof Usage>(name: Name, value: unknown): Usage {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 ? { [name]: value } : {};
}
