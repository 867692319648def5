import { ParleyError } from '../base/errors.ts';
import type { UnstoredReply } from '../core/conversations/index.ts';
import { splitModel, type ReplyError, type Usage } from '../core/models/index.ts';
import { AIServiceError, serviceError } from './errors.ts';
import { Opening, viewerOf, type Opened } from './opening.ts';
import { dollars, modelId, modelMessages, samplingOf, tokensOf } from './requests.ts';
import type { ChatCompletion, ChatTurn, ImageQuality, ImageResult, ImageSize, Provider, ServiceOptions, Settings, StreamChunk } from './types.ts';

const dialect = 'studio';
const sizes: readonly string[] = ['1024x1024', '1024x1792', '1792x1024'] satisfies ImageSize[];
const qualities: readonly string[] = ['standard', 'hd'] satisfies ImageQuality[];
/** The model whose sizes and qualities are the documented ones. */
const drawingModel = 'openai/dall-e-3';
const mostImages = 10;

export interface AIServiceOptions extends ServiceOptions {
  /** Whose keys pay, and in whose name usage is written down. Default: the owner, to whom the keys of the environment belong. */
  userId?: string;
}

/** What is known of an answer besides its text; filled while it is read. */
interface Figures {
  /** `provider/model` that speaks. */
  model: string;
  usage: Usage;
}

/**
 * Asks models of the services. Nothing that is said is kept; what was used is. It may run beside a server.
 * Without `app` it opens the database of the environment's settings with its first call: close it in the end.
 */
export class AIService {
  readonly #opening: Opening;
  readonly #userId: string | undefined;

  constructor(options: AIServiceOptions = {}) {
    this.#opening = new Opening(options, 'calls');
    this.#userId = options.userId;
  }

  /**
   * Asks a model and waits for its whole answer.
   * @param model by the provider's own name; default the newest that is known for the provider (docs/studio-library.md)
   * @throws {AIServiceError} when there is no key (the message names the variable) or the service fails
   * @throws {ParleyError} `invalid_request`, `unsupported_value`, `budget_exceeded`
   */
  async chatCompletion(messages: ChatTurn[], provider: Provider = 'openai', model?: string | null, settings?: Settings | null): Promise<ChatCompletion> {
    const asked = await this.#ask({ messages, provider, model, settings, whole: true }, new AbortController().signal);
    let content = '';
    for await (const text of asked.texts) content += text;
    const { model: spoke, usage } = asked.figures;
    const cost = asked.opened.core.models.cost({ id: spoke }, usage.tokensIn, usage.tokensOut, usage.tokensCached);
    const named = splitModel(asked.opened.core.models, spoke);
    return { content, model: named.model, provider: named.provider ?? provider, tokensUsed: tokensOf(usage.tokensIn, usage.tokensOut), cost: dollars(cost) };
  }

  /**
   * The same piece by piece, as the service sends them. Leaving the loop ends the call at the service.
   * @throws as `chatCompletion`, when the first piece is asked for or in the middle of an answer
   */
  async *streamChatCompletion(messages: ChatTurn[], provider: Provider = 'openai', model?: string | null, settings?: Settings | null): AsyncGenerator<StreamChunk, void, void> {
    const stop = new AbortController();
    try {
      const { texts } = await this.#ask({ messages, provider, model, settings, whole: false }, stop.signal);
      for await (const content of texts) yield { content };
    } finally {
      stop.abort();
    }
  }

