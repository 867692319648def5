import type {
  ChatHistoryItem,
  ChatModelFunctionCall,
  ChatModelFunctions,
  ChatModelResponse,
  ChatWrapper,
  GbnfJsonSchema,
  LlamaText,
  Token,
} from 'node-llama-cpp';
import { ParleyError } from '../../../../base/errors.ts';
import type { ModelMessage, ToolDefinition } from '../../types.ts';
import type { LoadedModel } from './engine.ts';
import type { EngineLibrary } from './library.ts';
import type { AnswerMarks } from './text-filters.ts';
import { plainCall, toolInstructions, type ToolForm } from './tool-form.ts';

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

/** What is to be asked, and how the answer is to begin. */
export interface PromptRequest {
  messages: readonly ModelMessage[];
  /** Text the answer already begins with; empty for a new answer. */
  prefill: string;
  /** How calls of tools are written. */
  form: ToolForm;
  /** Tools to offer; empty for none. */
  tools: readonly ToolDefinition[];
  /** Put into the system prompt; null for nothing. */
  instructions: string | null;
  /** The answer is to come without reasoning: at once in its form, or because it was asked so. */
  skipsReasoning: boolean;
  /** Put behind the prompt, as if the model had begun so: the opening of a call. */
  opening: string;
}

/**
 * Puts the messages through the model's own chat template. What people wrote never becomes a control token.
 * @throws {ParleyError} `invalid_request` when the template refuses the messages
 */
export function buildPrompt(loaded: LoadedModel, wrapper: ChatWrapper, request: PromptRequest): Prompt {
  const { library, model } = loaded;
  const { prefill, form, tools } = request;
  const thought = wrapper.settings.segments?.thought;
  // An answer that goes on is past its reasoning.
  const marks = prefill === '' ? reasoningMarks(library, model, wrapper) : null;
  const closesReasoning = marks !== null && request.skipsReasoning;
  const startsInReasoning = marks !== null && !closesReasoning && (marks.open === '' || thought?.openOnResponseStart === true);
  const answer: ChatModelResponse['response'] = startsInReasoning || closesReasoning
    ? [{ type: 'segment', segmentType: 'thought', text: '', ended: closesReasoning }]
    : prefill === ''
      ? []
      : [prefill];
  const history = chatHistory(request.messages, form, instructionsOf(request));
  const last = history.at(-1);
  // Results of tools stand within the turn that goes on behind them.
  if (last?.type === 'model' && endsWithCall(last)) last.response.push(...answer);
  else history.push({ type: 'model', response: answer });
  const state = render(loaded, wrapper, history, form.isPlain ? [] : tools);
  const { endTokens, endTexts } = answerEnds(state.stopGenerationTriggers, model);
  const heading = closesReasoning || request.skipsReasoning ? answerHeading(state, request) : '';
  const tokens = state.contextText.tokenize(model.tokenizer);
  return {
    tokens: heading + request.opening === '' ? tokens : [...tokens, ...model.tokenize(heading + request.opening, true)],
    endTokens,
    endTexts,
    reasoning: marks === null || closesReasoning ? null : { ...marks, headings: answerHeadings(state) },
    startsInReasoning,
    dropsLeadingBlanks: prefill === '' && (state.ignoreStartText?.length ?? 0) > 0,
  };
}

function instructionsOf({ form, tools, instructions }: PromptRequest): string {
  const parts = [...(form.isPlain && tools.length > 0 ? [toolInstructions(tools)] : []), ...(instructions === null ? [] : [instructions])];
  return parts.join('\n\n');
}

function render(loaded: LoadedModel, wrapper: ChatWrapper, history: ChatHistoryItem[], tools: readonly ToolDefinition[]) {
  try {
    return wrapper.generateContextState({
      chatHistory: history,
      ...(tools.length === 0 ? {} : { availableFunctions: templateTools(tools), documentFunctionParams: true }),
    });
  } catch (error) {
    const words = error instanceof Error ? ` (${error.message.slice(0, 300)})` : '';
    throw new ParleyError('invalid_request', {
      message: `The chat template of ${loaded.file.name} does not take these messages${words}.`,
      cause: error,
    });
  }
}

/** The schemas go into the prompt as they are: what the grammar of the library can say of them does not matter there. */
function templateTools(tools: readonly ToolDefinition[]): ChatModelFunctions {
  return Object.fromEntries(
    tools.map(({ name, description, parameters }) => [
      name,
      { ...(description === undefined ? {} : { description }), params: { type: 'object', ...parameters } as unknown as GbnfJsonSchema },
    ]),
  );
}

/**
 * Calls of tools and their results, made by whatever model answered before, go to their place in the assistant's turn;
 * where the template has no place for them they are written as text.
 * @param instructions added to the system prompt; empty for nothing
 */
export function chatHistory(messages: readonly ModelMessage[], form: ToolForm, instructions = ''): ChatHistoryItem[] {
  const results = new Map(messages.filter(({ role }) => role === 'tool').map(({ toolCallId, content }) => [toolCallId, content]));
  const history: ChatHistoryItem[] = [];
  for (const message of messages) {
    const { role, content } = message;
    if (role === 'system') history.push({ type: 'system', text: content });
    else if (role === 'user') history.push({ type: 'user', text: content });
    else if (role === 'assistant') addAnswer(history, message, form, results);
    else if (form.isPlain) history.push({ type: 'user', text: `<tool_response>\n${content}\n</tool_response>` });
  }
  if (instructions === '') return history;
  const first = history[0];
  if (first?.type === 'system') first.text = `${String(first.text)}\n\n${instructions}`;
  else history.unshift({ type: 'system', text: instructions });
  return history;
}

function addAnswer(history: ChatHistoryItem[], message: ModelMessage, form: ToolForm, results: ReadonlyMap<string | undefined, string>): void {
  const { content, toolCalls = [] } = message;
  const calls = form.isPlain
    ? toolCalls.map((call) => plainCall(call.name, call.arguments)).join('\n')
    : toolCalls.map((call, index): ChatModelFunctionCall => ({
        type: 'functionCall',
        name: call.name,
        params: parsed(call.arguments),
        result: results.get(call.id) ?? null,
        startsNewChunk: index === 0,
      }));
  const text = [content, ...(typeof calls === 'string' ? [calls] : [])].filter((part) => part !== '').join('\n');
  const response = [...(text === '' ? [] : [text]), ...(typeof calls === 'string' ? [] : calls)];
  const last = history.at(-1);
  if (last?.type === 'model' && endsWithCall(last)) last.response.push(...response);
  else history.push({ type: 'model', response });
}

function endsWithCall({ response }: ChatModelResponse): boolean {
  const last = response.at(-1);
  return typeof last === 'object' && last.type === 'functionCall';
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

/** The heading that has to stand before an answer that begins at once. A call has its own. */
function answerHeading(state: ReturnType<ChatWrapper['generateContextState']>, { opening, prefill }: PromptRequest): string {
  if (opening !== '' || prefill !== '') return '';
  return state.noPrefixTrigger?.type === 'response' ? state.noPrefixTrigger.inject.toString() : '';
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
