import { newId } from '../../../../base/ids.ts';
import type { FinishReason, ReplyEvent, TokenLogprob, Usage } from '../../types.ts';
import { count, createDocumentReader, createEventReader, ReplyFault, serviceWords, StreamFormError, tokenByText, type AnswerForm, type Reading, type ReplyReader } from '../../wire/index.ts';
import { holdsError, readEventError } from './errors.ts';

/** A chunk of a stream, or a whole answer: both have the same form. Nothing in it is trusted to be there. */
interface WireAnswer {
  modelVersion?: unknown;
  candidates?: (WireCandidate | null)[] | null;
  promptFeedback?: { blockReason?: unknown } | null;
  usageMetadata?: WireUsage | null;
}

interface WireCandidate {
  content?: { parts?: (WirePart | null)[] | null } | null;
  finishReason?: unknown;
  finishMessage?: unknown;
  logprobsResult?: { chosenCandidates?: unknown; topCandidates?: unknown } | null;
}

interface WirePart {
  text?: unknown;
  /** The text is a summary of the model's thoughts. */
  thought?: unknown;
  thoughtSignature?: unknown;
  functionCall?: { id?: unknown; name?: unknown; args?: unknown } | null;
}

interface WireUsage {
  promptTokenCount?: unknown;
  toolUsePromptTokenCount?: unknown;
  cachedContentTokenCount?: unknown;
  candidatesTokenCount?: unknown;
  thoughtsTokenCount?: unknown;
}

/** Longest name a model may give itself. */
const maxModelName = 200;
/** Most tool calls in one answer. */
const maxToolCalls = 128;
/** Most tokens in the place of one: the service gives 20 at most. */
const maxAlternatives = 20;

/** What an answer is read with. */
export interface ReplyReading extends Reading {
  /** Keeps what the model signed its thoughts before a tool call with. */
  keepSignature(callId: string, signature: string): void;
}

/**
 * Reads the stream of POST ...:streamGenerateContent?alt=sse. Nothing marks its end: it is whole when a reason to finish
 * came, and the figures that come with the last chunk count.
 */
export function createGenerateReplyReader(reading: ReplyReading): ReplyReader {
  return createEventReader(createAnswerForm(reading), reading);
}

/** Reads the answer of POST ...:generateContent. */
export function createGenerateReader(reading: ReplyReading): ReplyReader {
  return createDocumentReader(createAnswerForm(reading), reading);
}

function createAnswerForm(reading: ReplyReading): AnswerForm {
  let finish: FinishReason | null = null;
  let isNamed = false;
  let calls = 0;

  const takeCall = (part: WirePart, events: ReplyEvent[]): void => {
    if (calls >= maxToolCalls) throw new StreamFormError(`more than ${maxToolCalls} tool calls`);
    const { id: given, name, args } = part.functionCall!;
    // Gemini 3 names its calls, earlier models do not.
    const id = typeof given === 'string' && given !== '' ? given : `call_${newId().replaceAll('-', '')}`;
    if (typeof part.thoughtSignature === 'string') reading.keepSignature(id, part.thoughtSignature);
    events.push({ type: 'tool', index: calls, id, name: typeof name === 'string' ? name : '', arguments: JSON.stringify(args ?? {}) });
    calls += 1;
  };
  const takeCandidate = (candidate: WireCandidate, events: ReplyEvent[]): void => {
    for (const part of candidate.content?.parts ?? []) {
      if (part?.functionCall) takeCall(part, events);
      else if (typeof part?.text === 'string' && part.text !== '') events.push({ type: part.thought === true ? 'reasoning' : 'text', text: part.text });
    }
    const tokens = toLogprobs(candidate.logprobsResult);
    if (tokens.length > 0) events.push({ type: 'logprobs', tokens });
  };

  return {
    finish: () => finish,
    take(part, events) {
      if (holdsError(part)) throw new ReplyFault(readEventError(part, reading));
      const answer = part as WireAnswer;
      if (!isNamed && typeof answer.modelVersion === 'string' && answer.modelVersion !== '') {
        isNamed = true;
        events.push({ type: 'model', model: answer.modelVersion.slice(0, maxModelName) });
      }
      const candidate = answer.candidates?.[0];
      if (candidate) takeCandidate(candidate, events);
      // Every chunk repeats the figures so far: the last ones count, also for an answer that is stopped or breaks off.
      if (answer.usageMetadata) events.push({ type: 'usage', usage: toUsage(answer.usageMetadata) });
      if (candidate) finish = toFinishReason(candidate, calls > 0, reading) ?? finish;
      // A question that is blocked has no answer, only the reason.
      else if (typeof answer.promptFeedback?.blockReason === 'string') finish = 'content_filter';
      return false;
    },
  };
}

