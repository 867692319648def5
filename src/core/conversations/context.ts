import { ParleyError } from '../../base/errors.ts';
import type { MessagesTable, Storage } from '../../base/storage/index.ts';
import type { ModelMessage, Models, Target, ToolCall } from '../models/index.ts';
import { tokensOfPicture } from '../budgets/index.ts';
import { saidRows, seenBy, type Parties } from './parties/parties.ts';
import { pathRows } from './path.ts';
import { addPictures, type Pictured } from './pictures/picture-reading.ts';
import { picturesOf } from './pictures/pictures.ts';

/** Tokens for the answer when nobody set a bound. */
const answerReserve = 1024;
/** Context taken for a model that does not say how long its own is. */
export const assumedContext = 8192;
/** Tokens of the form around one message (role marks and the like), an upper estimate. */
const messageOverhead = 8;
/** Messages read from the database at a time. */
const historyChunk = 200;
/** Most messages of a history, however short they are. */
const mostMessages = 4000;

/** The turn for which context is gathered. */
export interface ContextTurn {
  conversationId: string;
  /** The message to answer; the history ends with it. */
  question: MessagesTable;
  systemPrompt: string | null;
  persona: string | null;
  target: Target;
  /** Most tokens of the answer, when set. */
  maxTokens: number | undefined;
  /** Text that the answer begins with already. */
  prefill: string;
  /** Most tokens of earlier messages, 0 for none; undefined for as many as fit. */
  historyTokens?: number;
  /** Set where models speak for several parties. */
  parties?: Parties;
  /** Set when the question is not stored: the message behind which it would stand; null for none. */
  behind?: string | null;
}

/** What a source added, to show where an answer came from. */
export interface ContextReport {
  source: string;
  /** Messages it added. */
  messages: number;
  /** Messages it had to leave out, because they did not fit. */
  leftOut: number;
}

/**
 * One kind of context. Sources are asked in order and share one budget of tokens; those in front have the first claim.
 * Features add theirs (memory, knowledge) between the instructions and the history.
 */
export interface ContextSource {
  readonly name: string;
  gather(turn: ContextTurn, budget: TokenBudget): Promise<{ messages: ModelMessage[]; leftOut: number }>;
}

/** Counts tokens down. */
export interface TokenBudget {
  /** Takes the tokens of this message, and of its pictures, from the budget, if they fit; says whether they did. */
  take(message: ModelMessage, pictures?: number): Promise<boolean>;
}

/** The context for a turn, in the order in which a model reads it. */
export async function gatherContext(
  turn: ContextTurn,
  sources: readonly ContextSource[],
  models: Models,
): Promise<{ messages: ModelMessage[]; reports: ContextReport[] }> {
  const context = turn.target.contextLength ?? assumedContext;
  const reserve = Math.min(turn.maxTokens ?? answerReserve, Math.floor(context / 2));
  const budget = tokenBudget(turn.target, models, context - reserve);
  if (turn.prefill) await budget.take({ role: 'assistant', content: turn.prefill });
  const messages: ModelMessage[] = [];
  const reports: ContextReport[] = [];
  for (const source of sources) {
    const added = await source.gather(turn, source.name === 'history' && turn.historyTokens !== undefined ? boundedHistory(budget, turn.historyTokens, turn.target, models) : budget);
    messages.push(...added.messages);
    reports.push({ source: source.name, messages: added.messages.length, leftOut: added.leftOut });
  }
  return { messages: oneSystemMessage(messages), reports };
}

/** System messages at the beginning as one: the templates of some models know no second. */
function oneSystemMessage(messages: ModelMessage[]): ModelMessage[] {
  let first = 0;
  while (messages[first]?.role === 'system') first += 1;
  if (first < 2) return messages;
  return [{ role: 'system', content: messages.slice(0, first).map(({ content }) => content).join('\n\n') }, ...messages.slice(first)];
}

/**
 * A byte-pair tokenizer never makes more tokens than there are bytes, and a UTF-16 unit is at most three bytes. As long
 * as the sum of these bounds fits, nothing has to be counted, and short conversations, which is most of them, cost
 * nothing. Only when it does not are the messages counted, those taken before included.
 */
function tokenBudget(target: Target, models: Models, tokens: number): TokenBudget {
  let used = 0;
  let uncounted: { text: string; bound: number; overhead: number }[] = [];

  async function count(): Promise<void> {
    for (const { text, bound, overhead } of uncounted) {
      used += (await models.countTokens(target, text)).tokens + overhead - bound;
    }
    uncounted = [];
  }

  return {
    async take(message, pictures = 0) {
      const text = message.toolCalls ? message.content + JSON.stringify(message.toolCalls) : message.content;
      const overhead = messageOverhead + pictures * tokensOfPicture;
      const bound = text.length * 3 + overhead;
      if (used + bound > tokens && uncounted.length > 0) await count();
      if (used + bound <= tokens) {
        used += bound;
        uncounted.push({ text, bound, overhead });
        return true;
      }
      const exact = (await models.countTokens(target, text)).tokens + overhead;
      if (used + exact > tokens) return false;
      used += exact;
      return true;
    },
  };
}

