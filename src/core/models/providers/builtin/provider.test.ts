import { providerSuite } from '../provider-suite.ts';
import { createBuiltinProvider } from './index.ts';

providerSuite({
  name: 'builtin',
  settings: {
    topK: { hint: 'it always says the same' },
    minP: { hint: 'it always says the same' },
    repeatPenalty: { hint: 'it always says the same' },
    logitBias: { refuses: 'logit_bias' },
    reasoningEffort: { hint: 'it does not think' },
    verbosity: { hint: 'it always says the same' },
    logprobs: { refuses: 'logprobs' },
    'logprobs with others': { refuses: 'logprobs' },
    'a JSON object': { refuses: 'response_format' },
    'a JSON schema': { refuses: 'response_format' },
    'one tool at a time': { refuses: 'tools' },
    'a tool that must be called': { refuses: 'tools' },
    'strict tools': { refuses: 'tools' },
    'a picture': { refuses: 'messages' },
    'a picture elsewhere': { refuses: 'messages' },
  },
  without: {
    service: 'it calls no service',
    'log-probabilities': 'it has no log-probabilities',
    seed: 'it calls no service',
    'open length': 'it calls no service',
    'log-probabilities of other tokens': 'it has no log-probabilities',
    usage: 'it has no tokenizer and counts nothing',
    tools: 'it calls no tools',
    embeddings: 'it embeds nothing',
    'split characters of the answer': 'it calls no service',
  },
  start: async () => ({
    provider: createBuiltinProvider({ surroundings: async () => [] }),
    apiKey: null,
    chatModel: 'parley',
    embeddingModel: null,
    standIn: null,
    stop: async () => undefined,
  }),
});
