import type { FinishReason, ModelRequest, ProviderState } from '../../types.ts';
import type { Topic } from './messages.ts';

/** A provider and how it stands, as the set-up page shows it. */
export interface Surroundings extends ProviderState {
  id: string;
  kind: string;
  /** Ids of the models it offers now. */
  models: readonly { id: string }[];
}

const identity = "I am Parley's built-in responder. I am not a language model: I know a few fixed answers about setting one up, and nothing else.";

const guides: Partial<Record<Topic, string>> = {
  ollama:
    'Ollama runs open models on this or another machine:\n\n1. Install it from ollama.com.\n2. Run `ollama pull llama3.2` (or any other model).\n3. Choose the model in the picker here. Parley looks for Ollama at 127.0.0.1:11434; `OLLAMA_URLS` names other places.',
  file:
    'A GGUF file runs inside Parley, without any other program:\n\n1. Open the set-up page, choose a model and confirm its size and licence; or run `npx parley model pull SOURCE`, where SOURCE is a URL or a name on the hub.\n2. A file you have already goes into the models folder; `npx parley model list` prints where that is.\n3. Choose the model in the picker.',
  key:
    'A service with the OpenAI API needs its address and, mostly, a key:\n\n1. For OpenAI, add your key in Settings or run `npx parley key add openai`.\n2. For any other server that speaks the same API, start Parley with `COMPATIBLE_SERVERS=name=http://host:port/v1`, and its key in `COMPATIBLE_KEYS`.\n3. Choose the model in the picker. What you write is then sent to that service.',
};

const ways =
  'There are three ways to get a language model:\n\n- a GGUF file, which runs inside Parley: ask me about "gguf";\n- Ollama on this or another machine: ask me about "ollama";\n- a service with the OpenAI API: ask me about "openai key".';

/** The whole answer: fixed words, and what was really found. */
export function answer(topic: Topic, surroundings: readonly Surroundings[]): string {
  const ready = surroundings.filter((provider) => provider.kind !== 'builtin' && provider.state === 'ready' && provider.models.length > 0);
  const found = ready.length > 0 ? `${readyModels(ready)}\n\n` : '';
  switch (topic) {
    case 'greeting':
      return `Hello. ${identity}\n\n${found}${ready.length > 0 ? '' : ways}`.trimEnd();
    case 'identity':
      return `${identity}\n\n${found}${ways}`;
    case 'setup':
      return `${found}${ways}\n\nThis is what I found:\n\n${states(surroundings)}`;
    case 'other':
      return `I cannot answer that. ${identity}\n\n${found}${ready.length > 0 ? 'Ask it instead of me.' : `${ways}\n\nWhat you wrote is kept: once a model is there, you can have it answered again.`}`;
    default:
      return `${guides[topic]}\n\nThis is what I found:\n\n${states(surroundings.filter((provider) => isAbout(topic, provider)))}`;
  }
}

function isAbout(topic: Topic, provider: Surroundings): boolean {
  if (topic === 'ollama') return provider.kind === 'ollama';
  return topic === 'file' ? provider.kind === 'llama' : provider.kind.startsWith('openai');
}

function readyModels(ready: readonly Surroundings[]): string {
  return `A language model is ready: choose ${ready[0]!.models[0]!.id} in the picker.`;
}

function states(surroundings: readonly Surroundings[]): string {
  const lines = surroundings
    .filter((provider) => provider.kind !== 'builtin')
    .map((provider) => `- ${provider.id}: ${provider.detail}${provider.howToAdd === '' ? '' : ` ${provider.howToAdd}`}`);
  return lines.length > 0 ? lines.join('\n') : '- no provider of this kind is switched on.';
}

/** The part of an answer that a request lets through. */
export function bounded(whole: string, request: ModelRequest): { words: string[]; reason: FinishReason } {
  let text = whole;
  if (request.prefill) text = whole.startsWith(request.prefill) ? whole.slice(request.prefill.length) : `\n\n${whole}`;
  const stops = (request.stop ?? []).map((stop) => (stop === '' ? -1 : text.indexOf(stop))).filter((at) => at >= 0);
  if (stops.length > 0) text = text.slice(0, Math.min(...stops));
  // There is no tokenizer: a word counts as one token of the bound.
  const words = text.match(/\s*\S+/g) ?? [];
  const most = request.maxTokens ?? Infinity;
  return words.length > most ? { words: words.slice(0, most), reason: 'length' } : { words, reason: 'stop' };
}
