import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../base/clock.ts';
import { createOllamaProvider } from './provider.ts';

/** An Ollama that answers what a test says, and notes who asked. */
let server: Server;
let answers: Record<string, { status?: number; body: unknown }>;
let askedBy: (string | string[] | undefined)[];
beforeAll(async () => {
  server = createServer((request, response) => {
    askedBy.push(request.headers['x-parley-provider']);
    const { status = 200, body } = answers[request.url!] ?? { status: 404, body: { error: 'not found' } };
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

async function using<Result>(given: typeof answers, ask: (provider: ReturnType<typeof createOllamaProvider>) => Promise<Result>): Promise<Result> {
  answers = given;
  askedBy = [];
  const provider = createOllamaProvider({ urls: [`http://127.0.0.1:${(server.address() as AddressInfo).port}`], timeoutMs: 2000, clock: systemClock });
  try {
    return await ask(provider);
  } finally {
    await provider.stop!();
  }
}

const call = { signal: new AbortController().signal, apiKey: null };
const digest = 'ab'.repeat(32);

describe('An instance of Ollama', () => {
  it('tells the details of its models', async () => {
    const models = await using({
      '/api/tags': { body: { models: [{ name: 'llama3:8b', digest, size: 5, details: { format: 'gguf', family: 'llama', parameter_size: '8.0B', quantization_level: 'Q4_0' } }] } },
      '/api/show': { body: { capabilities: ['completion', 'tools', 'thinking', 'flying'], model_info: { 'general.architecture': 'llama', 'general.license': 'llama3', 'llama.context_length': 8192, 'llama.embedding_length': 4096 } } },
    }, (provider) => provider.models(call));
    expect(models[0]!.details).toEqual({
      format: 'gguf', architecture: 'llama', parameterSize: '8.0B', quantisation: 'Q4_0', licence: 'llama3', trainedTokens: 8192, embeddingLength: 4096, capabilities: ['tools', 'thinking'], sha256: digest,
    });
  });

  it('leaves out what it does not say in a form that is known', async () => {
    const [model] = await using({ '/api/tags': { body: { models: [{ name: 'odd', digest: 7, details: { format: 1, family: '', families: null } }] } } }, (provider) => provider.models(call));
    expect(model!.details).toEqual({
      format: null, architecture: null, parameterSize: null, quantisation: null, licence: null, trainedTokens: null, embeddingLength: null, capabilities: null, sha256: null,
    });
  });

  it('lists a model under a shorter name than it may be asked for by: without the registry that Ollama asks anyway, and with its tag', async () => {
    const pulled = (name: string) => ({ '/api/tags': { body: { models: [{ name }] } }, '/api/ps': { body: { models: [] } }, '/api/pull': { body: { status: 'success' } } });
    for (const [asked, listed] of [
      ['localhost:5000/team/llama', 'localhost:5000/team/llama:latest'], ['library/llama2', 'llama2:latest'], ['registry.ollama.ai/library/llama2:7b', 'llama2:7b'],
      ['registry.ollama.ai/team/llama', 'team/llama:latest'], ['llama2', 'llama2:latest'],
    ] as const) {
      await using(pulled(listed), async (provider) => {
        for await (const { totalBytes } of provider.servers.pull(provider.servers.ids[0]!, asked, call.signal)) expect(totalBytes).toBe(0);
        expect([asked, await provider.servers.instances()]).toMatchObject([asked, [{ succeeded: 1, failed: 0, models: [listed] }]]);
      });
    }
  });

  it('that is a Parley is known by its refusal, and used again when Ollama is there after all', async () => {
    const refused = { status: 421, body: { error: 'Parley does not answer a Parley as if it were Ollama.' } };
    await using({ '/api/tags': refused, '/api/chat': refused }, async (provider) => {
      expect(await provider.state(call)).toMatchObject({ state: 'absent', detail: expect.stringContaining('answers Parley itself') });
      expect(askedBy).toEqual(['ollama']);
      const events = [];
      for await (const batch of provider.stream({ model: 'odd', messages: [{ role: 'user', content: 'Hello?' }] }, call)) events.push(...batch);
      expect([events, askedBy.length]).toMatchObject([[{ type: 'error', error: { code: 'provider_unavailable' } }], 1]);
      answers = { '/api/tags': { body: { models: [{ name: 'odd' }] } } };
      expect((await provider.models(call)).map(({ id }) => id)).toEqual(['ollama/odd']);
    });
  });
});
