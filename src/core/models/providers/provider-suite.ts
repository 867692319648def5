import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ReplyEvent } from '../types.ts';
import { goodService } from './answers-suite.ts';
import { badService } from './faults-suite.ts';
import { settings, type Becomes, type Setting } from './settings-suite.ts';
import { collect, hello, textOf, usageOf, weather, type Avoidable, type ProviderUnderTest, type Suite } from './testing.ts';
import { wholeAnswers } from './whole-answers-suite.ts';

export { settingRequests, type Becomes, type Setting } from './settings-suite.ts';
export { collect, textOf, usageOf, type Avoidable, type ProviderUnderTest } from './testing.ts';

export interface ProviderHarness {
  name: string;
  start(): Promise<ProviderUnderTest>;
  /** Why the provider cannot have a case. Each reason is printed with the tests. */
  without?: Partial<Record<Avoidable, string>>;
  /** What becomes of each setting; for providers whose requests can be looked at. */
  settings?: Record<Setting, Becomes>;
}

/** The suite that every model provider passes. */
export function providerSuite(harness: ProviderHarness): void {
  describe(`the provider ${harness.name}`, () => {
    let under: ProviderUnderTest;
    beforeEach(async () => { under = await harness.start(); });
    afterEach(() => under.stop());
    const suite: Suite = {
      ask: (more = {}, signal = new AbortController().signal) =>
        under.provider.stream({ model: under.chatModel, messages: hello, ...more }, { signal, apiKey: under.apiKey }),
      under: () => under,
      standIn: () => under.standIn!,
      has(part, title, run) {
        const reason = part === null ? undefined : harness.without?.[part];
        if (reason === undefined) test(title, run);
        else test(`${title}: cannot be, ${reason}`, () => expect(reason).not.toBe(''));
      },
    };
    describe('what every provider does', () => everyProvider(suite));
    if (harness.settings) describe('what becomes of settings', () => settings(suite, harness.settings!));
    describe('what a service may send', () => goodService(suite));
    describe('whole answers', () => wholeAnswers(suite));
    describe('what a service may do wrong', () => badService(suite));
  });
}

function everyProvider({ ask, under, has }: Suite): void {
  has(null, 'lists its models under its own id', async () => {
    const { provider, apiKey, chatModel } = under();
    const models = await provider.models({ signal: new AbortController().signal, apiKey });
    expect(models.map((model) => model.model)).toContain(chatModel);
    expect(new Set(models.map((model) => model.id)).size).toBe(models.length);
    for (const model of models) {
      expect(model.id).toBe(`${provider.id}/${model.model}`);
      expect(model.provider).toBe(provider.id);
      expect(model.kinds.length).toBeGreaterThan(0);
    }
  });

  has(null, 'says that it is ready, and then nothing about how to add it', async () => {
    const { provider, apiKey } = under();
    expect(await provider.state({ signal: new AbortController().signal, apiKey })).toMatchObject({ state: 'ready', howToAdd: '' });
  });

  has(null, 'answers with text and exactly one end, which comes last, in batches that are never empty', async () => {
    const batches = await collect(ask());
    const events = batches.flat();
    expect(batches.every((batch) => batch.length > 0)).toBe(true);
    expect(textOf(events)).not.toBe('');
    expect(events.filter((event) => event.type === 'finish' || event.type === 'error')).toEqual([{ type: 'finish', reason: expect.any(String) as string }]);
    expect(events.at(-1)!.type).toBe('finish');
  });

  has(null, 'names itself, if at all, before it says anything', async () => {
    const types = (await collect(ask())).flat().map((event) => event.type);
    expect(types.lastIndexOf('model')).toBeLessThan(types.indexOf('text'));
  });

  has(null, 'ends as cancelled within a second of an abort in the middle of the answer', async () => {
    under().standIn?.next({ pieces: ['one', 'two', 'three'], gated: true });
    const abort = new AbortController();
    const events: ReplyEvent[] = [];
    let abortedAt = 0;
    const reply = ask({}, abort.signal);
    under().standIn?.release();
    for await (const batch of reply) {
      events.push(...batch);
      if (abortedAt === 0 && textOf(events) !== '') {
        abortedAt = performance.now();
        abort.abort();
      }
    }
    expect(performance.now() - abortedAt).toBeLessThan(1000);
    expect(events.at(-1)).toMatchObject({ type: 'error', error: { code: 'cancelled', serviceFault: false } });
  });

  has(null, 'ends as cancelled at once when it was aborted before it began', async () => {
    const events = (await collect(ask({}, AbortSignal.abort()))).flat();
    expect(events).toMatchObject([{ type: 'error', error: { code: 'cancelled' } }]);
  });

  has(null, 'can be left early', async () => {
    for await (const batch of ask()) if (textOf(batch) !== '') break;
    expect(textOf((await collect(ask())).flat())).not.toBe('');
  });

  has('length', 'stops at the bound of tokens, and says so', async () => {
    under().standIn?.next({ pieces: ['one'], finish: 'length' });
    const events = (await collect(ask({ maxTokens: 1 }))).flat();
    expect(events.at(-1)).toEqual({ type: 'finish', reason: 'length' });
  });

  has('usage', 'reports usage before the end', async () => {
    const events = (await collect(ask())).flat();
    const usage = usageOf(events);
    expect(usage.tokensIn).toBeGreaterThan(0);
    expect(usage.tokensOut).toBeGreaterThan(0);
  });

  has('embeddings', 'embeds: one vector a text, of one width, in order, equal for equal texts', async () => {
    const { provider, apiKey, embeddingModel } = under();
    const texts = ['a cat', 'quite another thing', 'a cat'];
    const { vectors } = await provider.embed!({ model: embeddingModel!, texts }, { signal: new AbortController().signal, apiKey });
    expect(vectors).toHaveLength(3);
    expect(new Set(vectors.map((vector) => vector.length)).size).toBe(1);
    expect(vectors[0]).toEqual(vectors[2]);
    expect(vectors[0]).not.toEqual(vectors[1]);
  });

  has('tools', 'hands over the pieces of a tool call, which add up to JSON', async () => {
    under().standIn?.next({ toolCalls: [{ id: 'call_a', name: 'weather', argumentPieces: ['{"city":', '"Graz"}'] }] });
    const events = (await collect(ask({ model: under().toolModel ?? under().chatModel, tools: [weather], toolChoice: 'auto' }))).flat();
    const pieces = events.filter((event) => event.type === 'tool');
    expect(pieces[0]).toMatchObject({ index: 0, id: expect.any(String) as string, name: 'weather' });
    expect(JSON.parse(pieces.map((piece) => piece.arguments).join(''))).toEqual({ city: 'Graz' });
    expect(events.at(-1)).toEqual({ type: 'finish', reason: 'tool' });
  });
}
