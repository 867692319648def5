import { systemClock } from '../../../../base/clock.ts';
import { startStandIn } from '../../../../../test/stand-in/index.ts';
import { providerSuite } from '../provider-suite.ts';
import { createOllamaProvider } from './index.ts';

providerSuite({
  name: 'ollama',
  settings: {
    topK: { sends: { options: { top_k: 40 } } },
    minP: { sends: { options: { min_p: 0.05 } } },
    repeatPenalty: { sends: { options: { repeat_penalty: 1.1 } } },
    logitBias: { refuses: 'logit_bias' },
    reasoningEffort: { sends: { think: 'low' } },
    verbosity: { hint: 'its API has none' },
    logprobs: { sends: { logprobs: true } },
    'logprobs with others': { sends: { logprobs: true, top_logprobs: 2 } },
    'a JSON object': { sends: { format: 'json' } },
    'a JSON schema': { sends: { format: { type: 'object', required: ['city'] } } },
    'one tool at a time': { refuses: 'parallel_tool_calls' },
    'a tool that must be called': { refuses: 'tool_choice' },
    'strict tools': { hint: 'the model does what it can' },
    'a picture': { sends: { messages: [{ content: 'What is this?', images: ['iVBORw0KGgo='] }] } },
    'a picture elsewhere': { refuses: 'image_url' },
  },
  async start() {
    const standIn = await startStandIn();
    const provider = createOllamaProvider({ urls: [standIn.url], timeoutMs: 300, clock: systemClock });
    return {
      provider,
      apiKey: null,
      chatModel: 'llama2:latest',
      embeddingModel: 'nomic-embed-text:latest',
      standIn,
      async stop() {
        await provider.stop!();
        await standIn.close();
      },
    };
  },
});
