import type { FastifyRequest } from 'fastify';
import { ParleyError } from '../../base/errors.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import type { ModelPull, ModelStore } from '../../core/models/index.ts';
import { goneSignal, jsonLines, openEventStream, requireAdmin, viewerFrom, whileValid, type CredentialWatch, type DialectParts, type DialectScope, type EventStream } from '../shared/index.ts';
import { errorLine } from './errors.ts';
import { findModel } from './names.ts';
import { nameIn } from './models.ts';
import { nameRequest, pullRequest } from './schemas.ts';
import { sourceOf } from './sources.ts';

/** Milliseconds between two lines of progress. */
const reportMs = 300;

/** `POST /api/pull` and `DELETE /api/delete`, for administrators: files in the models folder come and go by them. */
export function registerPulls(scope: DialectScope, parts: DialectParts, credentials: CredentialWatch): void {
  const adminOnly = { onRequest: async (request: FastifyRequest) => requireAdmin(viewerFrom(request)) };
  scope.post('/api/pull', { ...adminOnly, schema: { summary: 'Fetches a model from the hub or an address', body: pullRequest } }, async (request, reply) => {
    const name = nameIn(request.body);
    const viewer = viewerFrom(request);
    if (request.body.stream === false) {
      const revoked = new AbortController();
      const signal = AbortSignal.any([goneSignal(reply), revoked.signal]);
      return reply.send(await whileValid(credentials, viewer, () => revoked.abort(), async () => lastOf(pull(parts, viewer, name, signal))));
    }
    const stream = openEventStream(reply, jsonLines);
    await whileValid(credentials, viewer, () => stream.cut(errorLine(new ParleyError('unauthorized'))), async () => streamSteps(stream, pull(parts, viewer, name, stream.signal)));
    return reply;
  });
  scope.delete('/api/delete', { ...adminOnly, schema: { summary: 'Removes a model file', body: nameRequest } }, async (request, reply) => {
    const { id } = await findModel(parts, viewerFrom(request), nameIn(request.body));
    if (!id.startsWith('llama/')) {
      throw new ParleyError('unsupported_value', { message: `${id} is no file of this server: remove it where it lies.`, parameter: 'model' });
    }
    for (const fileName of await filesOf(parts.modelStore, id.slice('llama/'.length))) await parts.modelStore.remove(fileName);
    return reply.code(200).send();
  });
}

/** The files of a model: one, or all parts of a split one, which is named by its first. */
async function filesOf(store: ModelStore, model: string): Promise<string[]> {
  const split = /^(.+)-00001-of-(\d{5})$/.exec(model);
  if (!split) return [`${model}.gguf`];
  return (await store.list()).map(({ fileName }) => fileName).filter((name) => name.startsWith(`${split[1]}-`) && name.endsWith(`-of-${split[2]}.gguf`));
}

/** A line of progress, in Ollama's form. */
interface Step {
  status: string;
  digest?: string;
  total?: number;
  completed?: number;
}

/**
 * Fetches a model, unless it is there. A fetch that this request began ends when its client leaves; what came of it is
 * kept for the next one.
 * @throws {ParleyError} what the model store throws, and `invalid_request` for names it cannot fetch
 */
async function* pull(parts: DialectParts, viewer: Viewer, name: string, signal: AbortSignal): AsyncGenerator<Step> {
  const { modelStore } = parts;
  const source = sourceOf(name);
  if (source === null) {
    if (await isThere(parts, viewer, name)) return yield { status: 'success' };
    throw new ParleyError('invalid_request', {
      message: `pull model manifest: ${JSON.stringify(name.slice(0, 200))} would be a name of Ollama's own library, which is not read here. Name a GGUF model in the hub (hf.co/owner/repository:Q4_K_M) or the address of a .gguf file.`,
      parameter: 'model',
    });
  }
  const { fileName, sha256, sizeBytes } = await modelStore.inspect(source, signal);
  if ((await modelStore.list()).some((file) => file.fileName === fileName)) return yield { status: 'success' };
  yield { status: 'pulling manifest' };
  const running = (await modelStore.pulls()).find((other) => (other.fileName === fileName || other.source === source) && isRunning(other));
  const { id } = running ?? (await modelStore.pull(source, { sha256, userId: viewer.userId }));
  const status = `pulling ${sha256?.slice(0, 12) ?? fileName}`;
  const digest = sha256 === null ? {} : { digest: `sha256:${sha256}` };
  try {
    for await (const { receivedBytes } of states(modelStore, id, signal)) yield { status, ...digest, total: sizeBytes, completed: receivedBytes };
  } finally {
    if (signal.aborted && !running) await modelStore.cancel(id);
  }
  const ended = await modelStore.pullState(id);
  if (ended.state === 'cancelled') throw new ParleyError('cancelled', { message: 'The download was stopped.' });
  if (ended.state === 'failed') throw new ParleyError('provider_error', { message: ended.error ?? 'The download failed.' });
  yield { status, ...digest, total: sizeBytes, completed: sizeBytes };
  if (sha256 !== null) yield { status: 'verifying sha256 digest' };
  yield { status: 'success' };
}

async function isThere(parts: DialectParts, viewer: Viewer, name: string): Promise<boolean> {
  try {
    return (await findModel(parts, viewer, name)).info !== null;
  } catch (thrown) {
    if (thrown instanceof ParleyError) return false;
    throw thrown;
  }
}

function isRunning({ state }: ModelPull): boolean {
  return state === 'waiting' || state === 'running';
}

/** How far a download is, now and then, until it has ended or nobody waits any more. */
async function* states(store: ModelStore, id: string, signal: AbortSignal): AsyncGenerator<ModelPull> {
  const waiting = new AbortController();
  const ended = store.wait(id, AbortSignal.any([signal, waiting.signal])).then(
    () => true,
    () => true,
  );
  try {
    for (;;) {
      const state = await store.pullState(id);
      if (!isRunning(state)) return;
      yield state;
      let timer: NodeJS.Timeout | undefined;
      const later = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(false), reportMs)));
      const isOver = await Promise.race([ended, later]);
      clearTimeout(timer);
      if (isOver) return;
    }
  } finally {
    waiting.abort();
  }
}

/** What a client learns that waits for the end: that it went well. */
async function lastOf(steps: AsyncIterable<Step>): Promise<Step> {
  let last: Step | null = null;
  for await (const step of steps) last = step;
  if (last?.status !== 'success') throw new ParleyError('cancelled');
  return last;
}

/** Writes steps as lines. A failure before the first is thrown, and gets a status of its own. */
async function streamSteps(stream: EventStream, steps: AsyncIterable<Step>): Promise<void> {
  try {
    for await (const step of steps) {
      const room = stream.write(`${JSON.stringify(step)}\n`);
      if (room) await room;
      if (stream.signal.aborted) return;
    }
    if (!stream.signal.aborted) stream.end();
  } catch (thrown) {
    if (!stream.begun) throw thrown;
    stream.end(errorLine(thrown instanceof ParleyError ? thrown : new ParleyError('internal', { cause: thrown })));
    if (!(thrown instanceof ParleyError)) throw thrown;
  }
}
