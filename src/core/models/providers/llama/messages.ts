import type { ChatHistoryItem, ChatModelFunctionCall, ChatModelResponse, ChatWrapper, LlamaText, Token } from 'node-llama-cpp';
import { ParleyError } from '../../../../base/errors.ts';
import type { ModelMessage } from '../../types.ts';
import type { LoadedModel } from './engine.ts';
import type { EngineLibrary } from './library.ts';
import type { AnswerMarks } from './text-filters.ts';

/** A question as the model reads it, and how its answer is to be read. */
export interface Prompt {
  tokens: Token[];
  /** Tokens that end the answer, beside those the model itself names as ends. */
  endTokens: Set<Token>;
  /** Texts that end the answer. */
  endTexts: string[];
  /** How the model marks its reasoning; null when it does not, or the template does not say. */
  reasoning: ReasoningMarks | null;
  /** The prompt already opened the reasoning. */
  startsInReasoning: boolean;
  /** Blanks at the beginning of the answer belong to the template. */
  dropsLeadingBlanks: boolean;
}

export interface ReasoningMarks extends AnswerMarks {
  /** Tokens of the marks that print nothing by themselves, with their text. */
  hidden: Map<Token, string>;
}

/**
 * Puts the messages through the model's own chat template. What people wrote never becomes a control token.
 * @param prefill text the answer already begins with
 * @throws {ParleyError} `invalid_request` when the template refuses the messages
 */
export function buildPrompt(loaded: LoadedModel, wrapper: ChatWrapper, messages: readonly ModelMessage[], prefill: string): Prompt {
  const { library, model } = loaded;
  const thought = wrapper.settings.segments?.thought;
  // An answer that goes on is past its reasoning.
  const marks = prefill === '' ? reasoningMarks(library, model, wrapper) : null;
  const startsInReasoning = marks !== null && (marks.open === '' || thought?.openOnResponseStart === true);
  const answer: ChatModelResponse['response'] = startsInReasoning
    ? [{ type: 'segment', segmentType: 'thought', text: '', ended: false }]
    : prefill === ''
      ? []
      : [prefill];
  const state = render(loaded, wrapper, [...chatHistory(messages), { type: 'model', response: answer }]);
  const { endTokens, endTexts } = answerEnds(state.stopGenerationTriggers, model);
  return {
    tokens: state.contextText.tokenize(model.tokenizer),
    endTokens,
    endTexts,
    reasoning: marks === null ? null : { ...marks, headings: answerHeadings(state) },
    startsInReasoning,
    dropsLeadingBlanks: prefill === '' && (state.ignoreStartText?.length ?? 0) > 0,
  };
}

function render(loaded: LoadedModel, wrapper: ChatWrapper, history: ChatHistoryItem[]) {
  try {
    return wrapper.generateContextState({ chatHistory: history });
  } catch (error) {
    const words = error instanceof Error ? ` (${error.message.slice(0, 300)})` : '';
    throw new ParleyError('invalid_request', {
      message: `The chat template of ${loaded.file.name} does not take these messages${words}.`,
      cause: error,
    });
  }
}

/** Calls of tools and their results, made by whatever model answered before, go to their place in the assistant's turn. */
export function chatHistory(messages: readonly ModelMessage[]): ChatHistoryItem[] {
  const results = new Map(messages.filter(({ role }) => role === 'tool').map(({ toolCallId, content }) => [toolCallId, content]));
  const history: ChatHistoryItem[] = [];
  for (const message of messages) {
    if (message.role === 'system') history.push({ type: 'system', text: message.content });
    else if (message.role === 'user') history.push({ type: 'user', text: message.content });
    else if (message.role === 'assistant') {
      const calls = (message.toolCalls ?? []).map((call): ChatModelFunctionCall => ({
        type: 'functionCall',
        name: call.name,
        params: parsed(call.arguments),
        result: results.get(call.id) ?? null,
      }));
      const response = [...(message.content === '' ? [] : [message.content]), ...calls];
      const last = history.at(-1);
      const continuesCall = last?.type === 'model' && typeof last.response.at(-1) === 'object';
      if (continuesCall) last.response.push(...response);
      else history.push({ type: 'model', response });
    }
  }
  return history;
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json) as unknown;
  } catch {
    return json;
  }
}

function reasoningMarks(
  library: EngineLibrary,
  model: LoadedModel['model'],
  wrapper: ChatWrapper,
): Omit<ReasoningMarks, 'headings'> | null {
  const thought = wrapper.settings.segments?.thought;
  if (thought?.suffix === undefined) return null;
  const suffix = library.LlamaText(thought.suffix);
  const prefix = isOpenedByTemplate(thought.prefix) ? library.LlamaText() : library.LlamaText(thought.prefix as string | LlamaText);
  const close = suffix.toString().trim();
  if (close === '') return null;
  const hidden = new Map<Token, string>();
  for (const token of [...prefix.tokenize(model.tokenizer), ...suffix.tokenize(model.tokenizer)]) {
    if (model.detokenize([token], false) === '') hidden.set(token, model.detokenize([token], true));
  }
  return { open: prefix.toString().trim(), close, hidden };
}

/** Some templates (gpt-oss) put a heading of control tokens before the answer itself. */
function answerHeadings(state: ReturnType<ChatWrapper['generateContextState']>): string[] {
  const inject = state.noPrefixTrigger?.type === 'response' ? state.noPrefixTrigger.inject.toString() : '';
  return inject === '' ? [] : [`assistant${inject}`, inject];
}

function isOpenedByTemplate(prefix: unknown): boolean {
  return typeof prefix === 'object' && prefix !== null && 'type' in prefix && prefix.type === 'openedOnStart';
}

function answerEnds(triggers: readonly LlamaText[], model: LoadedModel['model']): { endTokens: Set<Token>; endTexts: string[] } {
  const endTokens = new Set<Token>();
  const endTexts: string[] = [];
  for (const trigger of triggers) {
    const tokens = trigger.tokenize(model.tokenizer, 'trimLeadingSpace');
    if (tokens.length === 1 && model.isSpecialToken(tokens[0])) endTokens.add(tokens[0]!);
    else if (trigger.values.every((value) => typeof value === 'string' || 'tokenizeSpecialTokensOnly' in value)) {
      const text = trigger.toString().trim();
      if (text !== '') endTexts.push(text);
    }
  }
  return { endTokens, endTexts };
}
