import type { LlamaGrammarEvaluationState, Token } from 'node-llama-cpp';
import { ParleyError } from '../../../../base/errors.ts';
import type { ModelRequest, ResponseFormat } from '../../types.ts';
import type { LoadedChat, LoadedModel } from './engine.ts';
import { anyObjectGrammar, grammarText, schemaGrammar } from './json-grammar.ts';
import { buildPrompt, type Prompt } from './messages.ts';
import { checkSampling } from './options.ts';
import { callGrammar, callTrigger, offeredTools, type OfferedTools, type Trigger } from './tool-form.ts';

/** How a request is going to be answered. */
export interface AnswerPlan {
  prompt: Prompt;
  /** What the answer keeps to from its first token on; null when it begins freely. */
  grammar: LlamaGrammarEvaluationState | null;
  /** Calls of tools, when there may be some. */
  calls: PlannedCalls | null;
}

export interface PlannedCalls {
  names: string[];
  /** The answer is a call from its first token on. */
  isForced: boolean;
  /** The text that begins a call in a free answer. */
  trigger: Trigger;
  /** The grammar of calls, from behind their opening on; made anew for each use. */
  grammar(): Promise<LlamaGrammarEvaluationState>;
}

/**
 * @throws {ParleyError} `unsupported_value` for what this engine cannot do, `invalid_request` for what makes no sense
 */
export async function planAnswer(loaded: LoadedModel, chat: LoadedChat, request: ModelRequest): Promise<AnswerPlan> {
  const { model } = loaded;
  refuseTooMuch(loaded, request);
  checkSampling(request, model);
  const offered = offeredTools(request);
  const format = offered?.isForced === true ? undefined : request.responseFormat;
  refuseMixtures(request, offered, format);
  const calls = offered === null ? null : planCalls(loaded, chat, offered);
  const formatText = format === undefined ? null : formatGrammar(format);
  const isFormed = format !== undefined || calls?.isForced === true;
  const prompt = buildPrompt(loaded, chat.wrapper, {
    messages: request.messages,
    prefill: request.prefill ?? '',
    form: chat.toolForm,
    tools: offered?.tools ?? [],
    instructions: format === undefined ? null : formatInstructions(format),
    skipsReasoning: isFormed || request.reasoningEffort === 'none',
    opening: calls?.isForced === true ? chat.toolForm.opening : '',
  });
  refuseEffort(request, prompt);
  const grammar = formatText !== null ? await openGrammar(loaded, formatText, 'response_format') : calls?.isForced === true ? await calls.grammar() : null;
  return { prompt, grammar, calls };
}

/** The tokens that complete the opening of a call, behind what the model has written of it. */
export function openingTokens(loaded: LoadedModel, { trigger }: PlannedCalls): Token[] {
  return trigger.rest === '' ? [] : loaded.model.tokenize(trigger.rest, true);
}

function planCalls(loaded: LoadedModel, chat: LoadedChat, offered: OfferedTools): PlannedCalls {
  // Written here, so that a schema that cannot be expressed is refused before anything is said.
  const text = callGrammar(chat.toolForm, offered);
  return {
    names: offered.tools.map(({ name }) => name),
    isForced: offered.isForced,
    trigger: callTrigger(chat.toolForm),
    grammar: () => openGrammar(loaded, text, 'tools'),
  };
}

function formatGrammar(format: ResponseFormat): string {
  const { rule, rules } = format.type === 'json_object' ? anyObjectGrammar('answer') : schemaGrammar(format.schema, 'answer', 'response_format');
  return grammarText(rule, rules);
}

/** The grammar fixes the form; what the names in it mean the model has to read. */
function formatInstructions(format: ResponseFormat): string {
  if (format.type === 'json_object') return 'Answer with one JSON object and nothing else.';
  const about = format.description === undefined ? '' : ` (${format.description})`;
  return `Answer with JSON and nothing else. It keeps to this JSON Schema${about}:\n${JSON.stringify(format.schema)}`;
}

async function openGrammar(loaded: LoadedModel, text: string, parameter: string): Promise<LlamaGrammarEvaluationState> {
  const { library, llama, model } = loaded;
  try {
    return new library.LlamaGrammarEvaluationState({ model, grammar: await llama.createGrammar({ grammar: text }) });
  } catch (error) {
    throw new ParleyError('unsupported_value', {
      message: 'The schema cannot be made into a grammar: it refers to itself without end, or is too large.',
      parameter,
      cause: error,
    });
  }
}

/** No token stands for so many characters of what people write. */
const longestToken = 64;

/** To cut a text into tokens is one step, and nobody else is served meanwhile: what is far too long is not even cut. */
function refuseTooMuch({ contextTokens, file }: LoadedModel, { messages, tools, prefill, responseFormat }: ModelRequest): void {
  let characters = (prefill ?? '').length + JSON.stringify(tools ?? []).length + JSON.stringify(responseFormat ?? '').length;
  for (const { content, toolCalls } of messages) characters += content.length + (toolCalls ?? []).reduce((sum, call) => sum + call.arguments.length, 0);
  if (characters <= contextTokens * longestToken) return;
  throw new ParleyError('context_overflow', {
    message: `The conversation has ${characters} characters, far more than the ${contextTokens} tokens that ${file.name} has room for. Shorten it, or raise LLAMA_CONTEXT if the model allows more.`,
  });
}

function refuseMixtures(request: ModelRequest, offered: OfferedTools | null, format: ResponseFormat | undefined): void {
  const refuse = (message: string, parameter: string): never => {
    throw new ParleyError('unsupported_value', { message, parameter });
  };
  if (offered !== null && format !== undefined) {
    refuse('The embedded engine cannot leave it to the model whether to call a tool or to answer in a form: set tool_choice to "none" or "required".', 'response_format');
  }
  if (format !== undefined && (request.prefill ?? '') !== '') refuse('The embedded engine cannot go on with an answer that has to keep to a form.', 'response_format');
  const hasPicture = request.messages.some(({ parts }) => parts?.some(({ type }) => type === 'image') === true);
  if (hasPicture) refuse('The embedded engine reads no pictures. Leave them out, or take a model of another provider.', 'image_url');
}

/** `none` is kept to; how long a model reasons otherwise is its own affair. */
function refuseEffort({ reasoningEffort }: ModelRequest, { reasoning }: Prompt): void {
  if (reasoningEffort === undefined || reasoningEffort === 'none' || reasoning !== null) return;
  throw new ParleyError('unsupported_value', { message: 'This model does not reason, or its template does not say how.', parameter: 'reasoning_effort' });
}
