import { expect } from 'vitest';
import type { Script } from '../../../../test/stand-in/index.ts';
import type { ModelRequest, ReplyEvent, TokenLogprob } from '../types.ts';
import { collect, textOf, weather, type Suite } from './testing.ts';

/** What a service may send. */
export function goodService({ ask, under, standIn, has }: Suite): void {
  has('service', 'hands over each piece before the next one is sent', async () => {
    const answer = standIn().next({ pieces: ['one', 'two', 'three'], gated: true });
    const seen: string[] = [];
    answer.release();
    for await (const batch of ask()) {
      const text = textOf(batch);
      if (text === '') continue;
      seen.push(text);
      answer.release();
    }
    expect(seen).toEqual(['one', 'two', 'three']);
  });

  has('service', 'closes the connection when it is aborted, before and after the first byte', async () => {
    for (const script of [{ silent: true }, { pieces: ['one', 'two'], gated: true }] satisfies Script[]) {
      const abort = new AbortController();
      const answer = standIn().next(script);
      const reply = collect(ask({}, abort.signal));
      const request = await answer.request;
      const abortedAt = performance.now();
      abort.abort();
      await Promise.all([reply, request.aborted]);
      expect(request.abortedAt! - abortedAt).toBeLessThan(1000);
    }
  });

  has('service', 'closes the connection when its reader leaves', async () => {
    const answer = standIn().next({ pieces: ['one', 'two'], gated: true });
    answer.release();
    for await (const batch of ask()) if (textOf(batch) !== '') break;
    await (await answer.request).aborted;
  });

  has('service', 'uses its connections again', async () => {
    for (let round = 0; round < 20; round += 1) await collect(ask());
    // A connection is free a moment after the end of its answer, so answers without a pause share a few of them.
    expect(await standIn().connections()).toBeLessThan(10);
  });

  has('split characters of the answer', 'puts characters together that fall apart on the way, whatever ends the lines', async () => {
    const pieces = ['Grüß', ' Gott', ' 漢字', ' 🦜', ' é', '\u2028', '"\\n"'];
    for (const lineEnd of ['\n', '\r\n'] as const) {
      standIn().next({ pieces, splitBytes: 1, lineEnd, byteOrderMark: true, comments: true });
      const events = (await collect(ask())).flat();
      expect(textOf(events)).toBe(pieces.join(''));
      expect(events.at(-1)).toEqual({ type: 'finish', reason: 'stop' });
    }
  });

  has('service', 'tells reasoning from text', async () => {
    standIn().next({ reasoning: ['let me', ' think'], pieces: ['42'] });
    const events = (await collect(ask())).flat();
    expect(events.filter((event) => event.type === 'reasoning').map((event) => event.text).join('')).toBe('let me think');
    expect(textOf(events)).toBe('42');
  });

  has('log-probabilities', 'hands over log-probabilities with the text they are of', async () => {
    for (const whole of [false, true]) {
      standIn().next({ pieces: ['one', ' zwö'], logprobs: [-0.25, -0.5] });
      expect(logprobsOf((await collect(ask({ logprobs: { top: 0 }, whole }))).flat())).toEqual([
        { token: 'one', logprob: -0.25, bytes: [111, 110, 101], top: [] },
        { token: ' zwö', logprob: -0.5, bytes: [32, 122, 119, 195, 182], top: [] },
      ]);
    }
    standIn().next({ pieces: ['one'], logprobs: [-0.25], topLogprobs });
    expect(logprobsOf((await collect(ask())).flat())).toEqual([]);
  });

  has('log-probabilities of other tokens', 'hands over those of the likeliest tokens in the same place', async () => {
    const top = [{ token: 'one', logprob: -0.25, bytes: [111, 110, 101] }, { token: 'zwei', logprob: -1.5, bytes: [122, 119, 101, 105] }];
    for (const whole of [false, true]) {
      standIn().next({ pieces: ['one', ' two'], logprobs: [-0.25, -0.5], topLogprobs });
      expect(logprobsOf((await collect(ask({ logprobs: { top: 2 }, whole }))).flat()).map((token) => token.top)).toEqual([top, top]);
    }
  });

  has('service', 'sends the conversation, the sampling and the text to go on from', async () => {
    const messages: ModelRequest['messages'] = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'What is the weather?' },
      { role: 'assistant', content: '', toolCalls: [{ id: 'call_a', name: 'weather', arguments: '{"city":"Graz"}' }] },
      { role: 'tool', content: 'Sunny', toolCallId: 'call_a' },
    ];
    await collect(ask({ messages, temperature: 0.5, maxTokens: 20, stop: ['END'], prefill: 'It is', tools: [weather] }));
    const said = standIn().read(standIn().requests.at(-1)!);
    expect(said.messages.slice(0, 4)).toEqual([
      { role: 'system', text: 'Be brief.', calls: [] },
      { role: 'user', text: 'What is the weather?', calls: [] },
      { role: 'assistant', text: '', calls: [{ name: 'weather', arguments: { city: 'Graz' } }] },
      { role: 'tool', text: 'Sunny', calls: [] },
    ]);
    expect(said.messages.slice(4)).toContainEqual({ role: 'assistant', text: 'It is', calls: [] });
    expect(said.tools).toEqual(['weather']);
    expect(said.sampling).toEqual({ temperature: 0.5, stop: ['END'], maxTokens: 20 });
  });

  has('seed', 'sends the seed', async () => {
    await collect(ask({ seed: 7 }));
    expect(standIn().read(standIn().requests.at(-1)!).sampling.seed).toBe(7);
  });

  has('service', 'leaves out the sampling that is not set', async () => {
    await collect(ask());
    const request = standIn().requests.at(-1)!;
    expect({ ...standIn().read(request).sampling, maxTokens: undefined }).toEqual({ maxTokens: undefined });
    expect(JSON.stringify(request.body)).not.toMatch(/null|undefined/);
  });

  has('open length', 'leaves the length of the answer open where nobody bounds it', async () => {
    await collect(ask());
    expect(standIn().read(standIn().requests.at(-1)!).sampling.maxTokens).toBeUndefined();
  });

  has('service', 'carries no key where there is none, and the key where there is one, in a header alone', async () => {
    const { apiKey, provider } = under();
    await collect(ask());
    await provider.models({ signal: new AbortController().signal, apiKey });
    for (const request of standIn().requests) {
      expect(standIn().read(request).key).toBe(apiKey);
      if (apiKey !== null) expect(`${request.path}?${request.query} ${JSON.stringify(request.body)}`).not.toContain(apiKey);
    }
  });
}

const topLogprobs = [{ token: 'one', logprob: -0.25 }, { token: 'zwei', logprob: -1.5 }, { token: 'three', logprob: -2 }];

function logprobsOf(events: readonly ReplyEvent[]): TokenLogprob[] {
  return events.flatMap((event) => (event.type === 'logprobs' ? event.tokens : []));
}
