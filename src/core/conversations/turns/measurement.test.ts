import { describe, expect, test } from 'vitest';
import type { TokenLogprob } from '../../models/index.ts';
import { ReplyMeasurement } from './measurement.ts';

function measuring(kept = '') {
  let at = 0;
  const clock = { now: () => at, monotonic: () => at };
  return { measurement: new ReplyMeasurement(clock, kept), pass: (milliseconds: number) => void (at += milliseconds) };
}

describe('the measurement of a reply', () => {
  test('counts the time to the first token and to the end by the monotonic clock', () => {
    const { measurement, pass } = measuring();
    pass(30);
    measurement.take([{ type: 'model', model: 'm' }, { type: 'text', text: '' }]);
    expect(measurement.timeToFirstTokenMs).toBeNull();
    pass(12);
    measurement.take([{ type: 'text', text: 'a' }]);
    pass(8);
    measurement.take([{ type: 'finish', reason: 'stop' }]);
    expect([measurement.timeToFirstTokenMs, measurement.durationMs]).toEqual([42, 50]);
  });

  test('takes the last usage, wherever it comes, and joins what is told in parts', () => {
    const { measurement } = measuring();
    measurement.take([{ type: 'usage', usage: { tokensIn: 5, tokensOut: 1 } }, { type: 'text', text: 'a' }, { type: 'usage', usage: { tokensOut: 9 } }]);
    expect(measurement.usage).toEqual({ tokensIn: 5, tokensOut: 9 });
  });

  test('takes no figure that cannot be one, so that the end of an answer can always be stored', () => {
    const { measurement } = measuring();
    measurement.take([{ type: 'usage', usage: { tokensIn: 5 } }, { type: 'usage', usage: { tokensIn: 1e30, tokensOut: 1.5, tokensCached: -1, tokensReasoning: Number.NaN } }]);
    expect(measurement.usage).toEqual({ tokensIn: 5 });
  });

  test('makes the name of the model and the reason of a failure safe to store', () => {
    const { measurement } = measuring();
    measurement.take([
      { type: 'model', model: 'some\0thing' },
      { type: 'error', error: { code: 'provider_error', message: `no\0 \ud800${'!'.repeat(10_000)}`, serviceFault: true } },
    ]);
    expect(measurement.spokenModel).toBe('some\ufffdthing');
    expect(measurement.end).toMatchObject({ error: { message: expect.stringMatching(/^no\ufffd \ufffd!{3990,3997}$/) } });
  });

  test('gives the confidence as the geometric mean of the token probabilities, or null', () => {
    const { measurement } = measuring();
    expect(measurement.confidence).toBeNull();
    const token = (probability: number): TokenLogprob => ({ token: 'a', logprob: Math.log(probability), bytes: null, top: [] });
    measurement.take([{ type: 'logprobs', tokens: [token(0.5), token(0.5)] }, { type: 'logprobs', tokens: [token(0.125)] }]);
    expect(measurement.confidence).toBeCloseTo(0.315, 3);
  });

  test('holds half a pair back until its other half comes, over any number of pieces', () => {
    const { measurement } = measuring();
    const events = ['a', '\ud83d', '', '\ude00b', '\ud83d'].flatMap((text) => measurement.take([{ type: 'text', text }]));
    expect(events.map((event) => 'text' in event && event.text)).toEqual(['a', '😀b']);
    expect(measurement.close({ reason: 'stop' })).toEqual([{ kind: 'text', text: '\ufffd' }]);
    expect(measurement.text).toBe('a😀b\ufffd');
  });

  test('puts a tool call together from its pieces', () => {
    const { measurement } = measuring();
    measurement.take([
      { type: 'tool', index: 0, id: 'call_1', name: 'weather', arguments: '{"ci' },
      { type: 'tool', index: 0, arguments: 'ty":"Bonn"}' },
      { type: 'finish', reason: 'tool' },
    ]);
    expect(measurement.toolCalls).toEqual([{ id: 'call_1', name: 'weather', arguments: '{"city":"Bonn"}' }]);
  });

  test('takes nothing behind the end', () => {
    const { measurement } = measuring();
    measurement.take([{ type: 'finish', reason: 'stop' }, { type: 'text', text: 'late' }]);
    measurement.take([{ type: 'error', error: { code: 'provider_error', message: '', serviceFault: true } }]);
    expect([measurement.text, measurement.end]).toEqual(['', { reason: 'stop' }]);
  });
});
