import { providerSuite } from '../provider-suite.ts';
import { createBuiltinProvider } from './index.ts';

providerSuite({
  name: 'builtin',
  without: {
    service: 'it calls no service',
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