/** A part of a budget: the first message, which is the question, counts against the whole alone; those behind it against `tokens` as well. */
function boundedHistory(budget: TokenBudget, tokens: number, target: Target, models: Models): TokenBudget {
  let left = tokens;
  let isQuestion = true;
  return {
    async take(message, pictures = 0) {
      if (isQuestion) {
        isQuestion = false;
        return budget.take(message, pictures);
      }
      const needed = left === 0 ? 1 : (await models.countTokens(target, message.content)).tokens + messageOverhead + pictures * tokensOfPicture;
      if (needed > left || !(await budget.take(message, pictures))) return false;
      left -= needed;
      return true;
    },
  };
}

/** The conversation's system prompt and persona. */
export const instructions: ContextSource = {
  name: 'instructions',
  async gather(turn, budget) {
    const parts = [turn.persona ? `You are ${turn.persona}.` : '', turn.systemPrompt ?? ''].filter(Boolean);
    if (parts.length === 0) return { messages: [], leftOut: 0 };
    const message: ModelMessage = { role: 'system', content: parts.join('\n\n') };
    if (!(await budget.take(message))) throw overflow('The system prompt', turn.target);
    return { messages: [message], leftOut: 0 };
  },
};

/** The path up to the question: the newest messages that fit; the oldest are left out first. */
export function history(storage: Storage): ContextSource {
  return {
    name: 'history',
    async gather(turn, budget) {
      const kept: ModelMessage[] = [];
      const pictured: Pictured[] = [];
      for (let offset = 0; offset < mostMessages; offset += historyChunk) {
        const rows = await historyRows(storage, turn, offset);
        for (const row of rows) {
          const message = turn.parties ? seenBy(turn.parties, row) : toModelMessage(row);
          if (!message) continue;
          const pictures = picturesOf(row);
          if (await budget.take(message, turn.target.seesPictures === false ? 0 : pictures.length)) {
            kept.push(message);
            if (pictures.length > 0) pictured.push({ messageId: row.id, message, pictures });
            continue;
          }
          const [question] = kept;
          await addPictures(storage, pictured, question, turn.target);
          const messages = pairTools(kept.reverse());
          // The result of a tool means nothing without its call, which did not fit.
          if (question === undefined || messages.at(-1) !== question) throw overflow('The message', turn.target);
          return { messages, leftOut: row.depth };
        }
        if (rows.length < historyChunk) break;
      }
      const [question] = kept;
      await addPictures(storage, pictured, question, turn.target);
      const messages = pairTools(kept.reverse());
      if (question?.role === 'tool' && messages.at(-1) !== question) {
        throw new ParleyError('invalid_request', { message: `No tool call ${JSON.stringify(question.toolCallId)} stands before this result.` });
      }
      return { messages, leftOut: 0 };
    },
  };
}

/** Rows of the path that ends with the question, newest first; where several parties speak, in the order in which they have spoken. */
async function historyRows({ read }: Storage, { question, behind, parties, conversationId }: ContextTurn, offset: number): Promise<MessagesTable[]> {
  if (parties) return saidRows(read, conversationId, historyChunk, offset);
  if (question.depth === 1) return [question];
  if (typeof behind !== 'string') return pathRows(read, question.id, historyChunk, offset);
  return offset > 0 ? pathRows(read, behind, historyChunk, offset - 1) : [question, ...(await pathRows(read, behind, historyChunk - 1, 0))];
}

/**
 * Tool calls without results, and results without calls, mean nothing to a model, and services refuse them: a call may
 * have been left out, or a person may have gone on without its result.
 */
function pairTools(messages: ModelMessage[]): ModelMessage[] {
  if (!messages.some((message) => message.role === 'tool' || message.toolCalls)) return messages;
  const paired: ModelMessage[] = [];
  for (let index = 0; index < messages.length; index += 1) {
    const message = messages[index]!;
    if (message.role === 'tool') continue;
    if (!message.toolCalls) {
      paired.push(message);
      continue;
    }
    const results: ModelMessage[] = [];
    while (messages[index + 1]?.role === 'tool') results.push(messages[(index += 1)]!);
    const calls = message.toolCalls.filter((call) => results.some((result) => result.toolCallId === call.id));
    const { toolCalls: _, ...text } = message;
    if (calls.length > 0) paired.push({ ...text, toolCalls: calls });
    else if (message.content !== '') paired.push(text);
    paired.push(...results.filter((result) => calls.some((call) => call.id === result.toolCallId)));
  }
  return paired;
}

/** A stored message as the model sees it; null for answers that failed before they said anything. */
function toModelMessage(row: MessagesTable): ModelMessage | null {
  if (row.role === 'assistant' && row.content === '' && row.tools === null) return null;
  const message: ModelMessage = { role: row.role, content: row.content };
  if (row.tools !== null) {
    const tools = JSON.parse(row.tools) as ToolCall[] | { toolCallId: string };
    if (Array.isArray(tools)) message.toolCalls = tools;
    else message.toolCallId = tools.toolCallId;
  }
  return message;
}

function overflow(what: string, target: Target): ParleyError {
  return new ParleyError('context_overflow', {
    message: `${what} does not fit into the context of ${target.id} (${target.contextLength ?? assumedContext} tokens, a part of them kept for the answer). Shorten it or choose a model with a longer context.`,
  });
}
