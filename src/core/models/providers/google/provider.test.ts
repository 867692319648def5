import { systemClock } from '../../../../base/clock.ts';
import { startStandIn } from '../../../../../test/stand-in/index.ts';
import { providerSuite } from '../provider-suite.ts';
import { createGoogleProvider } from './index.ts';

const place = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false };

providerSuite({
  name: 'google',
  settings: {
    topK: { sends: { generationConfig: { topK: 40 } } },
    minP: { refuses: 'min_p' },
    repeatPenalty: { refuses: 'repeat_penalty' },
    logitBias: { refuses: 'logit_bias' },
    reasoningEffort: { sends: { generationConfig: { thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 } } } },
    verbosity: { hint: 'its API has none' },
    logprobs: { sends: { generationConfig: { responseLogprobs: true } } },
    'logprobs with others': { sends: { generationConfig: { responseLogprobs: true, logprobs: 2 } } },
    'a JSON object': { sends: { generationConfig: { responseMimeType: 'application/json' } } },
    'a JSON schema': { sends: { generationConfig: { responseMimeType: 'application/json', responseJsonSchema: place } } },
    'one tool at a time': { refuses: 'parallel_tool_calls' },
    'a tool that must be called': { sends: { toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['weather'] } } } },
    'strict tools': { sends: { tools: [{ functionDeclarations: [{ name: 'weather', parametersJsonSchema: place }] }], toolConfig: { functionCallingConfig: { mode: 'VALIDATED' } } } },
    'a picture': { sends: { contents: [{ role: 'user', parts: [{ text: 'What is this?' }, { inlineData: { mimeType: 'image/png', data: 'iVBORw0KGgo=' } }] }] } },
    'a picture elsewhere': { refuses: 'image_url' },
  },
  async start() {
    const standIn = await startStandIn({ apiKey: 'AIza-test-1234' });
    const provider = createGoogleProvider({ baseUrl: `${standIn.url}/google`, timeoutMs: 300, clock: systemClock });
    return {
      provider,
      apiKey: 'AIza-test-1234',
      chatModel: 'gemini-2.5-flash',
      embeddingModel: 'gemini-embedding-001',
      standIn,
      async stop() {
        await provider.stop!();
        await standIn.close();
      },
    };
  },
});
