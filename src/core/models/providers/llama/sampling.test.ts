import { Writable } from 'node:stream';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../../../../base/observability/index.ts';
import type { ModelRequest, ReplyError } from '../../types.ts';
import type { Tokenizer } from '../../../../../test/gguf/index.ts';
import { createChooser, LogprobQueue } from './logprobs.ts';
import { createModelBench, hear, user, type Heard, type ModelBench } from './testing.ts';

const script = 'Hello there! I am tiny 🙂 é漢 done.';
let bench: ModelBench;
let tokenizer: Tokenizer;
let scriptTokenizer: Tokenizer;
beforeAll(() => {
  bench = createModelBench();
  tokenizer = bench.write('random');
  bench.write('endless', { says: 'One two three.', repeats: true, contextTokens: 8192 });
  scriptTokenizer = bench.write('script', { says: script });
  bench.write('thinking', {
    says: '<think>Hm, what now?</think> Yes.',
    controlTokens: ['<think>', '</think>'],
    chatTemplate:
      '{% for message in messages %}[{{ message.role }}]\n{% if message.reasoning_content %}<think>\n{{ message.reasoning_content }}\n</think>\n\n{% endif %}' +
      '{{ message.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}[assistant]\n{% endif %}',
  });
});
afterEach(() => bench.stop());
afterAll(() => bench.remove());

const ask = (request: Partial<ModelRequest> & { model: string }) => hear(bench.open(), { maxTokens: 30, ...request });

describe('log-probabilities', () => {
  it('are told of every token of the text, and change nothing', async () => {
    const plain = await ask({ model: 'random' });
    const told = await ask({ model: 'random', logprobs: { top: 5 } });
    expect(told.text).toBe(plain.text);
    expect(told.end).toBe(plain.end);
    expect(told.logprobs).toHaveLength(told.usage.tokensOut!);
    for (const { token, logprob, bytes, top } of told.logprobs) {
      expect(top).toHaveLength(5);
      // At temperature 0 the likeliest token is taken.
      expect(top[0]).toEqual({ token, logprob, bytes });
      expect(logprob).toBeLessThanOrEqual(0);
      expect(top.map((one) => one.logprob)).toEqual(top.map((one) => one.logprob).toSorted((one, other) => other - one));
      expect(top.reduce((sum, one) => sum + Math.exp(one.logprob), 0)).toBeLessThanOrEqual(1.0001);
    }
    expect((await ask({ model: 'random', logprobs: { top: 0 } })).logprobs.map(({ top }) => top.length)).toEqual(Array.from({ length: 30 }, () => 0));
  });

  it('add up to the text, byte for byte, where tokens are whole', async () => {
    const { text, logprobs } = await ask({ model: 'script', logprobs: { top: 1 }, maxTokens: 100 });
    expect(text).toBe(script);
    expect(logprobs.every(({ logprob }) => logprob > -0.01)).toBe(true);
    const whole = logprobs.filter(({ bytes }) => bytes !== null);
    expect(Buffer.from(whole.flatMap(({ bytes }) => bytes!)).toString()).toBe(whole.map(({ token }) => token).join(''));
    expect(whole.map(({ token }) => token).join('')).toContain('Hello there! I am tiny');
  });

  it('are those of the model, whatever the sampling', async () => {
    const first = async (more: Partial<ModelRequest>) => (await ask({ model: 'random', logprobs: { top: 20 }, maxTokens: 1, ...more })).logprobs[0]!.top;
    const cold = await first({});
    expect(await first({ temperature: 1.7, topP: 0.3, topK: 3, seed: 4, frequencyPenalty: 1, logitBias: { 65: 5 } })).toEqual(cold);
  });

  it('come with the same answer for the same seed, another for another', async () => {
    const sample = async (seed: number) => (await ask({ model: 'random', logprobs: { top: 0 }, temperature: 1, seed })).text;
    const one = await sample(1);
    expect(await sample(1)).toBe(one);
    expect(await sample(2)).not.toBe(one);
  });

  it('end where a stop text cuts the answer off, and leave reasoning out', async () => {
    const stopped = await ask({ model: 'script', logprobs: { top: 0 }, stop: ['there'], maxTokens: 100 });
    expect(stopped.text).toBe('Hello ');
    expect(stopped.logprobs.map(({ token }) => token).join('')).toBe('Hello');
    const thought = await ask({ model: 'thinking', logprobs: { top: 0 }, maxTokens: 100 });
    expect([thought.reasoning, thought.text]).toEqual(['Hm, what now?', 'Yes.']);
    expect(thought.logprobs.map(({ token }) => token).join('').trim()).toBe('Yes.');
  });

  it('are there in an answer that keeps to a form, and not beside a repeat penalty', async () => {
    const formed = await ask({ model: 'random', logprobs: { top: 2 }, responseFormat: { type: 'json_schema', name: 'x', schema: { enum: ['a', 'b'] } } });
    expect(['"a"', '"b"']).toContain(formed.text.trim());
    expect(formed.logprobs.length).toBe(formed.usage.tokensOut);
    expect((await ask({ model: 'random', logprobs: { top: 2 }, repeatPenalty: 1.2 })).error).toMatchObject({ code: 'unsupported_value', message: expect.stringContaining('repeat penalty') });
  });
});

