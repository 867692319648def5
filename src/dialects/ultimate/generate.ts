import type { FastifyReply, FastifyRequest } from 'fastify';
import { ParleyError } from '../../base/errors.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import type { ReplyEvent, Target, Usage } from '../../core/models/index.ts';
import { openEventStream, takeFrom, viewerFrom, whileValid, type CredentialWatch, type DialectScope, type EventStream } from '../shared/index.ts';
import { errorBody } from './errors.ts';
import { generateRequest, type GenerateRequest } from './ollama-schemas.ts';
import type { UltimateParts } from './parts.ts';
import { everyVersion } from './versions.ts';

/** Generation by Ollama, piece by piece. */
export function registerGenerate(scope: DialectScope, parts: UltimateParts, credentials: CredentialWatch): void {
  everyVersion('/api/v4/ai/ollama/generate/stream', (url, hide) => {
    scope.post(
      url,
      {
        schema: {
          hide, summary: 'Generates a text with a model of Ollama, as server-sent events',
          description: 'Nothing of it is kept but what it used. It ends with the client. After the first event an error is told by `event: error`, and there is no event with done.',
          body: generateRequest,
        },
      },
      async (request, reply) => generate(parts, credentials, request, reply, request.body),
    );
  });
}

async function generate(parts: UltimateParts, credentials: CredentialWatch, request: FastifyRequest, reply: FastifyReply, body: GenerateRequest): Promise<FastifyReply> {
  const viewer = viewerFrom(request);
  const began = parts.clock.monotonic();
  await takeFrom(parts, { name: 'completions', count: parts.settings.limits.completionsPerMinute, windowMs: 60_000 }, viewer.userId);
  const target = await targetOf(parts, viewer, body.model);
  const stream = openEventStream(reply);
  await whileValid(credentials, viewer, () => stream.cut(errorFrame(new ParleyError('unauthorized'))), async () => {
    const { temperature, max_tokens: maxTokens } = body.options ?? {};
    const { events } = await parts.conversations.answerUnstored(viewer, {
      model: target.id, target, dialect: 'ultimate', whole: !body.stream, messages: [{ role: 'user', content: body.prompt }],
      ...(temperature === undefined ? {} : { temperature }), ...(maxTokens === undefined ? {} : { maxTokens }),
    }, stream.signal);
    const frames = new Frames(target.model, body.stream, () => parts.clock.monotonic() - began);
    try {
      await send(stream, frames, events);
    } catch (thrown) {
      if (!stream.begun) throw thrown;
      parts.log.error({ err: thrown, requestId: request.id }, 'a streamed generation broke');
    }
    // Broken off before anything was sent.
    if (!stream.begun) throw new ParleyError('cancelled');
  });
  return reply;
}

/**
 * The model of Ollama of this name: no other provider's, and nothing in its place.
 * @throws {ParleyError} `model_not_found`; `provider_unavailable` where there is no Ollama
 */
async function targetOf({ models, ollama }: UltimateParts, viewer: Viewer, name: string): Promise<Target> {
  if (!ollama.isConfigured) throw new ParleyError('provider_unavailable', { message: 'Ollama is switched off by OLLAMA_URLS=off.' });
  return { ...(await models.resolve(`ollama/${name.replace(/^ollama\//, '')}`, viewer)), isExclusive: true };
}

/** One write for each batch; waits for slow clients. What fails before the first is thrown, and gets a status of its own. */
async function send(stream: EventStream, frames: Frames, events: AsyncIterable<ReplyEvent[]>): Promise<void> {
  try {
    for await (const batch of events) {
      const text = frames.take(batch);
      if (frames.error && !stream.begun) throw frames.error;
      if (frames.ended) return stream.end(text);
      if (text === '') continue;
      const room = stream.write(text);
      if (room) await room;
      if (stream.signal.aborted) return;
    }
    if (!stream.signal.aborted) throw new ParleyError('provider_error', { message: 'The answer ended without saying so.' });
  } catch (thrown) {
    if (!stream.begun) throw thrown;
    stream.end(errorFrame(thrown instanceof ParleyError ? thrown : new ParleyError('internal', { cause: thrown })));
    if (!(thrown instanceof ParleyError)) throw thrown;
  }
}

const nanosecondsInMillisecond = 1e6;

/** Turns the events of a reply into frames. */
class Frames {
  /** Set with the last frame. */
  ended = false;
  error: ParleyError | null = null;
  private model: string;
  private usage: Usage = {};
  private text = '';
  private readonly streams: boolean;
  private readonly elapsedMs: () => number;

  /** @param elapsedMs milliseconds since the request came, for a service that does not say how long it took */
  constructor(model: string, streams: boolean, elapsedMs: () => number) {
    this.model = model;
    this.streams = streams;
    this.elapsedMs = elapsedMs;
  }

  take(batch: readonly ReplyEvent[]): string {
    return batch.map((event) => this.frame(event)).join('');
  }

  private frame(event: ReplyEvent): string {
    switch (event.type) {
      case 'text':
        if (this.streams) return frameOf({ response: event.text, done: false });
        this.text += event.text;
        return '';
      case 'reasoning':
        return this.streams ? frameOf({ response: '', thinking: event.text, done: false }) : '';
      case 'model':
        this.model = event.model.replace(/^ollama\//, '');
        return '';
      case 'usage':
        this.usage = { ...this.usage, ...event.usage };
        return '';
      case 'finish':
        this.ended = true;
        return this.last(event.reason);
      case 'error':
        this.ended = true;
        this.error = new ParleyError(event.error.code, { message: event.error.message, retryAfterMs: event.error.retryAfterMs });
        return errorFrame(this.error);
      default:
        return '';
    }
  }

  private last(reason: string): string {
    const { tokensIn, tokensOut, durationNs } = this.usage;
    return frameOf({
      response: this.text,
      done: true,
      total_duration: durationNs ?? Math.round(this.elapsedMs() * nanosecondsInMillisecond),
      model: this.model,
      done_reason: reason,
      ...(tokensIn === undefined ? {} : { prompt_eval_count: tokensIn }),
      ...(tokensOut === undefined ? {} : { eval_count: tokensOut }),
    });
  }
}

function frameOf(value: object): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

function errorFrame(error: ParleyError): string {
  return `event: error\ndata: ${JSON.stringify(errorBody(error))}\n\n`;
}
