import { ParleyError } from '../../../base/errors.ts';
import { newId } from '../../../base/ids.ts';
import type { Viewer } from '../../../core/accounts/index.ts';
import type { Outgoing, Sent } from '../../../core/conversations/index.ts';
import type { ModelMessage } from '../../../core/models/index.ts';
import { goneSignal, openEventStream, viewerFrom, type CredentialWatch, type DialectParts, type DialectScope, whileValid } from '../../shared/index.ts';
import type { AnswerEvents } from '../answers.ts';
import { budgetHeaders } from '../budget-headers.ts';
import { completionBodyBytes, idempotencyKey } from '../completions.ts';
import { storedResponse, type ResponseHead } from './answer.ts';
import { responseAnswer } from './answer-schema.ts';
import { chainMessages, checkOutputs, openResponse, type Kept } from './chain.ts';
import { echoOf, keptEcho, keptMetadata } from './echo.ts';
import { EventWriter, gatherResponse, streamResponse } from './events.ts';
import { inputMessages } from './input.ts';
import { placeMessages } from './placing.ts';
import { responseRequest, type ResponseRequest } from './request-schema.ts';
import { translateSettings, type ResponseSettings } from './request.ts';

/** A request in our own terms. */
interface Asked {
  body: ResponseRequest;
  settings: ResponseSettings;
  messages: ModelMessage[];
  previous: Kept | null;
}

interface Answer {
  head: ResponseHead;
  events: AnswerEvents;
}

/** `POST /v1/responses`, streamed or whole, kept (the default) or not, in the background or not. */
export function registerCreate(scope: DialectScope, parts: DialectParts, credentials: CredentialWatch): void {
  scope.post(
    '/v1/responses',
    {
      bodyLimit: completionBodyBytes,
      schema: {
        summary: 'Makes a response',
        description: 'With `"stream": true` the answer comes as server-sent events in the form of OpenAI. Described in docs/openai-responses.md.',
        body: responseRequest,
        response: { 200: responseAnswer },
      },
    },
    async (request, reply) => {
      const { body } = request;
      const viewer = viewerFrom(request);
      const asked = await understand(parts, viewer, body);
      const key = idempotencyKey(request.headers['idempotency-key']);
      const now = (): number => parts.clock.now();
      if (body.background && !body.stream) {
        const { message, echo } = await keep(parts, viewer, asked, key);
        return reply.headers(await budgetHeaders(parts, viewer)).send(storedResponse(message, echo));
      }
      const answer = async (signal: AbortSignal): Promise<Answer> => {
        const made = await (body.store === false ? pass(parts, viewer, asked, signal) : follow(parts, viewer, asked, key, signal));
        reply.headers(await budgetHeaders(parts, viewer));
        return made;
      };
      if (!body.stream) {
        const revoked = new AbortController();
        const signal = AbortSignal.any([goneSignal(reply), revoked.signal]);
        return reply.send(await whileValid(credentials, viewer, () => revoked.abort(), async () => {
          const { head, events } = await answer(signal);
          // Of a kept answer it is the stored time that is shown whenever it is read again.
          const endedAt = async (): Promise<number> => (body.store === false ? null : (await parts.conversations.message(viewer, head.answerId)).endedAt) ?? now();
          return gatherResponse(head, events, endedAt);
        }));
      }
      const stream = openEventStream(reply);
      let writer: EventWriter | null = null;
      await whileValid(credentials, viewer, () => stream.cut(writer?.error(new ParleyError('unauthorized'))), async () => {
        const { head, events } = await answer(stream.signal);
        writer = new EventWriter(head, now);
        try {
          await streamResponse(stream, writer, events, !body.background);
        } catch (thrown) {
          if (!stream.begun) throw thrown;
          parts.log.error({ err: thrown, requestId: request.id }, 'a streamed response broke');
        }
        if (!stream.begun) throw new ParleyError('cancelled');
      });
      return reply;
    },
  );
}

