import { systemClock } from '../../../../base/clock.ts';
import { startStandIn } from '../../../../../test/stand-in/index.ts';
import { providerSuite } from '../provider-suite.ts';
import { createOpenaiCompatibleProvider } from './index.ts';

providerSuite({
  name: 'openai-compatible',
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
