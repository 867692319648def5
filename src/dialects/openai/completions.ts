import { ParleyError } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import { goneSignal, openEventStream, viewerFrom, type CredentialWatch, type DialectParts, type DialectScope } from '../shared/index.ts';
import { gather, type AnswerEvents, type AnswerHead } from './answers.ts';
import { errorLine, streamCompletion } from './chunks.ts';
import { translate, type Asked } from './requests.ts';
import { completionAnswer, completionRequest, type CompletionRequest } from './schemas.ts';

/** Bytes of a request: histories of long conversations come whole with every call. */
export const completionBodyBytes = 8 * 1_048_576;

const idempotencyKeyForm = /^[\x21-\x7e]{1,255}$/;

/** `POST /v1/chat/completions`, streamed or whole, kept or not. An answer ends for whoever's credential ends. */
export function registerCompletions(scope: DialectScope, parts: DialectParts, credentials: CredentialWatch): void {
  scope.post(
    '/v1/chat/completions',
    {
      bodyLimit: completionBodyBytes,
      schema: {
        summary: 'Answers a conversation',
        description: 'With `"stream": true` the answer comes as server-sent events in the form of OpenAI.',
        body: completionRequest,
        response: { 200: completionAnswer },
      },
    },
    async (request, reply) => {
      const body = request.body;
      const asked = translate(body);
      const viewer = viewerFrom(request);
      const key = request.headers['idempotency-key'];
      const answer = (signal: AbortSignal): Promise<Answer> =>
        body.store ? keep(parts, viewer, body, asked, idempotencyKey(key), signal) : pass(parts, viewer, asked, signal);
      if (!body.stream) {
        const revoked = new AbortController();
        const signal = AbortSignal.any([goneSignal(reply), revoked.signal]);
        return reply.send(await whileValid(credentials, viewer, () => revoked.abort(), async () => {
          const { head, events } = await answer(signal);
          return gather(head, events);
        }));
      }
      const stream = openEventStream(reply);
      await whileValid(credentials, viewer, () => stream.cut(errorLine(new ParleyError('unauthorized'))), async () => {
        const { head, events } = await answer(stream.signal);
        try {
          await streamCompletion(stream, head, body.stream_options?.include_usage === true, events);
        } catch (thrown) {
          if (!stream.begun) throw thrown;
          parts.log.error({ err: thrown, requestId: request.id }, 'a streamed answer broke');
        }
        // Broken off before anything was sent.
        if (!stream.begun) throw new ParleyError('cancelled');
      });
      return reply;
    },
  );
}

/**
 * Does something as long as the viewer's credential holds; `end` is called when it ends meanwhile.
 * @throws {ParleyError} `unauthorized` in place of what breaking off made of it
 */
export async function whileValid<Result>(credentials: CredentialWatch, viewer: Viewer, end: () => void, work: () => Promise<Result>): Promise<Result> {
  let ended = false;
  const stopWatching = credentials.watch(viewer, () => {
    ended = true;
    end();
  });
  try {
    return await work();
  } catch (thrown) {
    throw ended ? new ParleyError('unauthorized') : thrown;
  } finally {
    stopWatching();
  }
}

interface Answer {
  head: AnswerHead;
  events: AnswerEvents;
}

/** Asks without keeping anything; ends with the client. */
async function pass(parts: DialectParts, viewer: Viewer, asked: Asked, signal: AbortSignal): Promise<Answer> {
  const answered = await parts.conversations.answerUnstored(viewer, { ...asked, dialect: 'openai' }, signal);
  return { head: headOf(parts, newId(), answered.model), events: answered.events };
}

/** Keeps question and answer. The answer goes on without the client; `signal` only ends the reading of it. */
async function keep(parts: DialectParts, viewer: Viewer, body: CompletionRequest, asked: Asked, key: string | null, signal: AbortSignal): Promise<Answer> {
  const { model, messages, tools, toolChoice, ...sampling } = asked;
  const question = messages.at(-1)!;
  if (question.role !== 'user') {
    const message = `With "store": true the last message must be the user's, and it is of the role "${question.role}": send this request without "store".`;
    throw new ParleyError('unsupported_value', { message, parameter: 'store' });
  }
  const sent = await parts.conversations.sendWithHistory(viewer, { origin: 'openai', model }, messages.slice(0, -1), {
    content: question.content,
    metadata: body.metadata ?? null,
    model,
    sampling,
    tools,
    toolChoice,
    dialect: 'openai',
    idempotencyKey: key,
    withoutModel: 'throw',
  });
  const answer = sent.answer;
  if (!answer) throw new ParleyError('conflict', { message: 'This message was sent before without asking for an answer.' });
  return { head: headOf(parts, answer.id, answer.model ?? model ?? ''), events: parts.conversations.attach(viewer, answer.id, 0, signal) };
}

function headOf(parts: DialectParts, id: string, model: string): AnswerHead {
  return { id: `chatcmpl-${id}`, created: Math.floor(parts.clock.now() / 1000), model };
}

/** @throws {ParleyError} `invalid_request` for a key that is no plain text of at most 255 characters */
export function idempotencyKey(header: string | string[] | undefined): string | null {
  if (header === undefined) return null;
  if (typeof header === 'string' && idempotencyKeyForm.test(header)) return header;
  throw new ParleyError('invalid_request', { message: 'Idempotency-Key must be at most 255 visible ASCII characters.', parameter: 'Idempotency-Key' });
}