  /**
   * Draws pictures with DALL-E 3 of OpenAI: all that were asked for, or an error.
   * @param n 1 to 10; the model draws one at a time, so there are that many calls
   * @throws as `chatCompletion`
   */
  async generateImageOpenai(prompt: string, size: ImageSize = '1024x1024', quality: ImageQuality = 'standard', n: number = 1): Promise<ImageResult> {
    if (typeof prompt !== 'string' || prompt.trim() === '') throw new ParleyError('invalid_request', { message: 'prompt must be a text that is not empty.', parameter: 'prompt' });
    if (!sizes.includes(size)) throw new ParleyError('invalid_request', { message: `size must be one of ${sizes.join(', ')}.`, parameter: 'size' });
    if (!qualities.includes(quality)) throw new ParleyError('invalid_request', { message: `quality must be one of ${qualities.join(', ')}.`, parameter: 'quality' });
    if (!Number.isInteger(n) || n < 1 || n > mostImages) throw new ParleyError('invalid_request', { message: `n must be a whole number from 1 to ${mostImages}.`, parameter: 'n' });
    return await this.#call('openai', async ({ core, conversations }) => {
      const viewer = await viewerOf(core, this.#userId);
      const drawn = await conversations.drawUnstored(viewer, { model: drawingModel, prompt, count: n, size, quality, asData: true, dialect }, new AbortController().signal);
      const [first] = drawn.pictures;
      if (!first || drawn.pictures.length !== n) throw new ParleyError('provider_error', { message: `${drawn.pictures.length} pictures came in place of ${n}.` });
      const urls = drawn.pictures.map(({ url }) => url);
      return { url: first.url, urls, model: splitModel(core.models, drawn.model).model, size: drawn.size ?? size, ...(first.revisedPrompt === null ? {} : { revisedPrompt: first.revisedPrompt }) };
    });
  }

  /**
   * The vector of a text.
   * @param model of OpenAI by its own name, or `provider/model`
   * @throws as `chatCompletion`
   */
  async getEmbedding(text: string, model: string = 'text-embedding-3-small'): Promise<number[]> {
    if (typeof text !== 'string' || text === '') throw new ParleyError('invalid_request', { message: 'text must be a text that is not empty.', parameter: 'text' });
    const named = typeof model === 'string' && model.includes('/');
    const id = named ? model : modelId('openai', model);
    return await this.#call(id.slice(0, id.indexOf('/')), async ({ core, conversations }) => {
      const viewer = await viewerOf(core, this.#userId);
      const { vectors } = await conversations.embedUnstored(viewer, { model: id, texts: [text], dialect }, new AbortController().signal);
      return Array.from(vectors[0]!);
    });
  }

  /** Lets calls that run end and closes the database; not that of an `app`. The service is of no use behind it. */
  async close(): Promise<void> {
    await this.#opening.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #call<Result>(provider: string | null, work: (opened: Opened) => Promise<Result>): Promise<Result> {
    const opened = await this.#opening.get();
    try {
      return await work(opened);
    } catch (error) {
      throw serviceError(error, provider);
    }
  }

  async #ask(
    asked: { messages: ChatTurn[]; provider: Provider; model?: string | null; settings?: Settings | null; whole: boolean }, signal: AbortSignal,
  ): Promise<{ opened: Opened; texts: AsyncIterable<string>; figures: Figures }> {
    const request = { model: modelId(asked.provider, asked.model), messages: modelMessages(asked.messages), ...samplingOf(asked.settings), whole: asked.whole, dialect };
    return await this.#call(asked.provider, async (opened) => {
      const viewer = await viewerOf(opened.core, this.#userId);
      const reply = await opened.conversations.answerUnstored(viewer, request, signal);
      const figures: Figures = { model: reply.model, usage: {} };
      return { opened, texts: textsOf(reply, figures, asked.provider), figures };
    });
  }
}

/** The pieces of text of an answer. @throws {AIServiceError} when it ends with an error */
async function* textsOf(reply: UnstoredReply, figures: Figures, provider: string): AsyncGenerator<string, void, void> {
  for await (const batch of reply.events) {
    let text = '';
    let error: ReplyError | null = null;
    for (const event of batch) {
      if (event.type === 'text') text += event.text;
      else if (event.type === 'model') figures.model = event.model;
      else if (event.type === 'usage') figures.usage = event.usage;
      else if (event.type === 'error') error = event.error;
    }
    if (text !== '') yield text;
    if (error) throw new AIServiceError(error.code, error.message, { provider, providerStatus: error.status, retryAfterMs: error.retryAfterMs });
  }
}
