import type { Clock } from '../../../../base/clock.ts';
import { ParleyError } from '../../../../base/errors.ts';
import type { ModelRequest, ReplyEvent } from '../../types.ts';
import type { LoadedModel } from './engine.ts';
import { generate, type ReadingPace } from './generation.ts';
import { buildPrompt, type Prompt } from './messages.ts';
import { createReplyText } from './reply-text.ts';

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
export async function reply({ loaded, request, signal, user, push, clock, pace }: Reply): Promise<void> {
  const chat = await loaded.chat();
  const prompt = buildPrompt(loaded, chat.wrapper, request.messages, request.prefill ?? '');
  const room = answerRoom(loaded, prompt);
  const most = Math.max(1, Math.min(request.maxTokens ?? room, room));
  const text = createReplyText(loaded.model, chat.texts, prompt, request.stop ?? [], push);
  const sequence = await chat.sequences.take(prompt.tokens, signal, user);
  let tokensCached = 0;
  const reportUsage = (): void =>
    push({
      type: 'usage',
      usage: {
        tokensIn: prompt.tokens.length,
        tokensOut: text.tokens,
        tokensCached,
        ...(prompt.reasoning === null ? {} : { tokensReasoning: text.reasoningTokens }),
      },
    });
  try {
    let stopped = false;
    const ended = await generate({
      sequence,
      prompt: prompt.tokens,
      sampling: request,
      pace,
      clock,
      signal,
      onReused: (tokens) => (tokensCached = tokens),
      onToken: (token) => {
        stopped = !text.take(token);
        return !stopped && text.tokens < most;
      },
    });
    if (!stopped) text.finish();
    reportUsage();
    push({ type: 'finish', reason: ended || stopped ? 'stop' : 'length' });
  } catch (error) {
    reportUsage();
    // After a failure of the engine nobody knows what the sequence holds.
    if (!(error instanceof ParleyError)) await sequence.clearHistory().catch(() => undefined);
    throw error;
  } finally {
    chat.sequences.give(sequence);
  }
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
