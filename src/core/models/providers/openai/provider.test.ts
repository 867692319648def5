import { systemClock } from '../../../../base/clock.ts';
import { startStandIn } from '../../../../../test/stand-in/index.ts';
import { providerSuite } from '../provider-suite.ts';
import { createOpenaiProvider } from './index.ts';

providerSuite({
  name: 'openai',
  async start() {
    const standIn = await startStandIn({ apiKey: 'sk-test-1234' });
    const provider = createOpenaiProvider({ baseUrl: `${standIn.url}/v1`, timeoutMs: 300, clock: systemClock });
    return {
      provider,
      apiKey: 'sk-test-1234',
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
