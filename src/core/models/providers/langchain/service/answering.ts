import { ChatOpenAI } from '@langchain/openai';
import type { AIMessage, AIMessageChunk } from '@langchain/core/messages';
import type { ReplyError, ReplyEvent } from '../../../types.ts';
import { truncated, unreadable, type HttpClient } from '../../../wire/index.ts';
import { readEventError } from '../../openai/errors.ts';
import { EventReader } from './event-reader.ts';
import { GuardedFetch } from './guarded-fetch.ts';
import { toLangchain } from './messages.ts';
import type { Question } from './question.ts';

/** LangChain's model for chats, kept to POST /chat/completions: it would ask a few models by another API, which not every service has. */
class CompletionsModel extends ChatOpenAI {
  protected override _useResponsesApi(): boolean {
    return false;
  }
}

/** Bounds of the client below LangChain are ours, see GuardedFetch: this one must never strike first. */
const neverMs = 2_000_000_000;

const cancelled: ReplyError = { code: 'cancelled', message: 'The answer was cancelled.', serviceFault: false };

/**
 * Answers one question by LangChain's ChatOpenAI. Ends with exactly one finish or error; never throws.
 * @param isWhole asks the model without streaming, where that can be
 */
export async function* answer(question: Question, isWhole: boolean, client: HttpClient, signal: AbortSignal): AsyncGenerator<ReplyEvent[]> {
  const { label, api_key: apiKey, timeout_ms: timeoutMs } = question.connection;
  const guard = new GuardedFetch({ label, apiKey, timeoutMs, client }, signal);
  const reader = new EventReader();
  try {
    const model = modelOf(question, guard);
    const messages = toLangchain(question.request.messages);
    const options = optionsOf(question, signal);
    // Asked without streaming, the client reads an answer in JSON by itself, and fails where it is cut off.
    if (isWhole && question.request.response_format?.type !== 'json_schema') {
      yield [...reader.whole((await model.invoke(messages, options)) as AIMessage)];
    } else {
      for await (const chunk of await model.stream(messages, options)) {
        const events = reader.take(chunk as AIMessageChunk);
        if (events.length > 0) yield events;
      }
    }
  } catch (thrown) {
    yield [{ type: 'error', error: signal.aborted ? cancelled : (guard.fault ?? read(thrown, question)) }];
    return;
  }
  if (signal.aborted) yield [{ type: 'error', error: cancelled }];
  else if (guard.fault) yield [{ type: 'error', error: guard.fault }];
  else if (reader.finish === null && !guard.isDone) yield [{ type: 'error', error: truncated(label) }];
  else yield [{ type: 'finish', reason: reader.finish ?? 'stop' }];
}

function modelOf({ connection, request }: Question, guard: GuardedFetch): ChatOpenAI {
  return new CompletionsModel({
    model: request.model,
    apiKey: connection.api_key,
    temperature: request.temperature,
    topP: request.top_p,
    maxTokens: request.max_completion_tokens ?? request.max_tokens,
    frequencyPenalty: request.frequency_penalty,
    presencePenalty: request.presence_penalty,
    logitBias: request.logit_bias,
    logprobs: request.logprobs,
    topLogprobs: request.top_logprobs,
    modelKwargs: present({
      reasoning_effort: request.reasoning_effort,
      top_k: request.top_k, min_p: request.min_p, repeat_penalty: request.repeat_penalty, repetition_penalty: request.repetition_penalty,
    }),
    verbosity: request.verbosity as 'low' | undefined,
    // The breaker counts what fails: a call is one call.
    maxRetries: 0,
    timeout: neverMs,
    // Names of models, reasoning and refusals are not in LangChain's own messages.
    __includeRawResponse: true,
    configuration: { baseURL: connection.base_url, fetch: guard.fetch, logLevel: 'off' },
  });
}

function optionsOf({ request }: Question, signal: AbortSignal) {
  return {
    signal,
    ...present({
      stop: request.stop,
      seed: request.seed,
      tools: request.tools,
      tool_choice: request.tool_choice,
      parallel_tool_calls: request.parallel_tool_calls,
      response_format: request.response_format,
    }),
  };
}

/** The fields that are set. */
function present(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** What LangChain threw, when the way to the service was in order: what came could not be read, or was an error. */
function read(thrown: unknown, { connection }: Question): ReplyError {
  const { label, api_key: apiKey } = connection;
  const error = (thrown as { error?: unknown } | null)?.error;
  if (typeof error === 'object' && error !== null) return readEventError({ error }, { label, apiKey });
  return unreadable({ label });
}
