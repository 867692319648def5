import { systemClock } from '../../../../base/clock.ts';
import { startStandIn } from '../../../../../test/stand-in/index.ts';
import { providerSuite } from '../provider-suite.ts';
import { createOpenaiCompatibleProvider } from './index.ts';

providerSuite({
  name: 'openai-compatible',
  settings: {
    topK: { sends: { top_k: 40 } },
    minP: { sends: { min_p: 0.05 } },
    repeatPenalty: { sends: { repetition_penalty: 1.1, repeat_penalty: 1.1 } },
    logitBias: { sends: { logit_bias: { '50256': -100 } } },
    reasoningEffort: { sends: { reasoning_effort: 'low' } },
    verbosity: { sends: { verbosity: 'low' } },
    logprobs: { sends: { logprobs: true } },
    'logprobs with others': { sends: { logprobs: true, top_logprobs: 2 } },
    'a JSON object': { sends: { response_format: { type: 'json_object' } } },
    'a JSON schema': { sends: { response_format: { type: 'json_schema', json_schema: { name: 'place', description: 'A place', strict: true, schema: { type: 'object' } } } } },
    'one tool at a time': { sends: { parallel_tool_calls: false } },
    'a tool that must be called': { sends: { tool_choice: { type: 'function', function: { name: 'weather' } } } },
    'strict tools': { sends: { tools: [{ type: 'function', function: { name: 'weather', strict: true } }] } },
    'a picture': { sends: { messages: [{ content: [{ type: 'text', text: 'What is this?' }, { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=', detail: 'low' } }] }] } },
    'a picture elsewhere': { sends: { messages: [{ content: [{ type: 'image_url', image_url: { url: 'https://pictures.example/one.png' } }] }] } },
  },
  async start() {
    const standIn = await startStandIn();
    const provider = createOpenaiCompatibleProvider({ id: 'nearby', baseUrl: `${standIn.url}/v1/`, timeoutMs: 300, clock: systemClock });
    return {
      provider,
      apiKey: null,
      chatModel: 'gpt-4o',
      embeddingModel: 'text-embedding-3-small',
      standIn,
      async stop() {
        await provider.stop!();
        await standIn.close();
      },
    };
  },
});
