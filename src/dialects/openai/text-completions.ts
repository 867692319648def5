import { ParleyError } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import type { UnstoredReply, UnstoredRequest } from '../../core/conversations/index.ts';
import type { FinishReason, TokenLogprob, Usage } from '../../core/models/index.ts';
import { goneSignal, openEventStream, viewerFrom, type CredentialWatch, type DialectParts, type DialectScope, type EventStream, whileValid } from '../shared/index.ts';
import { failure } from './answers.ts';
import { budgetHeaders } from './budget-headers.ts';
import { errorLine } from './chunks.ts';
import { completionBodyBytes } from './completions.ts';
import { mostAnswers, textCompletionAnswer, textCompletionRequest, type TextCompletionAnswer, type TextCompletionRequest, type TextLogprobs, type TextUsage } from './text-completion-schema.ts';

/** Answers of one request that are made at the same time. */
const atOnce = 4;

type Choice = TextCompletionAnswer['choices'][number];

/** What is asked for each answer, in the order of the choices. */
interface Wanted {
  prompt: string;
  request: UnstoredRequest;
}

/** Told while the answers are made: a piece of a choice, which may be empty at its beginning and end. */
type Receive = (piece: Choice, model: string) => Promise<void> | undefined;

/** `POST /v1/completions`, the old form: a prompt is asked as one message of the user. Nothing is kept. */
export function registerTextCompletions(scope: DialectScope, parts: DialectParts, credentials: CredentialWatch): void {
  scope.post(
    '/v1/completions',
    {
      bodyLimit: completionBodyBytes,
      schema: {
        summary: 'Answers prompts, in the old form',
        description: 'A prompt is asked as one message of the user: models here are chat models.',
        body: textCompletionRequest,
        response: { 200: textCompletionAnswer },
      },
    },
    async (request, reply) => {
      const { body } = request;
      const viewer = viewerFrom(request);
      const wanted = translate(body);
      const begun = async (): Promise<void> => void reply.headers(await budgetHeaders(parts, viewer));
      const head = { id: `cmpl-${newId()}`, object: 'text_completion' as const, created: Math.floor(parts.clock.now() / 1000) };
      if (!body.stream) {
        const revoked = new AbortController();
        const signal = AbortSignal.any([goneSignal(reply), revoked.signal]);
        return reply.send(await whileValid(credentials, viewer, () => revoked.abort(), async () => {
          const choices: Choice[] = [];
          const made = await makeAll({ parts, viewer, wanted, signal, begun, receive: (piece) => gather(choices, piece) });
          return { ...head, model: made.model, choices, usage: made.usage };
        }));
      }
      const stream = openEventStream(reply);
      const lines = (model: string, choices: Choice[], rest: object = {}): string => `data: ${JSON.stringify({ ...head, model, choices, ...rest })}\n\n`;
      await whileValid(credentials, viewer, () => stream.cut(errorLine(new ParleyError('unauthorized'))), () =>
        streamAll(stream, async () => {
          const made = await makeAll({ parts, viewer, wanted, signal: stream.signal, begun, receive: (piece, model) => stream.write(lines(model, [piece])) });
          return (body.stream_options?.include_usage ? lines(made.model, [], { usage: made.usage }) : '') + 'data: [DONE]\n\n';
        }));
      return reply;
    },
  );
}

/** Writes while `make` runs and ends with what it returns; a fault is thrown until something was sent, and told in the stream after that. */
async function streamAll(stream: EventStream, make: () => Promise<string>): Promise<void> {
  try {
    stream.end(await make());
  } catch (thrown) {
    if (!stream.begun) throw thrown;
    stream.end(errorLine(thrown instanceof ParleyError ? thrown : new ParleyError('internal', { cause: thrown })));
    if (!(thrown instanceof ParleyError)) throw thrown;
  }
}

/** @throws {ParleyError} `unsupported_value` for what the API documents and this server does not do */
function translate(body: TextCompletionRequest): Wanted[] {
  const prompts = promptsOf(body.prompt);
  const count = body.n ?? 1;
  if (body.best_of && body.best_of !== count) throw unsupported('best_of', 'best_of other than n is not supported.');
  if (body.suffix) throw unsupported('suffix', 'suffix is not supported: chat models cannot fill in between two texts.');
  if (body.echo && typeof body.logprobs === 'number') throw unsupported('logprobs', 'Log-probabilities of the prompt are not known: leave out echo or logprobs.');
  if (prompts.length * count > mostAnswers) throw unsupported('prompt', `At most ${mostAnswers} answers are made for one request.`);
  const stop = typeof body.stop === 'string' ? [body.stop] : body.stop;
  const settings = Object.fromEntries(Object.entries({
    maxTokens: body.max_tokens,
    temperature: body.temperature,
    topP: body.top_p,
    stop: stop && stop.length > 0 ? stop : null,
    seed: body.seed,
    frequencyPenalty: body.frequency_penalty,
    presencePenalty: body.presence_penalty,
    logitBias: body.logit_bias && Object.keys(body.logit_bias).length > 0 ? body.logit_bias : null,
    logprobs: typeof body.logprobs === 'number' ? { top: body.logprobs } : null,
  }).filter(([, value]) => value !== null && value !== undefined));
  return prompts.flatMap((prompt) => {
    const request: UnstoredRequest = { ...settings, model: body.model || null, messages: [{ role: 'user', content: prompt }], dialect: 'openai', whole: !body.stream };
    return Array.from({ length: count }, () => ({ prompt: body.echo ? prompt : '', request }));
  });
}

