import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import { ParleyError } from '../../base/errors.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import { mostBatchesOfOne, mostBatchItems, mostInput, mostTokens, usualTokens, type BatchItem, type BatchOutcome, type ItemOutcome } from '../../features/pipelines/index.ts';
import { goneController, parseJson, takeFrom, text, viewerFrom, whileValid, type CredentialWatch, type DialectScope } from '../shared/index.ts';
import type { UltimateParts } from './parts.ts';
import { everyVersion } from './versions.ts';

/** Bytes of a batch. */
const mostBytes = 4_194_304;

const request = z.object({
  requests: z.array(z.object({
    model: text({ min: 1, max: 300 }).describe('A chat profile, or a model as provider/model or by its bare name'),
    input: text({ min: 1, max: mostInput }),
  })).min(1).describe(`At most ${mostBatchItems}`),
  options: z.object({
    max_tokens: z.int().min(1).max(mostTokens).default(usualTokens),
    temperature: z.number().min(0).max(2).default(0).describe('0 unless told: equal inputs then give equal outputs'),
  }).optional().describe('Addition'),
  backend_model: text({ min: 1, max: 300 }).optional().describe('Addition: the model behind profiles; default that of the server'),
});

const failure = z.object({ code: z.string(), message: z.string() });
const result = z.union([
  z.object({
    index: z.int(), success: z.literal(true), model: z.string(), backend_model: z.string(), output: z.string(), finish_reason: z.string(), latency_ms: z.int(), tokens_used: z.int().nullable(),
    confidence: z.null().describe('The probability of a class, for models that have classes; language models have none'),
  }),
  z.object({ index: z.int(), success: z.literal(false), model: z.string(), error: failure }),
]);
const answer = z.object({
  success: z.literal(true),
  results: z.array(result).describe('In the order of the requests'),
  total: z.int(), succeeded: z.int(), failed: z.int(),
  wall_time_ms: z.int(),
  batched: z.int().describe('Items that an engine evaluated together with others, as it counts its calls'),
  batches: z.array(z.object({
    model: z.string(), items: z.int(), at_once: z.int().describe('Items under way at the same time at most'),
    evaluations: z.int().nullable().describe('Calls of the engine for all of these items; null where they were asked as so many single calls'),
    shared_evaluations: z.int().nullable(), most_together: z.int().nullable(),
  })),
});

/** Many questions in one request. */
export function registerBatch(scope: DialectScope, parts: UltimateParts, credentials: CredentialWatch): void {
  // The published document's own fetch() names no type, so browsers say text/plain. Whose page it is, they say all the same.
  scope.addContentTypeParser('text/plain', { parseAs: 'string' }, async (_request: unknown, body: string) => parseJson(body));
  everyVersion('/api/v4/ai/inference/batch', (url, hide) => {
    scope.post(
      url,
      {
        bodyLimit: mostBytes,
        schema: {
          hide, summary: 'Answers many questions; those to a model of this process are evaluated together',
          description: 'Nothing is kept but what was used. A bad item fails alone. It ends with the client. text/plain is read as JSON.', body: request, response: { 200: answer },
        },
      },
      async (asked, reply) => {
        const viewer = viewerFrom(asked);
        refuseForms(viewer, asked.headers);
        const { requests, options, backend_model: backendModel = null } = asked.body;
        if (requests.length > mostBatchItems) throw new ParleyError('too_large', { message: `A batch has at most ${mostBatchItems} requests.`, parameter: 'requests' });
        const leave = await parts.limiter.hold({ name: 'batches', count: mostBatchesOfOne }, viewer.userId);
        if (!leave) throw new ParleyError('rate_limited', { message: `${mostBatchesOfOne} of your batches are under way already.`, retryAfterMs: 1000 });
        asked.streams = true;
        const gone = goneController(reply);
        try {
          await takeCalls(parts, viewer.userId, requests.length);
          const work = () => parts.pipelines.batch(viewer, requests, { backendModel, maxTokens: options?.max_tokens ?? usualTokens, temperature: options?.temperature ?? 0 }, gone.signal);
          return answerShape(requests, await whileValid(credentials, viewer, () => gone.abort(), work));
        } finally {
          leave();
        }
      },
    );
  });
}

/**
 * Forms of other pages can send text/plain, and browsers of old do not say whose page it is. So with a cookie that has to be said.
 * @throws {ParleyError} `csrf_failed`
 */
function refuseForms(viewer: Viewer, headers: IncomingHttpHeaders): void {
  if (viewer.via !== 'cookie' || !headers['content-type']?.startsWith('text/plain')) return;
  // What is said was looked at when the viewer was found.
  if (headers['sec-fetch-site'] === undefined && headers.origin === undefined && headers['x-csrf-token'] === undefined) throw new ParleyError('csrf_failed');
}

/** Every call of a model counts like one of /v1: all of them, or none when there is no room for all. @throws {ParleyError} `rate_limited`, `invalid_request` */
export async function takeCalls(parts: UltimateParts, userId: string, calls: number): Promise<void> {
  await takeFrom(parts, { name: 'completions', count: parts.settings.limits.completionsPerMinute, windowMs: 60_000 }, userId, calls);
}

function answerShape(requests: readonly BatchItem[], { items, groups, durationMs }: BatchOutcome): z.output<typeof answer> {
  const results = items.map((item, index) => resultShape(requests[index]!.model, item, index));
  const succeeded = results.filter(({ success }) => success).length;
  return {
    success: true,
    results,
    total: results.length,
    succeeded,
    failed: results.length - succeeded,
    wall_time_ms: durationMs,
    batched: groups.reduce((sum, { items: count, engine }) => sum + (engine !== null && engine.shared > 0 ? count : 0), 0),
    batches: groups.map(({ model, items: count, atOnce, engine }) => ({
      model, items: count, at_once: atOnce, evaluations: engine?.evaluations ?? null, shared_evaluations: engine?.shared ?? null, most_together: engine?.most ?? null,
    })),
  };
}

function resultShape(model: string, item: ItemOutcome, index: number): z.output<typeof result> {
  if ('error' in item) return { index, success: false, model, error: { code: item.error.code, message: item.error.message } };
  const { output, model: backend, finish, tokensIn, tokensOut, durationMs } = item;
  return {
    index, success: true, model, backend_model: backend, output, confidence: null, finish_reason: finish, latency_ms: durationMs,
    tokens_used: tokensIn === null || tokensOut === null ? null : tokensIn + tokensOut,
  };
}