/**
 * Null before the end.
 * @throws {ReplyFault} for ends that are faults of the model: it made something that is no tool call
 */
function toFinishReason({ finishReason, finishMessage }: WireCandidate, hasCalls: boolean, reading: Reading): FinishReason | null {
  if (typeof finishReason !== 'string' || finishReason === 'FINISH_REASON_UNSPECIFIED') return null;
  switch (finishReason) {
    case 'MAX_TOKENS':
      return 'length';
    case 'SAFETY':
    case 'RECITATION':
    case 'BLOCKLIST':
    case 'PROHIBITED_CONTENT':
    case 'SPII':
    case 'LANGUAGE':
    case 'IMAGE_SAFETY':
    case 'IMAGE_PROHIBITED_CONTENT':
    case 'IMAGE_RECITATION':
      return 'content_filter';
    case 'MALFORMED_FUNCTION_CALL':
    case 'UNEXPECTED_TOOL_CALL':
    case 'TOO_MANY_TOOL_CALLS':
    case 'MISSING_THOUGHT_SIGNATURE':
    case 'MALFORMED_RESPONSE': {
      const said = serviceWords(finishMessage, reading.apiKey);
      const words = said === '' ? '' : ` It says: ${said}`;
      throw new ReplyFault({ code: 'provider_error', message: `The model of ${reading.label} made something that is no answer and no tool call (${finishReason}).${words}`, serviceFault: true });
    }
    default:
      return hasCalls ? 'tool' : 'stop';
  }
}

/** Thoughts are made, and paid, like text; what tools of the service's own read is read, too. */
function toUsage(usage: WireUsage): Usage {
  return {
    ...count('tokensIn', sum(usage.promptTokenCount, usage.toolUsePromptTokenCount)),
    ...count('tokensOut', sum(usage.candidatesTokenCount, usage.thoughtsTokenCount)),
    ...count('tokensReasoning', usage.thoughtsTokenCount),
    ...count('tokensCached', usage.cachedContentTokenCount),
  };
}

/** The sum of those that are there; undefined when none is. */
function sum(one: unknown, other: unknown): unknown {
  if (typeof one !== 'number') return other;
  return typeof other === 'number' ? one + other : one;
}

function toLogprobs(result: WireCandidate['logprobsResult']): TokenLogprob[] {
  const chosen = (Array.isArray(result?.chosenCandidates) ? result.chosenCandidates : []) as unknown[];
  const tops = (Array.isArray(result?.topCandidates) ? result.topCandidates : []) as ({ candidates?: unknown } | null)[];
  return chosen.flatMap((entry, index) => {
    const token = toToken(entry);
    const others = tops[index]?.candidates;
    return token ? [{ ...token, top: (Array.isArray(others) ? others.slice(0, maxAlternatives) : []).flatMap((other) => toToken(other) ?? []) }] : [];
  });
}

function toToken(entry: unknown): Omit<TokenLogprob, 'top'> | null {
  const { token, logProbability } = (entry ?? {}) as { token?: unknown; logProbability?: unknown };
  return tokenByText(token, logProbability);
}
