import { systemClock } from '../../../../base/clock.ts';
import { startStandIn } from '../../../../../test/stand-in/index.ts';
import { providerSuite } from '../provider-suite.ts';
import { createOllamaProvider } from './index.ts';

providerSuite({
  name: 'ollama',
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
