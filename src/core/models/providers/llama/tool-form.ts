import type { ChatWrapper, LlamaModel, LlamaText } from 'node-llama-cpp';
import { ParleyError } from '../../../../base/errors.ts';
import type { ModelRequest, ToolDefinition } from '../../types.ts';
import type { EngineLibrary } from './library.ts';
import { anyObjectGrammar, grammarText, literal, schemaGrammar } from './json-grammar.ts';

/**
 * How a model writes calls of tools: `opening name middle(name) JSON closing(name)`, then perhaps `between name ...`,
 * then `end`. The texts come from the chat template where it has a form for calls, else they are those of Hermes,
 * which most models have seen: <tool_call>{"name": ..., "arguments": ...}</tool_call>.
 */
export interface ToolForm {
  /** The template has no form of its own: the tools are described by us, in the system prompt. */
  isPlain: boolean;
  opening: string;
  middle(name: string): string;
  closing(name: string): string;
  /** From the end of one call to the name of the next; null where there can be but one. */
  between: string | null;
  end: string;
}

/** The part of the opening that tells that a call begins, and the rest of it, which is put there for the model. */
export interface Trigger {
  text: string;
  rest: string;
}

/** Most calls in one answer. */
const mostCalls = 16;
/** Names as the OpenAI API allows them; they are put into a grammar and a prompt. */
const namePattern = /^[a-zA-Z0-9_.:-]{1,128}$/;
const mostTools = 256;

export const plainForm: ToolForm = {
  isPlain: true,
  opening: '<tool_call>\n{"name": "',
  middle: () => '", "arguments": ',
  closing: () => '}\n</tool_call>',
  between: '\n<tool_call>\n{"name": "',
  end: '',
};

/** The form of a chat template. */
export function toolForm(library: EngineLibrary, model: LlamaModel, wrapper: ChatWrapper): ToolForm {
  const { functions } = wrapper.settings;
  if (functions.call === library.ChatWrapper.defaultSettings.functions.call) return plainForm;
  const text = (value: string | LlamaText | undefined): string => visibleText(library, model, value);
  const filled = (value: string | LlamaText) => (name: string): string => text(value).replaceAll('{{functionName}}', name);
  const prefix = text(functions.call.prefix);
  const opening = `${text(functions.parallelism?.call.sectionPrefix)}${prefix}`;
  if (opening.trim().length < 2) return plainForm;
  const between = functions.parallelism === undefined ? '' : `${text(functions.parallelism.call.betweenCalls)}${prefix}`;
  return {
    isPlain: false,
    opening,
    middle: filled(functions.call.paramsPrefix),
    closing: filled(functions.call.suffix),
    between: between.trim() === '' ? null : between,
    end: text(functions.parallelism?.call.sectionSuffix),
  };
}

/** The text of a part of a template, up to the first token that ends an answer. */
function visibleText(library: EngineLibrary, model: LlamaModel, value: string | LlamaText | undefined): string {
  if (value === undefined) return '';
  const values = library.LlamaText(value).values;
  const end = values.findIndex((part) => part instanceof library.SpecialToken);
  const text = (end < 0 ? values : values.slice(0, end)).map(String).join('');
  for (const token of model.tokenize(text, true)) {
    const at = model.isEogToken(token) ? text.indexOf(model.detokenize([token], true)) : -1;
    if (at >= 0) return text.slice(0, at);
  }
  return text;
}

/**
 * The beginning of a call is recognised by its first mark, such as <tool_call>: what follows a model writes with its
 * own blanks, so it is put there for it.
 */
export function callTrigger(form: ToolForm): Trigger {
  const opening = form.opening.trimStart();
  const json = opening.indexOf('{');
  const head = (json > 0 ? opening.slice(0, json) : opening).trimEnd();
  const text = head.length >= 2 ? head : opening.trimEnd();
  return { text, rest: opening.slice(text.length) };
}

/** The tools that may be called, and whether one must be. Null when there are none, or none is to be called. */
export interface OfferedTools {
  tools: readonly ToolDefinition[];
  isForced: boolean;
  canRepeat: boolean;
}

/** @throws {ParleyError} `invalid_request` for a name that is none, or a choice that was not offered */
export function offeredTools(request: ModelRequest): OfferedTools | null {
  const { tools = [], toolChoice = 'auto', parallelToolCalls = true } = request;
  if (tools.length === 0 || toolChoice === 'none') return null;
  if (tools.length > mostTools) throw new ParleyError('invalid_request', { message: `At most ${mostTools} tools may be offered.`, parameter: 'tools' });
  const bad = tools.find(({ name }) => !namePattern.test(name));
  if (bad !== undefined) {
    throw new ParleyError('invalid_request', { message: `"${bad.name.slice(0, 100)}" cannot be the name of a tool.`, parameter: 'tools' });
  }
  if (typeof toolChoice === 'string') return { tools, isForced: toolChoice === 'required', canRepeat: parallelToolCalls };
  const chosen = tools.filter(({ name }) => name === toolChoice.name);
  if (chosen.length === 0) {
    throw new ParleyError('invalid_request', { message: `The tool ${toolChoice.name.slice(0, 100)} is not among those offered.`, parameter: 'tool_choice' });
  }
  return { tools: chosen, isForced: true, canRepeat: false };
}

/**
 * The grammar of calls from behind the opening on.
 * @throws {ParleyError} `unsupported_value` for parameters that cannot be expressed
 */
export function callGrammar(form: ToolForm, { tools, canRepeat }: OfferedTools): string {
  const rules = new Map<string, string>();
  const calls = tools.map((tool, index) => {
    const name = `tool${index}`;
    const grammar = isOpen(tool.parameters) ? anyObjectGrammar(name) : schemaGrammar({ type: 'object', ...tool.parameters }, name, 'tools');
    for (const [rule, body] of grammar.rules) rules.set(rule, body);
    return `${literal(tool.name + form.middle(tool.name))} ${grammar.rule} ${literal(form.closing(tool.name))}`;
  });
  rules.set('call', calls.join(' | '));
  const more = canRepeat && form.between !== null ? ` ( ${literal(form.between)} call ){0,${mostCalls - 1}}` : '';
  return grammarText(`call${more}${form.end === '' ? '' : ` ${literal(form.end)}`}`, rules);
}

/** Parameters that allow any object: nothing in them says more. */
function isOpen(parameters: Record<string, unknown>): boolean {
  return Object.keys(parameters).every((key) => ['type', 'title', 'description', '$schema', '$id'].includes(key));
}

/** The tools in a system prompt, for templates that have no place for them. */
export function toolInstructions(tools: readonly ToolDefinition[]): string {
  const lines = tools.map(({ name, description, parameters }) => JSON.stringify({ name, ...(description === undefined ? {} : { description }), parameters }));
  return [
    'You can call tools. Each line describes one, its arguments by a JSON Schema:',
    '<tools>',
    ...lines,
    '</tools>',
    'To call tools, answer with nothing but such lines for each call:',
    plainCall('name of the tool', '{"argument": "value"}'),
    'The results come back between <tool_response> and </tool_response>.',
  ].join('\n');
}

export function plainCall(name: string, json: string): string {
  return `${plainForm.opening}${name}${plainForm.middle(name)}${json}${plainForm.closing(name)}`;
}