describe('the choice of a token', () => {
  const likeliest = new Map([[7, 0.5], [8, 0.3], [9, 0.2], [10, 0]]) as unknown as Parameters<ReturnType<typeof createChooser>['choose']>[0];
  const chosen = (sampling: Parameters<typeof createChooser>[0], random: number, made: number[] = []) =>
    createChooser(sampling, { temperature: 1, topP: 1, topK: 0, minP: 0 }, made as never, () => random).choose(likeliest);

  it('follows the probabilities', () => {
    const all = { temperature: 1 };
    expect([0, 0.49, 0.51, 0.79, 0.81, 0.999].map((random) => chosen(all, random))).toEqual([7, 7, 8, 8, 9, 9]);
    expect(chosen({ temperature: 0 }, 0.99)).toBe(7);
    // At temperature 2 the three weigh like the roots of their probabilities.
    expect([0.41, 0.43, 0.73, 0.75].map((random) => chosen({ temperature: 2 }, random))).toEqual([7, 8, 8, 9]);
  });

  it('leaves out what the settings leave out', () => {
    expect(chosen({ temperature: 1, topK: 2 }, 0.99)).toBe(8);
    expect(chosen({ temperature: 1, topP: 0.5 }, 0.99)).toBe(7);
    expect(chosen({ temperature: 1, topP: 0.7 }, 0.99)).toBe(8);
    expect(chosen({ temperature: 1, minP: 0.5 }, 0.99)).toBe(8);
  });

  it('weighs by bias and by what was said', () => {
    expect(chosen({ temperature: 0, logitBias: { 10: 100 } }, 0)).toBe(7);
    expect(chosen({ temperature: 0, logitBias: { 9: 5 } }, 0)).toBe(9);
    expect(chosen({ temperature: 0, presencePenalty: 2 }, 0, [7])).toBe(8);
    expect(chosen({ temperature: 0, frequencyPenalty: 0.3 }, 0, [7])).toBe(7);
    expect(chosen({ temperature: 0, frequencyPenalty: 0.3 }, 0, [7, 7])).toBe(8);
  });
});

describe('figures', () => {
  it('wait for the text of their token', () => {
    const told: string[] = [];
    const queue = new LogprobQueue((event) => void (event.type === 'logprobs' && told.push(...event.tokens.map(({ token }) => token))));
    const figures = (token: string) => ({ token, logprob: 0, bytes: null, top: [] });
    queue.add(2, figures('a'));
    queue.add(5, figures('b'));
    queue.shown(1);
    expect(told).toEqual([]);
    queue.shown(4);
    expect(told).toEqual(['a']);
    queue.shown(9);
    expect(told).toEqual(['a', 'b']);
  });
});

describe('settings of the sampling', () => {
  it('narrow the choice: topK 1 and minP 1 are as good as temperature 0', async () => {
    const { text } = await ask({ model: 'random' });
    expect((await ask({ model: 'random', temperature: 2, seed: 1, topK: 1 })).text).toBe(text);
    expect((await ask({ model: 'random', temperature: 2, seed: 1, minP: 1 })).text).toBe(text);
    expect((await ask({ model: 'random', temperature: 2, seed: 1, topK: 0, topP: 1, minP: 0 })).text).not.toBe(text);
  });

  it('bias forbids and forces tokens', async () => {
    const letter = tokenizer.encode('q')[0]!;
    expect((await ask({ model: 'random', logitBias: { [letter]: 100 }, maxTokens: 5 })).text).toBe('qqqqq');
    expect((await ask({ model: 'random', logitBias: { [letter]: 100 }, maxTokens: 5, logprobs: { top: 0 } })).text).toBe('qqqqq');
    const first = scriptTokenizer.encode('Hello')[0]!;
    expect((await ask({ model: 'script', logitBias: { [first]: -100 } })).text.startsWith('Hello')).toBe(false);
  });

  it('bias on a token that is none, or ends the answer, is refused', async () => {
    for (const [token, message] of [['9999', /is no token of this model, which has 512/], ['x', /is no token/], [String(tokenizer.special.messageEnd), /ends the answer/]] as const) {
      expect((await ask({ model: 'random', logitBias: { [token]: 1 } })).error).toMatchObject({ code: 'unsupported_value', message: expect.stringMatching(message) });
    }
  });

  it('a repeat penalty makes repetitions rarer', async () => {
    const different = async (repeatPenalty: number) => {
      const { text } = await ask({ model: 'random', repeatPenalty, temperature: 0.3, seed: 2, maxTokens: 100 });
      return new Set(text.split(/\s+/)).size;
    };
    expect(await different(2)).toBeGreaterThan(await different(1));
  });

  it('reasoning is left out where it is asked so, and refused where a model has none', async () => {
    const thought = await ask({ model: 'thinking', maxTokens: 100, reasoningEffort: 'medium' });
    expect(thought.reasoning).toBe('Hm, what now?');
    const quick = await ask({ model: 'thinking', maxTokens: 100, reasoningEffort: 'none' });
    expect(quick.reasoning).toBe('');
    expect(quick.usage.tokensIn).toBeGreaterThan(thought.usage.tokensIn!);
    expect((await ask({ model: 'script', reasoningEffort: 'none', maxTokens: 100 })).text).toBe(script);
    expect((await ask({ model: 'script', reasoningEffort: 'high' })).error?.code).toBe('unsupported_value');
  });
});

