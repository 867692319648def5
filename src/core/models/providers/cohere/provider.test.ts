import { systemClock } from '../../../../base/clock.ts';
import { startStandIn } from '../../../../../test/stand-in/index.ts';
import { providerSuite } from '../provider-suite.ts';
import { createCohereProvider } from './index.ts';

const place = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false };

providerSuite({
  name: 'cohere',
  without: { 'log-probabilities of other tokens': 'its API has none' },
  settings: {
    topK: { sends: { k: 40 } },
    minP: { refuses: 'min_p' },
    repeatPenalty: { refuses: 'repeat_penalty' },
    logitBias: { refuses: 'logit_bias' },
    reasoningEffort: { sends: { thinking: { type: 'enabled', token_budget: 1024 } } },
    verbosity: { hint: 'its API has none' },
    logprobs: { sends: { logprobs: true } },
    'logprobs with others': { refuses: 'top_logprobs' },
    'a JSON object': { sends: { response_format: { type: 'json_object' } } },
    'a JSON schema': { sends: { response_format: { type: 'json_object', json_schema: place } } },
    'one tool at a time': { refuses: 'parallel_tool_calls' },
    'a tool that must be called': { sends: { tool_choice: 'REQUIRED', tools: [{ type: 'function', function: { name: 'weather' } }] } },
    'strict tools': { sends: { strict_tools: true } },
    'a picture': { sends: { messages: [{ content: [{ type: 'text', text: 'What is this?' }, { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=', detail: 'low' } }] }] } },
    'a picture elsewhere': { sends: { messages: [{ content: [{ type: 'image_url', image_url: { url: 'https://pictures.example/one.png' } }] }] } },
  },
  async start() {
    const standIn = await startStandIn({ apiKey: 'co-test-1234' });
    const provider = createCohereProvider({ baseUrl: `${standIn.url}/cohere`, timeoutMs: 300, clock: systemClock });
    return {
      provider,
      apiKey: 'co-test-1234',
      chatModel: 'command-a-03-2025',
      embeddingModel: 'embed-v4.0',
      standIn,
      async stop() {
        await provider.stop!();
        await standIn.close();
      },
    };
  },
});
