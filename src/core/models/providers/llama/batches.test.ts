import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CallOptions, ModelBatch, ModelProvider, ModelRequest } from '../../types.ts';
import { countEvaluations } from './batches.ts';
import { createModelBench, hear, user, type Heard, type ModelBench } from './testing.ts';

const words = ['river', 'mill', 'stone', 'why', 'blue', 'seven'];
const question = (at: number, length = 30): ModelRequest['messages'] => [user(Array.from({ length }, (_word, place) => words[(place * (at + 1) + at) % words.length]).join(' '))];
const requests = (count: number, maxTokens = 24): ModelRequest[] => Array.from({ length: count }, (_request, at) => ({ model: 'random', messages: question(at), maxTokens, temperature: 0 }));

let bench: ModelBench;
beforeAll(() => {
  bench = createModelBench();
  bench.write('random', { contextTokens: 4096 });
});
afterAll(async () => {
  await bench.stop();
  bench.remove();
});

const options = (signal = new AbortController().signal, userId?: string): CallOptions => ({ signal, apiKey: null, ...(userId === undefined ? {} : { userId }) });

/** Of the small model, as its file says it. */
const bytesPerToken = (): number => 2 * 2 * (32 + 32) * 2;

/** Asks all requests in a batch, as many at a time as it has places. */
async function askTogether(provider: ModelProvider, batch: ModelBatch, all: readonly ModelRequest[], signal?: AbortSignal): Promise<Heard[]> {
  const heard: Heard[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let at = next++; at < all.length; at = next++) heard[at] = await hear({ ...provider, stream: (request, given) => provider.stream(request, { ...given, batch }) }, all[at]!, signal ? { signal } : {});
  };
  await Promise.all(Array.from({ length: batch.places }, work));
  return heard;
}

