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
    tools: 'it calls no tools yet',
    'split characters of the answer': 'it calls no service; its own tests cut characters into tokens',
  },
  async start() {
    const folder = mkdtempSync(join(tmpdir(), 'parley-llama-suite-'));
    writeTestModel(join(folder, 'chat.gguf'), { says: script });
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
      embeddingModel: 'vectors',
      standIn: null,
      async stop() {
        await provider.stop!();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  },
});
