import type { LlamaContextSequence, Token } from 'node-llama-cpp';
import type { Clock } from '../../../../base/clock.ts';
import { ParleyError } from '../../../../base/errors.ts';
import type { FinishReason, ModelRequest, ReplyEvent } from '../../types.ts';
import { openingTokens, planAnswer, type AnswerPlan } from './answer-plan.ts';
import type { LoadedChat, LoadedModel } from './engine.ts';
import { generate, type Next, type ReadingPace } from './generation.ts';
import type { Prompt } from './messages.ts';
import { createReplyText, type ReplyText } from './reply-text.ts';
import { createToolCallReader, type ToolCallReader } from './tool-calls.ts';

export interface Reply {
  loaded: LoadedModel;
  request: ModelRequest;
  signal: AbortSignal;
  /** Who asks; undefined is the server itself. */
  user: string | undefined;
  push(event: ReplyEvent): void;
  clock: Clock;
  pace: ReadingPace;
}

/**
 * Question in, events out. What was used is reported before the end, also when the answer fails.
 * @throws {ParleyError} why there is no answer, or no more of it
 */
export async function reply(options: Reply): Promise<void> {
  const { loaded, request, signal, user, push } = options;
  const chat = await loaded.chat();
  const plan = await planAnswer(loaded, chat, request);
  const room = answerRoom(loaded, plan.prompt);
  const answer = await openAnswer(options, chat, plan, Math.max(1, Math.min(request.maxTokens ?? room, room)), room);
  const sequence = await chat.sequences.take(plan.prompt.tokens, signal, user);
  try {
    const reason = await makeAnswer(options, plan, sequence, answer);
    push(usage(plan.prompt, answer));
    push({ type: 'finish', reason });
  } catch (error) {
    push(usage(plan.prompt, answer));
    // After a failure of the engine nobody knows what the sequence holds.
    if (!(error instanceof ParleyError)) await sequence.clearHistory().catch(() => undefined);
    throw error;
  } finally {
    chat.sequences.give(sequence);
  }
}

/** An answer in the making. */
interface Answer {
  text: ReplyText;
  /** Set while tools are called. */
  calls: ToolCallReader | null;
  tokensCached: number;
  stopped: boolean;
  take(token: Token, likeliest?: ReadonlyMap<Token, number>): Next;
}

/** @param most tokens to make @param room tokens that fit, with what is put in between */
async function openAnswer({ loaded, request, push }: Reply, chat: LoadedChat, { prompt, calls }: AnswerPlan, most: number, room: number): Promise<Answer> {
  const { model } = loaded;
  const byChoice = calls !== null && !calls.isForced ? calls : null;
  const callReader = (): ToolCallReader => createToolCallReader(model, chat.toolForm, calls!.names, push);
  // Made before it is needed: in the middle of an answer nothing can wait for it.
  const grammar = await byChoice?.grammar();
  const text = createReplyText({
    model,
    texts: chat.texts,
    prompt,
    stops: request.stop ?? [],
    trigger: byChoice?.trigger.text ?? null,
    logprobs: request.logprobs?.top ?? null,
    push,
  });
  let left = most;
  let space = room;
  const answer: Answer = {
    text,
    calls: calls?.isForced === true ? callReader() : null,
    tokensCached: 0,
    stopped: false,
    take(token, likeliest) {
      left -= 1;
      space -= 1;
      const goesOn = left > 0 && space > 0;
      if (answer.calls !== null) {
        answer.calls.take(token);
        return goesOn ? 'more' : 'end';
      }
      const next = text.take(token, likeliest);
      answer.stopped = next === 'end';
      if (next !== 'call') return goesOn ? next : 'end';
      answer.calls = callReader();
      const opening = openingTokens(loaded, byChoice!);
      space -= opening.length;
      return goesOn && space > 0 ? { tokens: [...text.calling, ...opening], grammar: grammar! } : 'end';
    },
  };
  return answer;
}

async function makeAnswer({ loaded, request, signal, clock, pace }: Reply, plan: AnswerPlan, sequence: LlamaContextSequence, answer: Answer): Promise<FinishReason> {
  const ended = await generate({
    library: loaded.library,
    model: loaded.model,
    sequence,
    prompt: plan.prompt.tokens,
    sampling: request,
    grammar: plan.grammar,
    pace,
    clock,
    signal,
    onReused: (tokens) => (answer.tokensCached = tokens),
    onToken: (token, likeliest) => answer.take(token, likeliest),
  });
  if (answer.calls !== null) return ended && answer.calls.complete > 0 ? 'tool' : 'length';
  if (!answer.stopped) answer.text.finish();
  return ended || answer.stopped ? 'stop' : 'length';
}

function usage(prompt: Prompt, { text, calls, tokensCached }: Answer): ReplyEvent {
  return {
    type: 'usage',
    usage: {
      tokensIn: prompt.tokens.length,
      tokensOut: text.tokens + (calls?.tokens ?? 0),
      tokensCached,
      ...(prompt.reasoning === null ? {} : { tokensReasoning: text.reasoningTokens }),
    },
  };
}

/** Tokens left for the answer. @throws {ParleyError} `context_overflow` when there are none */
function answerRoom(loaded: LoadedModel, prompt: Prompt): number {
  const room = loaded.contextTokens - prompt.tokens.length;
  if (room >= 1) return room;
  throw new ParleyError('context_overflow', {
    message:
      `The conversation has ${prompt.tokens.length} tokens and ${loaded.file.name} has a context of ${loaded.contextTokens}. ` +
      'Shorten it, or raise LLAMA_CONTEXT if the model allows more.',
  });
}