describe('the memory of what was read', () => {
  it('changes no answer at temperature 0: turn after turn it is what a fresh engine says', async () => {
    const kept = bench.open({ sequences: 1, contextTokens: 2048 });
    const messages = [user('A question about the river and the mill.')];
    for (let turn = 0; turn < 4; turn += 1) {
      const reused = await hear(kept, { model: 'random', messages, maxTokens: 16 });
      const fresh = bench.open({ sequences: 1, contextTokens: 2048 });
      const anew = await hear(fresh, { model: 'random', messages, maxTokens: 16 });
      await fresh.stop!();
      expect(reused.text).toBe(anew.text);
      expect(anew.usage.tokensCached).toBe(0);
      if (turn > 0) expect(reused.usage.tokensCached).toBeGreaterThan(reused.usage.tokensIn! / 2);
      messages.push({ role: 'assistant', content: reused.text }, user('And then?'));
    }
  });
});

describe('people who ask at the same time', () => {
  it('are served in turn, however much one of them asks', async () => {
    let waiting = 0;
    const log = createLog('debug', new Writable({ write: (line, _encoding, done) => { if (String(line).includes('waits for a free place')) waiting += 1; done(); } }));
    const provider = bench.open({ sequences: 1, contextTokens: 8192 }, { log });
    const order: string[] = [];
    const askAs = (userId: string, maxTokens: number, signal = new AbortController().signal): Promise<Heard> => {
      let begun = false;
      const onEvent = (): void => {
        if (!begun) order.push(userId);
        begun = true;
      };
      return hear(provider, { model: 'endless', messages: [user(`A question of ${userId}`)], maxTokens }, { userId, onEvent, signal });
    };
    const cancel = new AbortController();
    const first = askAs('ann', 8000, cancel.signal);
    await expect.poll(() => order, { timeout: 20_000 }).toEqual(['ann']);
    const others = ['ann', 'ann', 'ann', 'bob', 'bob', 'eve'].map((userId) => askAs(userId, 20));
    await expect.poll(() => waiting, { timeout: 20_000 }).toBe(6);
    cancel.abort();
    await first;
    for (const { end } of await Promise.all(others)) expect(end).toBe('length');
    // Which of the two newcomers stands before the other depends on who came first.
    expect(order.slice(1, 3).toSorted()).toEqual(['bob', 'eve']);
    expect(order.slice(3)).toEqual(['ann', 'bob', 'ann', 'ann']);
  });

  it('are told when too many of their requests wait', async () => {
    const provider = bench.open({ sequences: 1, contextTokens: 8192 });
    const cancel = new AbortController();
    await hear(provider, { model: 'endless', maxTokens: 1 });
    const refused: ReplyError[] = [];
    const many = Array.from({ length: 40 }, async () => {
      const { end, error } = await hear(provider, { model: 'endless', maxTokens: 8000 }, { userId: 'ann', signal: cancel.signal });
      if (end === 'rate_limited') refused.push(error!);
      return end;
    });
    await expect.poll(() => refused.length, { timeout: 20_000 }).toBe(7);
    expect(refused[0]).toMatchObject({ serviceFault: false, message: expect.stringContaining('of your requests already wait') });
    expect(refused[0]!.retryAfterMs).toBeGreaterThanOrEqual(1000);
    const other = hear(provider, { model: 'endless', maxTokens: 3 }, { userId: 'bob' });
    cancel.abort();
    expect((await other).end).toBe('length');
    expect((await Promise.all(many)).filter((end) => end === 'rate_limited')).toHaveLength(7);
  });
});
