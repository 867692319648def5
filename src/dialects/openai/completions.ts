import { ParleyError } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import { goneController, openEventStream, viewerFrom, type CredentialWatch, type DialectParts, type DialectScope, whileValid } from '../shared/index.ts';
import { completion, gather } from './answers.ts';
import { budgetHeaders } from './budget-headers.ts';
import { errorLine, streamCompletion } from './chunks.ts';
import { headOf, keepAnswer, type Answer } from './keeping.ts';
import { speaksOfFunctions, translate, type Asked } from './requests.ts';
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
      const form = { oldFunctions: speaksOfFunctions(body), logprobs: body.logprobs === true, usage: body.stream_options?.include_usage === true };
      const key = request.headers['idempotency-key'];
      const answer = async (signal: AbortSignal): Promise<Answer> => {
        const made = await (body.store ? keepAnswer(parts, viewer, body, asked, idempotencyKey(key), signal) : pass(parts, viewer, body, asked, signal));
        reply.headers(await budgetHeaders(parts, viewer));
        return made;
      };
      if (!body.stream) {
        const gone = goneController(reply);
        return reply.send(await whileValid(credentials, viewer, () => gone.abort(), async () => {
          const { head, replies } = await answer(gone.signal);
          const gathered = await Promise.all(replies.map(gather)).catch((thrown: unknown) => {
            // The first choice that fails ends the others.
            gone.abort();
            throw thrown;
          });
          return { ...completion(head, gathered, form), ...(body.store && body.metadata ? { metadata: body.metadata } : {}) };
        }));
      }
      const stream = openEventStream(reply);
      const failed = new AbortController();
      const signal = (body.n ?? 1) > 1 ? AbortSignal.any([stream.signal, failed.signal]) : stream.signal;
      await whileValid(credentials, viewer, () => stream.cut(errorLine(new ParleyError('unauthorized'))), async () => {
        try {
          const { head, replies } = await answer(signal);
          await streamCompletion(stream, head, form, replies, () => failed.abort());
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

/** Asks without keeping anything, once for each choice; ends with the client. When one is refused, none is asked. */
async function pass(parts: DialectParts, viewer: Viewer, body: CompletionRequest, asked: Asked, signal: AbortSignal): Promise<Answer> {
  const request = { ...asked, dialect: 'openai', whole: !body.stream };
  const count = body.n ?? 1;
  const refused = new AbortController();
  const each = count > 1 ? AbortSignal.any([signal, refused.signal]) : signal;
  try {
    const answers = await Promise.all(Array.from({ length: count }, () => parts.conversations.answerUnstored(viewer, request, each)));
    return { head: headOf(newId(), parts.clock.now(), answers[0]!.model), replies: answers.map(({ events }) => events) };
  } catch (thrown) {
    // What the others hold of a budget is given back at once.
    refused.abort();
    throw thrown;
  }
}

/** @throws {ParleyError} `invalid_request` for a key that is no plain text of at most 255 characters */
export function idempotencyKey(header: string | string[] | undefined): string | null {
  if (header === undefined) return null;
  if (typeof header === 'string' && idempotencyKeyForm.test(header)) return header;
  throw new ParleyError('invalid_request', { message: 'Idempotency-Key must be at most 255 visible ASCII characters.', parameter: 'Idempotency-Key' });
}