/** Everything that can be wrong with a request is found here, before anything is stored. */
async function understand(parts: DialectParts, viewer: Viewer, body: ResponseRequest): Promise<Asked> {
  const settings = translateSettings(body);
  const previous = body.previous_response_id ? await openResponse(parts.conversations, viewer, body.previous_response_id, 'previous_response_id') : null;
  const messages = await inputMessages(body.input, (id) => parts.conversations.message(viewer, id), (message) => parts.conversations.partsOf(viewer, message));
  checkOutputs(previous?.message ?? null, messages);
  return { body, settings, messages, previous };
}

/** Asks without keeping anything; ends with the client. */
async function pass(parts: DialectParts, viewer: Viewer, { body, settings, messages, previous }: Asked, signal: AbortSignal): Promise<Answer> {
  if (previous && previous.message.endedAt === null) throw new ParleyError('conflict', { message: 'The previous response is still being made.', parameter: 'previous_response_id' });
  const before = previous ? await chainMessages(parts.conversations, viewer, previous.message) : [];
  const instructions = previous ? await chainInstructions(parts, viewer, previous, body.instructions ?? null) : body.instructions;
  const told: ModelMessage[] = instructions ? [{ role: 'system', content: instructions }] : [];
  const request = { ...settings, messages: [...told, ...before, ...messages], dialect: 'openai', whole: !body.stream };
  const { model, events } = await parts.conversations.answerUnstored(viewer, request, signal);
  return { head: { answerId: newId(), createdAt: parts.clock.now(), model, echo: echoOf(body) }, events };
}

/** Keeps question and answer, and reads the answer as it is made. It goes on without the client: `signal` only ends the reading. */
async function follow(parts: DialectParts, viewer: Viewer, asked: Asked, key: string | null, signal: AbortSignal): Promise<Answer> {
  const { message, echo } = await keep(parts, viewer, asked, key);
  const head = { answerId: message.id, createdAt: message.createdAt, model: message.model ?? asked.settings.model ?? '', echo };
  return { head, events: parts.conversations.attach(viewer, message.id, 0, signal, 'each') };
}

/** Stores the question and begins its answer: behind the previous response, or behind the history that the input brings. */
async function keep(parts: DialectParts, viewer: Viewer, { body, settings, messages, previous }: Asked, idempotencyKey: string | null): Promise<Kept> {
  const { model, tools, toolChoice, ...sampling } = settings;
  const { prompt, history, before, question } = placeMessages(messages);
  const echo = echoOf(body);
  const outgoing: Outgoing = {
    content: question.content,
    ...(question.parts ? { parts: question.parts } : {}),
    toolCallId: question.toolCallId,
    model, sampling, tools, toolChoice, idempotencyKey,
    dialect: 'openai',
    answerMetadata: keptMetadata(echo, viewer.userId),
    whole: !body.stream && !body.background,
    withoutModel: 'throw',
  };
  let sent: Sent;
  if (previous) {
    const instructions = body.instructions ? await chainInstructions(parts, viewer, previous, body.instructions) : undefined;
    sent = await parts.conversations.sendAfter(viewer, previous.message.id, { ...outgoing, before: [...history, ...before], instructions });
  } else {
    const instructions = body.instructions ? [body.instructions, ...prompt].join('\n\n') : undefined;
    sent = await parts.conversations.sendWithHistory(viewer, { origin: 'openai', model }, history, { ...outgoing, before, instructions });
  }
  if (!sent.answer) throw new ParleyError('conflict', { message: 'This message was sent before without asking for an answer.' });
  const kept = keptEcho(sent.answer.metadata, viewer.userId);
  // What another route stored under this key is no response: its id would name nothing.
  if (!kept) throw new ParleyError('conflict', { message: 'This idempotency key was used for another message.' });
  return { message: sent.answer, echo: kept };
}

/** Instructions are in place of earlier ones; what the conversation began with (system messages of its input) still holds. */
async function chainInstructions(parts: DialectParts, viewer: Viewer, previous: Kept, instructions: string | null): Promise<string> {
  const { systemPrompt } = await parts.conversations.get(viewer, previous.message.conversationId);
  return [instructions, systemPrompt].filter(Boolean).join('\n\n');
}
