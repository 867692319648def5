import { afterAll } from 'vitest';
import { systemClock } from '../../../../base/clock.ts';
import { silentLog } from '../../../../base/observability/index.ts';
import { startStandIn } from '../../../../../test/stand-in/index.ts';
import { createOpenaiProvider } from '../openai/index.ts';
import { providerSuite } from '../provider-suite.ts';
import { createLangchainProvider, createOwnService, type LangchainService } from './index.ts';

// The process is as real as the one that is shipped; one is enough for all cases.
const process = createOwnService({ clock: systemClock, log: silentLog(), idleMs: 600_000, environment: {} });
afterAll(() => process.stop());
const lasting: LangchainService = {
  reach: () => process.reach(), hold: () => process.hold(), reportSilence: () => process.reportSilence(), address: () => process.address(),
  isRunning: () => process.isRunning(), stop: async () => undefined,
};

providerSuite({
  name: 'langchain',
  without: { embeddings: 'embeddings are asked for without a detour' },
  settings: {
    topK: { refuses: 'top_k' },
    minP: { refuses: 'min_p' },
    repeatPenalty: { refuses: 'repeat_penalty' },
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
    const standIn = await startStandIn({ apiKey: 'sk-test-1234' });
    const baseUrl = `${standIn.url}/v1`;
    const openai = createOpenaiProvider({ baseUrl, timeoutMs: 300, clock: systemClock });
    const provider = createLangchainProvider({
      service: lasting, openai, openaiBaseUrl: baseUrl, timeoutMs: 300, streaming: true, clock: systemClock,
      callBack: { baseUrl: () => `${standIn.url}/v1`, credential: () => ({ token: 'unused', revoke: () => undefined }) },
    });
    return {
      provider,
      apiKey: 'sk-test-1234',
      chatModel: 'openai/gpt-4o',
      embeddingModel: null,
      standIn,
      async stop() {
        await provider.stop!();
        await openai.stop!();
        await standIn.close();
      },
    };
  },
});
