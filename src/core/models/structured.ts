import { createSchemaCheck, type SchemaCheck } from './json-schema.ts';
import type { FinishReason, ModelRequest, ReplyError, ReplyEvent, ResponseFormat, Usage } from './types.ts';
import { replyErrorOf } from './wire/index.ts';

/** How often an answer that does not keep to its form is asked for again, while nothing of it was shown. */
export const maxFurtherTries = 2;

/** One try: asks the model and yields its reply, as `Models.reply` does. */
export type AskOnce = () => AsyncIterable<ReplyEvent[]>;

/**
 * Replies whose text must be JSON, and fit a schema where there is one. Many services promise this themselves and some
 * only say that they do, so what comes is looked at, whoever made it.
 *
 * With `whole` nothing was shown before the end: an answer that does not fit is asked for again, at most twice, and the
 * usage of all tries is told as one. Else what was shown stays: an answer that does not fit a schema with `strict` ends
 * with an error in place of its finish, any other one passes. Answers that are not the text asked for are left alone:
 * those cut by their length or a filter, refusals, and calls of tools.
 */
export function keepToFormat(format: ResponseFormat, request: Pick<ModelRequest, 'whole' | 'prefill'>, askOnce: AskOnce, signal: AbortSignal): AsyncIterable<ReplyEvent[]> {
  return request.whole ? wholeReply(format, askOnce, request.prefill ?? '', signal) : streamedReply(format, askOnce, request.prefill ?? '', signal);
}

async function* wholeReply(format: ResponseFormat, askOnce: AskOnce, prefill: string, signal: AbortSignal): AsyncGenerator<ReplyEvent[]> {
  const check = prepare(format);
  if ('refused' in check) return yield [{ type: 'error', error: check.refused }];
  let spent: Usage = {};
  let complaint = '';
  for (let attempt = 0; attempt <= maxFurtherTries; attempt += 1) {
    const events: ReplyEvent[] = [];
    for await (const batch of askOnce()) events.push(...batch);
    spent = sum(spent, events.findLast((event) => event.type === 'usage')?.usage ?? {});
    const said = readText(events, prefill);
    complaint = said.isToBeChecked ? await check.complaint(said.text, signal) : '';
    if (complaint === '') {
      yield attempt === 0 ? events : withUsage(events, spent);
      return;
    }
  }
  yield [{ type: 'usage', usage: spent }, { type: 'error', error: unfit(format, complaint, maxFurtherTries + 1) }];
}

async function* streamedReply(format: ResponseFormat, askOnce: AskOnce, prefill: string, signal: AbortSignal): AsyncGenerator<ReplyEvent[]> {
  const check = prepare(format);
  if ('refused' in check) return yield [{ type: 'error', error: check.refused }];
  const isBinding = format.type === 'json_schema' && format.strict === true;
  const said: ReplyEvent[] = [];
  for await (const batch of askOnce()) {
    const last = batch.at(-1)!;
    if (isBinding) said.push(...batch.filter((event) => event.type !== 'logprobs' && event.type !== 'reasoning'));
    if (isBinding && last.type === 'finish') {
      const { isToBeChecked, text } = readText(said, prefill);
      const complaint = isToBeChecked ? await check.complaint(text, signal) : '';
      if (complaint !== '') {
        yield [...batch.slice(0, -1), { type: 'error', error: unfit(format, complaint, 1) }];
        return;
      }
    }
    yield batch;
  }
}

/** A check that is ready, or why there is none. */
function prepare(format: ResponseFormat): SchemaCheck | { refused: ReplyError } {
  try {
    return format.type === 'json_schema' ? createSchemaCheck(format.schema) : { complaint: (text) => Promise.resolve(objectComplaint(text)) };
  } catch (thrown) {
    return { refused: replyErrorOf(thrown) };
  }
}

function objectComplaint(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? '' : 'it is JSON, but no object';
  } catch {
    return 'it is no JSON';
  }
}

/** The text of a reply, and whether it is the answer that the format is meant for. */
function readText(events: readonly ReplyEvent[], prefill: string): { text: string; isToBeChecked: boolean } {
  let text = prefill;
  let reason: FinishReason | null = null;
  let isOther = false;
  for (const event of events) {
    if (event.type === 'text') text += event.text;
    if (event.type === 'finish') reason = event.reason;
    if (event.type === 'tool' || (event.type === 'text' && event.isRefusal)) isOther = true;
  }
  return { text, isToBeChecked: reason === 'stop' && !isOther };
}

function unfit(format: ResponseFormat, complaint: string, tries: number): ReplyError {
  const what = format.type === 'json_schema' ? `the schema ${JSON.stringify(format.name)}` : 'response_format json_object';
  const often = tries === 1 ? '' : `, ${tries} times in a row`;
  // The service did what it could: another model may do better, the breaker has no part in it.
  return { code: 'provider_error', message: `The model's answer does not keep to ${what}${often}: ${complaint}.`, parameter: 'response_format', serviceFault: false };
}

function sum(one: Usage, other: Usage): Usage {
  const total: Usage = { ...one };
  for (const name of ['tokensIn', 'tokensOut', 'tokensReasoning', 'tokensCached', 'durationNs'] as const) {
    const added = other[name];
    if (added !== undefined) total[name] = (total[name] ?? 0) + added;
  }
  return total;
}

/** The events with this usage in place of their own, before the end. */
function withUsage(events: readonly ReplyEvent[], usage: Usage): ReplyEvent[] {
  const others = events.filter((event) => event.type !== 'usage');
  return [...others.slice(0, -1), { type: 'usage', usage }, others.at(-1)!];
}
