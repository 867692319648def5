import { ParleyError } from '../../../../base/errors.ts';
import { createLineSplitter, ReplyFault, replyErrorOf, StreamFormError, toParleyError, toReplyError, truncated, unreadable, wholePatience, type HttpAnswer } from '../../wire/index.ts';
import { label, readPullError } from './errors.ts';
import type { Instance } from './instance.ts';

/** How far a download is, as the instance says. */
export interface PullProgress {
  /** Its own words: `pulling manifest`, `pulling 6a0746a1ec1a`, `verifying sha256 digest`, ... */
  status: string;
  completedBytes: number;
  /** Of the parts that it has named so far; 0 before the first. */
  totalBytes: number;
}

/** A line of POST /api/pull. Nothing in it is trusted to be there. */
interface WirePull {
  status?: unknown;
  error?: unknown;
  digest?: unknown;
  total?: unknown;
  completed?: unknown;
}

/** Longest line, and most parts of one model. */
const maxLineLength = 65_536;
const maxParts = 10_000;
/** Longest status that is told. */
const maxStatusLength = 200;

/**
 * Makes an instance fetch a model from its registry. Ends when the instance has said that it succeeded and lists the model;
 * leaving early ends the download there, which keeps what it has for the next time.
 * @param timeoutMs milliseconds without a byte after which it is given up, several times over: checking a large file is silent
 * @throws {ParleyError} `model_not_found`, `invalid_request`, `provider_unavailable`, `provider_error`, `provider_timeout`, `cancelled`
 */
export async function* pullTo(instance: Instance, model: string, signal: AbortSignal, timeoutMs: number): AsyncGenerator<PullProgress> {
  const end = instance.record.begin('pull');
  try {
    yield* readPull(instance, model, signal, timeoutMs);
    await requireListed(instance, model);
    end('well');
  } catch (thrown) {
    const error = thrown instanceof ParleyError ? thrown : toParleyError(toReplyError(thrown, instance.service.label, instance.service.host), thrown);
    end(replyErrorOf(error).serviceFault ? 'failed' : 'refused');
    throw error;
  } finally {
    end('refused');
  }
}

async function* readPull(instance: Instance, model: string, signal: AbortSignal, timeoutMs: number): AsyncGenerator<PullProgress> {
  const { service } = instance;
  const request = { ...instance.request('POST', '/api/pull', signal, JSON.stringify({ model, stream: true })), timeoutMs: timeoutMs * wholePatience };
  const answer = await service.client.open(request);
  if (answer.status !== 200) throw new ReplyFault(refused(await answer.body.text(maxLineLength), answer.status));
  const parts = new Map<string, { total: number; completed: number }>();
  let status = '';
  let hasSucceeded = false;
  const lines = createLineSplitter((text) => {
    if (text.trim() === '') return;
    const line = JSON.parse(text) as WirePull | null;
    if (line?.error !== undefined && line.error !== null) throw new ReplyFault(readPullError(line.error));
    if (typeof line?.status === 'string') status = line.status.slice(0, maxStatusLength);
    if (typeof line?.digest === 'string' && (parts.size < maxParts || parts.has(line.digest))) parts.set(line.digest, { total: bytes(line.total), completed: bytes(line.completed) });
    hasSucceeded = status === 'success';
  }, maxLineLength);
  try {
    for await (const chunks of readsOf(answer.body)) {
      inForm(() => chunks.forEach((chunk) => lines.push(chunk)));
      yield progressOf(status, parts);
    }
    inForm(() => lines.end());
  } finally {
    answer.body.close();
  }
  if (!hasSucceeded) throw new ReplyFault(truncated(label));
}

async function* readsOf(body: HttpAnswer['body']): AsyncGenerator<Buffer[]> {
  for (let chunks = await body.next(); chunks !== null; chunks = await body.next()) yield chunks;
}

/** @throws {ReplyFault} for what is no line of Ollama's */
function inForm(step: () => void): void {
  try {
    step();
  } catch (thrown) {
    if (thrown instanceof SyntaxError || thrown instanceof StreamFormError) throw new ReplyFault(unreadable({ label }), thrown);
    throw thrown;
  }
}

function progressOf(status: string, parts: ReadonlyMap<string, { total: number; completed: number }>): PullProgress {
  let [completedBytes, totalBytes] = [0, 0];
  for (const { total, completed } of parts.values()) {
    totalBytes += total;
    completedBytes += Math.min(completed, total);
  }
  return { status, completedBytes, totalBytes };
}

function refused(body: string, status: number) {
  let words: unknown = '';
  try {
    words = (JSON.parse(body) as { error?: unknown } | null)?.error;
  } catch {
    // A page of a proxy: the status alone has to do.
    words = `HTTP ${status}`;
  }
  return { ...readPullError(words), status };
}

/** What an instance says of its success counts only when it lists the model. @throws {ParleyError} `provider_error` */
async function requireListed(instance: Instance, model: string): Promise<void> {
  // The first look may be one that somebody has asked for before the model was there.
  for (let look = 0; look < 2; look += 1) {
    await instance.look();
    if (instance.has(model)) return;
  }
  throw toParleyError({ code: 'provider_error', message: `${instance.service.label} says that it has fetched the model, and does not list it.`, serviceFault: true });
}

function bytes(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0;
}
