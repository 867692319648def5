import type { FastifyReply } from 'fastify';
import type { z } from 'zod';
import { isoTime } from '../../base/clock.ts';
import { asParleyError, ParleyError } from '../../base/errors.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import type { LangchainTrial } from '../../core/langchain/index.ts';
import { errorHeaders, goneController, viewerFrom, whileValid, type CredentialWatch, type DialectParts, type DialectScope } from '../shared/index.ts';
import { aiMessage, aiMessageAnswer, langchainHealthAnswer, langchainTestAnswer, openaiTestAnswer, trial, unavailableAnswer } from './langchain-schemas.ts';
import { aiMessageShape, breakerShape, healthShape, trialShape, unavailableShape } from './langchain-shapes.ts';
import { takeMessage } from './messages.ts';
import { chatPath } from './schemas.ts';

/** Models by way of the LangChain service: messages, its test, its health; and the test without it. */
export function registerLangchain(scope: DialectScope, parts: DialectParts, credentials: CredentialWatch): void {
  registerAiMessage(scope, parts, credentials);
  registerTests(scope, parts, credentials);
  const { langchain, clock } = parts;
  scope.get('/api/v1/chat/langchain/health', { schema: { summary: 'How the LangChain service and its circuit breaker are', response: { 200: langchainHealthAnswer } } }, async (request) => {
    const health = await langchain.health(viewerFrom(request));
    return {
      success: true as const,
      message: 'LangChain service health check completed',
      data: {
        service_health: healthShape(health),
        circuit_breaker: breakerShape(health.breaker),
        integration_status: health.isActive ? ('active' as const) : ('inactive' as const),
        fallback_available: health.fallbackAvailable,
      },
      timestamp: isoTime(clock.now()),
    };
  });
}

function registerAiMessage(scope: DialectScope, parts: DialectParts, credentials: CredentialWatch): void {
  const { langchain, clock } = parts;
  scope.post(
    '/api/v1/chat/chats/:chat_id/ai-message',
    {
      schema: {
        summary: 'Sends a message that is answered through the LangChain service and nothing else',
        params: chatPath,
        body: aiMessage,
        response: { 200: aiMessageAnswer, 503: unavailableAnswer },
      },
    },
    async (request, reply) => {
      const viewer = viewerFrom(request);
      await takeMessage(parts, viewer);
      const { message: content, stream, save_to_history: save } = request.body;
      const { chat_id: chatId } = request.params;
      try {
        const asked = await whileWanted(credentials, viewer, reply, (signal) => langchain.ask(viewer, chatId, { content, stream, save }, signal));
        return aiMessageShape(asked, chatId, clock.now());
      } catch (thrown) {
        return unavailable(parts, reply, thrown);
      }
    },
  );
}

function registerTests(scope: DialectScope, parts: DialectParts, credentials: CredentialWatch): void {
  const { langchain, clock, settings } = parts;
  scope.post(
    '/api/v1/chat/langchain/test',
    { schema: { summary: 'Tries the LangChain service, and falls back to OpenAI itself when it is at fault', body: trial, response: { 200: langchainTestAnswer, 503: unavailableAnswer } } },
    async (request, reply) => {
      const viewer = viewerFrom(request);
      await takeMessage(parts, viewer);
      const asked = trialFrom(request.body);
      try {
        const tried = await whileWanted(credentials, viewer, reply, (signal) => langchain.test(viewer, asked, signal));
        const { response, ...shape } = trialShape(asked, tried, viewer);
        return {
          success: true as const,
          message: 'LangChain service test completed successfully',
          data: {
            ...shape,
            response: { ...response, fallback_used: tried.fallbackUsed },
            service_info: {
              integration_type: tried.fallbackUsed ? 'LangChain Service (Fallback)' : 'LangChain Service',
              circuit_breaker_state: tried.glance.breaker.state,
              service_url: langchain.url(),
            },
          },
          timestamp: isoTime(clock.now()),
        };
      } catch (thrown) {
        return unavailable(parts, reply, thrown);
      }
    },
  );
  scope.post('/api/v1/chat/openai/test', { schema: { summary: 'Tries OpenAI itself, without the LangChain service', body: trial, response: { 200: openaiTestAnswer } } }, async (request, reply) => {
    const viewer = viewerFrom(request);
    await takeMessage(parts, viewer);
    const asked = trialFrom(request.body);
    const answer = await whileWanted(credentials, viewer, reply, (signal) => langchain.testDirect(viewer, asked, signal));
    return {
      success: true as const,
      message: 'OpenAI test completed successfully',
      data: { ...trialShape(asked, answer, viewer), service_info: { integration_type: 'Direct OpenAI', service_url: settings.openaiBaseUrl } },
      timestamp: isoTime(clock.now()),
    };
  });
}

/** Waits for an answer until the client goes away, or its credential ends. @throws {ParleyError} `unauthorized` */
function whileWanted<Answer>(credentials: CredentialWatch, viewer: Viewer, reply: FastifyReply, wait: (signal: AbortSignal) => Promise<Answer>): Promise<Answer> {
  const gone = goneController(reply);
  return whileValid(credentials, viewer, () => gone.abort(), () => wait(gone.signal));
}

/** @throws {ParleyError} `empty_message` */
function trialFrom({ message, model, temperature, system_prompt: systemPrompt }: z.output<typeof trial>): LangchainTrial {
  if (message.trim() === '') throw new ParleyError('empty_message');
  return { message, model, temperature, systemPrompt: systemPrompt ?? null };
}

/** Answers that the service is out, in the document's own form. @throws what was thrown, when it is anything else */
function unavailable({ langchain, clock, log }: DialectParts, reply: FastifyReply, thrown: unknown): FastifyReply {
  const error = asParleyError(thrown);
  if (error.code !== 'provider_unavailable') throw thrown;
  log.warn({ requestId: reply.request.id, errorCode: error.code, reason: error.message }, 'the LangChain service did not answer');
  for (const [name, value] of Object.entries(errorHeaders(error))) void reply.header(name, value);
  return reply.code(503).send(unavailableShape(error, langchain.glance(), clock.now()));
}
