import type { FastifyReply, FastifyRequest } from 'fastify';
import { isoTime } from '../../base/clock.ts';
import { ParleyError } from '../../base/errors.ts';
import type { ReplyEvent } from '../../core/models/index.ts';
import { goneSignal, jsonLines, openEventStream, viewerFrom, whileValid, type CredentialWatch, type DialectParts, type EventStream } from '../shared/index.ts';
import { Answer, endedSilently, type AnswerForm, type AnswerHead } from './answers.ts';
import { errorLine } from './errors.ts';
import { findModel, type Found } from './names.ts';
import type { Asked } from './requests.ts';
import type { AskingRequest } from './schemas.ts';

/** What the routes that ask a model are made of. */
export interface AskingParts {
  parts: DialectParts;
  credentials: CredentialWatch;
  form: AnswerForm;
}

/**
 * Answers a request: by lines as they come, or whole. Nothing of it is kept but the row of what it used. It ends with
 * the client, and with the credential that asked.
 */
export async function ask<Body extends AskingRequest>(
  { parts, credentials, form }: AskingParts,
  request: FastifyRequest,
  reply: FastifyReply,
  body: Body,
  translate: (body: Body, found: Found) => Asked | null,
): Promise<FastifyReply> {
  const viewer = viewerFrom(request);
  const began = parts.clock.monotonic();
  const found = await findModel(parts, viewer, body.model);
  const asked = translate(body, found);
  if (asked === null) return reply.send(loadAnswer(parts, form, found, body));
  const head: AnswerHead = { id: found.id, names: found.names, form, showsThinking: body.think !== false, clock: parts.clock, began };
  const isWhole = body.stream === false;
  const open = async (signal: AbortSignal): Promise<AsyncIterable<ReplyEvent[]>> =>
    (await parts.conversations.answerUnstored(viewer, { ...asked, model: found.id, dialect: 'ollama', whole: isWhole }, signal)).events;
  if (isWhole) {
    const revoked = new AbortController();
    const signal = AbortSignal.any([goneSignal(reply), revoked.signal]);
    return reply.send(await whileValid(credentials, viewer, () => revoked.abort(), async () => new Answer(head).whole(await open(signal))));
  }
  const stream = openEventStream(reply, jsonLines);
  await whileValid(credentials, viewer, () => stream.cut(errorLine(new ParleyError('unauthorized'))), async () => {
    try {
      await streamAnswer(stream, new Answer(head), await open(stream.signal));
    } catch (thrown) {
      if (!stream.begun) throw thrown;
      parts.log.error({ err: thrown, requestId: request.id }, 'a streamed answer broke');
    }
    // Broken off before anything was sent.
    if (!stream.begun) throw new ParleyError('cancelled');
  });
  return reply;
}

/**
 * One write for each batch; waits for slow clients. Until something was sent a failure is thrown, so that it gets a
 * status of its own; after that it is the last line.
 */
async function streamAnswer(stream: EventStream, answer: Answer, events: AsyncIterable<ReplyEvent[]>): Promise<void> {
  try {
    for await (const batch of events) {
      const lines = answer.lines(batch);
      if (answer.error && !stream.begun) throw answer.error;
      if (answer.ended) return stream.end(lines);
      if (lines === '') continue;
      const room = stream.write(lines);
      if (room) await room;
      if (stream.signal.aborted) return;
    }
    if (stream.signal.aborted) return;
    throw endedSilently();
  } catch (thrown) {
    if (!stream.begun) throw thrown;
    stream.end(errorLine(thrown instanceof ParleyError ? thrown : new ParleyError('internal', { cause: thrown })));
    if (!(thrown instanceof ParleyError)) throw thrown;
  }
}

/**
 * Who asks nothing wants the model loaded, or unloaded with `keep_alive: 0`. Models are loaded by their first use and
 * leave memory by the server's own rule, so a loaded one cannot be sent away.
 * @throws {ParleyError} `not_implemented` to unload a model that is in memory
 */
function loadAnswer({ models, clock }: DialectParts, form: AnswerForm, { id, names }: Found, body: AskingRequest): object {
  const unloads = body.keep_alive !== null && body.keep_alive !== undefined && /^0+(\.0+)?[a-zµ]*$/.test(String(body.keep_alive));
  if (unloads && models.loaded().some((model) => model.id === id)) {
    throw new ParleyError('not_implemented', { message: 'A model cannot be unloaded by hand: it leaves memory when it is not used, or when its memory is needed.' });
  }
  return { model: names.shown(id), created_at: isoTime(clock.now()), ...form.fields({}), done: true, done_reason: unloads ? 'unload' : 'load' };
}