describe('A batch on the embedded engine', () => {
  it('is evaluated together, and answers as single calls do', async () => {
    const provider = bench.open({ contextTokens: 2048, batchSequences: 8 });
    const all: ModelRequest[] = [];
    const single: Heard[] = [];
    for (const request of requests(32, 6)) {
      const heard = await hear(provider, { ...request, logprobs: { top: 2 } });
      // Beside others the last digits of sums may differ: only answers count of which every token was clearly the likeliest.
      if (heard.logprobs.some(({ top }) => top[0]!.logprob - top[1]!.logprob < 0.003)) continue;
      all.push(request);
      single.push(heard);
    }
    expect(all.length).toBeGreaterThan(10);
    const batch = (await provider.openBatch!(all, options()))!;
    expect(batch.places).toBe(8);
    const together = await askTogether(provider, batch, all);
    expect(together.map(({ text, end, usage }) => [text, end, usage.tokensIn, usage.tokensOut])).toEqual(single.map(({ text, end, usage }) => [text, end, usage.tokensIn, usage.tokensOut]));
    const { evaluations, shared, most } = batch.figures();
    expect(most).toBe(8);
    expect(shared).toBeGreaterThan(evaluations * 0.8);
    await batch.close();
  });

  it('has fewer places where memory is short, and none where not even two fit', async () => {
    // What the model itself takes is free while it is loaded; then so much is left.
    let left = Infinity;
    const provider = bench.open({ contextTokens: 2048, batchSequences: 8, memoryBytes: 4e9 }, { availableMemory: () => left });
    await hear(provider, requests(1)[0]!);
    // A batch takes half of what is there.
    const each = 256 * bytesPerToken();
    left = each * 2 * 5;
    const some = (await provider.openBatch!(requests(8), options()))!;
    expect(some.places).toBe(5);
    await some.close();
    left = each * 2 * 1.9;
    expect(await provider.openBatch!(requests(8), options())).toBeNull();
    left = Infinity;
    expect(await provider.openBatch!(requests(1), options())).toBeNull();
    const off = bench.open({ batchSequences: 0 });
    expect(await off.openBatch!(requests(8), options())).toBeNull();
  });

  it('lets another one wait until it is closed, which a signal ends', async () => {
    const provider = bench.open({ contextTokens: 2048 });
    const first = (await provider.openBatch!(requests(2), options(undefined, 'ann')))!;
    const gone = new AbortController();
    const refused = provider.openBatch!(requests(2), options(gone.signal, 'bob'));
    let isOpen = false;
    const second = provider.openBatch!(requests(2), options(undefined, 'cat')).then((batch) => ((isOpen = true), batch!));
    gone.abort();
    await expect(refused).rejects.toMatchObject({ code: 'cancelled' });
    expect(isOpen).toBe(false);
    await first.close();
    await (await second).close();
  });

  it('does not keep conversations from being answered, nor they it', async () => {
    const provider = bench.open({ contextTokens: 2048, sequences: 1 });
    const batch = (await provider.openBatch!(requests(4), options()))!;
    const [alone, together] = await Promise.all([hear(provider, requests(1)[0]!), askTogether(provider, batch, requests(4))]);
    expect([alone.end, ...together.map(({ end }) => end)]).toEqual(Array(5).fill(expect.stringMatching(/length|stop/)));
    await batch.close();
  });

  it('lets a request fail alone that no place of the model holds, and says how much it holds', async () => {
    const provider = bench.open({ contextTokens: 1024 });
    const all = [...requests(3), { model: 'random', messages: question(1, 2000), maxTokens: 5, temperature: 0 }];
    const batch = (await provider.openBatch!(all, options()))!;
    const heard = await askTogether(provider, batch, all);
    expect(heard.map(({ end }) => end)).toEqual([...Array(3).fill(expect.stringMatching(/length|stop/)), 'context_overflow']);
    expect(heard[3]!.error!.message).toContain('1024');
    await batch.close();
  });

  it('ends when it is aborted, and leaves the engine ready', async () => {
    const provider = bench.open({ contextTokens: 4096 });
    const all = requests(6, 2000);
    const batch = (await provider.openBatch!(all, options()))!;
    const gone = new AbortController();
    const heard = askTogether(provider, batch, all, gone.signal);
    while (batch.figures().evaluations < 5) await new Promise((resolve) => setImmediate(resolve));
    gone.abort();
    expect((await heard).map(({ end }) => end)).toEqual(Array(6).fill('cancelled'));
    await batch.close();
    expect((await hear(provider, requests(1)[0]!)).end).toBe('length');
  });

  it('ends with the server', async () => {
    const provider = bench.open({ contextTokens: 4096 });
    const all = requests(3, 2000);
    const batch = (await provider.openBatch!(all, options()))!;
    const heard = askTogether(provider, batch, all).finally(() => batch.close());
    while (batch.figures().evaluations < 3) await new Promise((resolve) => setImmediate(resolve));
    await provider.stop!();
    expect((await heard).map(({ end }) => end)).toEqual(Array(3).fill('cancelled'));
  });
});

describe('One call of the engine', () => {
  const item = (tokens: number) => ({ tokens: Array(tokens).fill(1), logits: [], evaluationPriority: 5 as const });

  it('takes the next token of every answer, and shares the rest among prompts', () => {
    const { strategy, figures } = countEvaluations();
    const items = [item(300), item(1), item(200), item(1)];
    expect(strategy({ items, size: 256 }).map(({ item: { tokens }, processAmount }) => [tokens.length, processAmount])).toEqual([[1, 1], [1, 1], [200, 127], [300, 127]]);
    expect(strategy({ items: [item(300), item(10)], size: 512 }).map(({ processAmount }) => processAmount)).toEqual([10, 300]);
    expect(strategy({ items: [item(9)], size: 512 }).map(({ processAmount }) => processAmount)).toEqual([9]);
    expect(figures).toEqual({ evaluations: 3, shared: 2, most: 4 });
  });
});
