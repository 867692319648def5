import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../../../../base/observability/index.ts';
import { writeTestModel } from '../../../../../test/gguf/index.ts';
import { providerSuite } from '../provider-suite.ts';
import { createLlamaProvider } from './index.ts';

const script = 'Hello there! I am a tiny model; these words never change, and nobody knows why 漢字 should follow.';

providerSuite({
  name: 'llama',
  without: {
    service: 'it runs in this process and calls no service',
    'log-probabilities': 'it calls no service; its own tests show them',
    seed: 'it calls no service; its own tests show it',
    'open length': 'it calls no service',
    'log-probabilities of other tokens': 'it calls no service; its own tests show them',
    'split characters of the answer': 'it calls no service; its own tests cut characters into tokens',
  },
  settings: {
    topK: { keeps: true },
    minP: { keeps: true },
    repeatPenalty: { keeps: true },
    // The small model of these tests has no such token.
    logitBias: { refuses: 'logit_bias' },
    reasoningEffort: { refuses: 'reasoning_effort' },
    verbosity: { hint: 'none of its models has one' },
    logprobs: { keeps: true },
    'logprobs with others': { keeps: true },
    'a JSON object': { keeps: true },
    'a JSON schema': { keeps: true },
    'one tool at a time': { keeps: true },
    'a tool that must be called': { keeps: true },
    'strict tools': { keeps: true },
    'a picture': { refuses: 'image_url' },
    'a picture elsewhere': { refuses: 'image_url' },
  },
  async start() {
    const folder = mkdtempSync(join(tmpdir(), 'parley-llama-suite-'));
    writeTestModel(join(folder, 'chat.gguf'), { says: script });
    writeTestModel(join(folder, 'caller.gguf'), { says: '<tool_call>' });
    writeTestModel(join(folder, 'vectors.gguf'), { embedding: true });
    const provider = createLlamaProvider({
      folder,
      settings: { threads: 1, sequences: 2, contextTokens: 512, gpu: 'off', memoryBytes: 0, idleMs: 0 },
      log: silentLog(),
    });
    return {
      provider,
      apiKey: null,
      chatModel: 'chat',
      toolModel: 'caller',
      embeddingModel: 'vectors',
      standIn: null,
      async stop() {
        await provider.stop!();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  },
});