function promptsOf(prompt: TextCompletionRequest['prompt']): string[] {
  const prompts = typeof prompt === 'string' ? [prompt] : prompt;
  if (prompts.length === 0) throw new ParleyError('invalid_request', { message: 'prompt must not be empty.', parameter: 'prompt' });
  if (!prompts.every((item): item is string => typeof item === 'string')) throw unsupported('prompt', 'prompt must be a text or a list of texts; token numbers are not supported.');
  return prompts;
}

function unsupported(parameter: string, message: string): ParleyError {
  return new ParleyError('unsupported_value', { message, parameter });
}

interface Making {
  parts: DialectParts;
  viewer: Viewer;
  wanted: readonly Wanted[];
  signal: AbortSignal;
  /** Called once, when the first answer has been let in and nothing has been said. */
  begun: () => Promise<void>;
  receive: Receive;
}

/** Makes all answers, some at a time. The first that fails ends the others. @throws {ParleyError} what it failed with */
async function makeAll({ parts, viewer, wanted, signal, begun, receive }: Making): Promise<{ model: string; usage: TextUsage | null }> {
  const failed = new AbortController();
  const both = AbortSignal.any([signal, failed.signal]);
  const usages: Usage[] = [];
  let model = '';
  let next = 0;
  let error: unknown;
  let told: Promise<void> | null = null;
  const work = async (): Promise<void> => {
    for (let index = next++; index < wanted.length && !both.aborted; index = next++) {
      try {
        const { request, prompt } = wanted[index]!;
        const reply = await parts.conversations.answerUnstored(viewer, request, both);
        await (told ??= begun());
        const made = await make(reply, prompt, index, receive);
        model ||= made.model;
        usages.push(made.usage);
      } catch (thrown) {
        error ??= thrown;
        failed.abort();
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, wanted.length) }, work));
  if (error) throw error;
  if (signal.aborted) throw new ParleyError('cancelled');
  return { model, usage: sum(usages) };
}

/** One answer, piece by piece. */
async function make(reply: UnstoredReply, prompt: string, index: number, receive: Receive): Promise<{ model: string; usage: Usage }> {
  let { model } = reply;
  let usage: Usage = {};
  let offset = 0;
  let probabilities: TokenLogprob[] = [];
  const tell = async (text: string, finish: FinishReason | null): Promise<void> => {
    const logprobs = probabilities.length > 0 ? oldLogprobs(probabilities, offset) : null;
    offset += probabilities.reduce((length, { token }) => length + token.length, 0);
    probabilities = [];
    await receive({ index, text, logprobs, finish_reason: finish === 'tool' ? 'stop' : finish }, model);
  };
  let echo = prompt;
  for await (const batch of reply.events) {
    let text = '';
    for (const event of batch) {
      switch (event.type) {
        case 'text': text += event.text; break;
        case 'model': model = event.model; break;
        case 'usage': usage = { ...usage, ...event.usage }; break;
        case 'logprobs': probabilities.push(...event.tokens); break;
        case 'error': throw failure(event.error);
        case 'finish':
          await tell(echo + text, event.reason);
          return { model, usage };
      }
    }
    if (text === '') continue;
    await tell(echo + text, null);
    echo = '';
  }
  throw new ParleyError('provider_error', { message: 'The answer ended without saying so.' });
}

function oldLogprobs(tokens: readonly TokenLogprob[], offset: number): TextLogprobs {
  const offsets: number[] = [];
  for (const { token } of tokens) {
    offsets.push(offset);
    offset += token.length;
  }
  return {
    tokens: tokens.map(({ token }) => token),
    token_logprobs: tokens.map(({ logprob }) => logprob),
    top_logprobs: tokens.some(({ top }) => top.length > 0) ? tokens.map(({ top }) => Object.fromEntries(top.map(({ token, logprob }) => [token, logprob]))) : null,
    text_offset: offsets,
  };
}

/** Puts a choice together from its pieces. */
function gather(choices: Choice[], piece: Choice): undefined {
  const choice = choices[piece.index];
  if (!choice) {
    choices[piece.index] = piece;
    return undefined;
  }
  choice.text += piece.text;
  choice.finish_reason = piece.finish_reason;
  if (!piece.logprobs) return undefined;
  choice.logprobs ??= { tokens: [], token_logprobs: [], top_logprobs: piece.logprobs.top_logprobs && [], text_offset: [] };
  choice.logprobs.tokens.push(...piece.logprobs.tokens);
  choice.logprobs.token_logprobs.push(...piece.logprobs.token_logprobs);
  choice.logprobs.text_offset.push(...piece.logprobs.text_offset);
  if (piece.logprobs.top_logprobs) (choice.logprobs.top_logprobs ??= []).push(...piece.logprobs.top_logprobs);
  return undefined;
}

/** All answers together; a figure that one of them does not know is not known. */
function sum(usages: readonly Usage[]): TextUsage | null {
  const add = (figure: 'tokensIn' | 'tokensOut'): number | null =>
    usages.reduce<number | null>((total, usage) => (total === null || usage[figure] === undefined ? null : total + usage[figure]), 0);
  const [tokensIn, tokensOut] = [add('tokensIn'), add('tokensOut')];
  if (tokensIn === null && tokensOut === null) return null;
  return { prompt_tokens: tokensIn, completion_tokens: tokensOut, total_tokens: tokensIn === null || tokensOut === null ? null : tokensIn + tokensOut };
}
