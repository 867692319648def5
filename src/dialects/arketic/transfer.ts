import type { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { isoTime } from '../../base/clock.ts';
import { ParleyError } from '../../base/errors.ts';
import type { ImportState } from '../../core/conversations/index.ts';
import { openEventStream, viewerFrom, type CredentialWatch, type DialectParts, type DialectScope } from '../shared/index.ts';
import { chatPath } from './schemas.ts';
import { exportAllQuery, exportQuery, importAnswer, importPath, importsAnswer } from './transfer-schemas.ts';

/** Files that one user may send or fetch at the same time. */
const filesAtOnce = { name: 'chat-files', count: 2 };

/** Chats as files. All of it is added to the document. */
export function registerTransfer(scope: DialectScope, parts: DialectParts, credentials: CredentialWatch): void {
  const { transfers } = parts;
  scope.get(
    '/api/v1/chat/chats/:chat_id/export',
    { exposeHeadRoute: false, schema: { summary: 'Addition: a chat as a file: whole as JSON, or its shown branch as Markdown', params: chatPath, querystring: exportQuery } },
    async (request, reply) => {
      const { chat_id: id } = request.params;
      const isMarkdown = request.query.format === 'markdown';
      return sendFile(parts, credentials, request, reply, {
        name: `chat-${id}.${isMarkdown ? 'md' : 'json'}`, isMarkdown, pieces: (signal) => (isMarkdown ? transfers.exportMarkdown(viewerFrom(request), id, signal) : transfers.exportJson(viewerFrom(request), id, signal)),
      });
    },
  );
  scope.get(
    '/api/v1/chat/export',
    { exposeHeadRoute: false, schema: { summary: 'Addition: all own chats but those in the trash, as one JSON file', querystring: exportAllQuery } },
    async (request, reply) => sendFile(parts, credentials, request, reply, { name: 'chats.json', isMarkdown: false, pieces: (signal) => transfers.exportJson(viewerFrom(request), null, signal) }),
  );
  registerImports(scope, parts);
}

interface OutgoingFile {
  name: string;
  isMarkdown: boolean;
  pieces(signal: AbortSignal): AsyncGenerator<string>;
}

/** Sends a file piece by piece, as fast as it is read. One that cannot be sent whole breaks off, so that nobody takes it for whole. */
async function sendFile(parts: DialectParts, credentials: CredentialWatch, request: FastifyRequest, reply: FastifyReply, file: OutgoingFile): Promise<FastifyReply> {
  const viewer = viewerFrom(request);
  const free = await place(parts, viewer.userId);
  const stream = openEventStream(reply, { contentType: file.isMarkdown ? 'text/markdown; charset=utf-8' : 'application/json; charset=utf-8', keepAlive: null });
  const stopWatching = credentials.watch(viewer, () => reply.raw.destroy());
  try {
    const pieces = file.pieces(stream.signal);
    const first = await pieces.next();
    reply.header('content-disposition', `attachment; filename="${file.name.replaceAll(/[^\w.-]/g, '_')}"`);
    await stream.write(first.value ?? '');
    for await (const piece of pieces) await stream.write(piece);
    stream.end();
  } catch (thrown) {
    if (!stream.begun) throw thrown;
    if (!stream.signal.aborted) parts.log.error({ err: thrown, requestId: request.id }, 'an export broke off');
    reply.raw.destroy();
  } finally {
    stopWatching();
    free();
  }
  return reply;
}

function registerImports(scope: DialectScope, parts: DialectParts): void {
  const { transfers } = parts;
  const mostBytes = Math.max(1, Math.min(transfers.maxBytes, parts.settings.maxContentLength));
  // The body of this route goes to the disk as it comes, and is no JSON for the server to parse.
  void scope.register(async (inner) => {
    inner.removeAllContentTypeParsers();
    inner.addContentTypeParser(['application/json', 'application/octet-stream'], (_request: unknown, body: unknown, done: (error: null, body: unknown) => void) => done(null, body));
    inner.post(
      '/api/v1/chat/import',
      {
        bodyLimit: mostBytes,
        schema: {
          summary: 'Addition: imports a file of chats: an export of this project, or conversations.json of ChatGPT',
          description: 'The body is the file. It is imported by a job, which goes on when the server restarts; ask for its state.',
          response: { 202: importAnswer },
        },
      },
      async (request, reply) => {
        const viewer = viewerFrom(request);
        const body = request.body as Readable | undefined;
        if (Number(request.headers['content-length'] ?? 0) > mostBytes) throw new ParleyError('too_large', { message: `A file may have ${mostBytes} bytes.` });
        if (!body) throw new ParleyError('invalid_request', { message: 'The file is empty.' });
        const free = await place(parts, viewer.userId);
        try {
          // Not destroyed when it is refused in the middle: the answer, and the next request, go over the same connection.
          const state = await transfers.importFile(viewer, body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>);
          return await reply.code(202).send(importShape(state));
        } finally {
          body.resume();
          free();
        }
      },
    );
  });
  scope.get('/api/v1/chat/imports', { schema: { summary: 'Addition: own imports, the newest first', response: { 200: importsAnswer } } }, async (request) => ({
    imports: (await transfers.imports(viewerFrom(request))).map((state) => ({ ...importShape(state), chats: [] })),
  }));
  scope.get('/api/v1/chat/imports/:import_id', { schema: { summary: 'Addition: how an import stands, and what became of each chat', params: importPath, response: { 200: importAnswer } } }, async (request) =>
    importShape(await transfers.importState(viewerFrom(request), request.params.import_id)),
  );
  scope.post('/api/v1/chat/imports/:import_id/cancel', { schema: { summary: 'Addition: stops an import; chats that it has imported whole stay', params: importPath, response: { 200: importAnswer } } }, async (request) =>
    importShape(await transfers.cancelImport(viewerFrom(request), request.params.import_id)),
  );
}

/** @throws {ParleyError} `rate_limited` */
async function place({ limiter }: DialectParts, userId: string): Promise<() => void> {
  const free = await limiter.hold(filesAtOnce, userId);
  if (!free) throw new ParleyError('rate_limited', { message: `At most ${filesAtOnce.count} files at the same time.`, retryAfterMs: 1000 });
  return free;
}

function importShape({ id, state, progress, counts, entries, unlisted, error, createdAt, endedAt }: ImportState): z.output<typeof importAnswer> {
  return {
    id, state, progress, ...counts,
    chats: entries.map(({ title, sourceId, outcome, conversationId, messages, remarks }) => ({ title, source_id: sourceId, outcome, chat_id: conversationId, messages, remarks })),
    unlisted, error, created_at: isoTime(createdAt), ended_at: endedAt === null ? null : isoTime(endedAt),
  };
}
