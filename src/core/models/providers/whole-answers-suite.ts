import { expect } from 'vitest';
import type { Script } from '../../../../test/stand-in/index.ts';
import type { ReplyError, ReplyEvent } from '../types.ts';
import { collect, textOf, usageOf, type Suite } from './testing.ts';

/** Answers that are asked for without streaming (`whole`). */
export function wholeAnswers({ ask, standIn, has }: Suite): void {
  const whole = async (script: Script): Promise<ReplyEvent[][]> => {
    standIn().next(script);
    return collect(ask({ whole: true }));
  };

  has('service', 'come as one document and hold what a stream does', async () => {
    const scripts: Script[] = [
      { pieces: ['one', ' two'], reasoning: ['hm'], usage: { tokensIn: 11, tokensOut: 3 } },
      { toolCalls: [{ id: 'call_a', name: 'weather', argumentPieces: ['{"city":', '"Graz"}'] }], usage: { tokensIn: 11, tokensOut: 3 } },
      { pieces: ['one'], finish: 'length' },
    ];
    for (const script of scripts) {
      const answer = standIn().next(script);
      const batches = await collect(ask({ whole: true }));
      expect(standIn().read(await answer.request).stream).toBe(false);
      expect(batches).toHaveLength(1);
      standIn().next(script);
      expect(summary(batches.flat())).toEqual(summary((await collect(ask())).flat()));
    }
  });

  has('service', 'are put together however they are cut on the way', async () => {
    for (const splitBytes of [1, 7]) expect(textOf((await whole({ pieces: ['Grüß', ' Gott 🦜'], splitBytes })).flat())).toBe('Grüß Gott 🦜');
  });

  has('service', 'end as cancelled within a second, and close the connection', async () => {
    const abort = new AbortController();
    const answer = standIn().next({ silent: true });
    const reply = collect(ask({ whole: true }, abort.signal));
    const request = await answer.request;
    const abortedAt = performance.now();
    abort.abort();
    expect((await reply).flat()).toMatchObject([{ type: 'error', error: { code: 'cancelled', serviceFault: false } }]);
    await request.aborted;
    expect(performance.now() - abortedAt).toBeLessThan(1000);
  });

  has('service', 'may take longer than a streamed one may be silent, but not for ever', async () => {
    expect(textOf((await whole({ pieces: ['late'], delayMs: 450 })).flat())).toBe('late');
    expect((await whole({ silent: true })).flat()).toMatchObject([{ type: 'error', error: { code: 'provider_timeout', serviceFault: true } }]);
  });

  has('service', 'that are none are told as such', async () => {
    const faults: [NonNullable<Script['fault']>['kind'], ReplyError['code']][] = [
      ['hang', 'provider_timeout'], ['cut', 'provider_error'], ['end', 'provider_error'], ['garbage', 'provider_error'], ['error-event', 'provider_error'],
    ];
    for (const [kind, code] of faults) {
      const events = (await whole({ fault: { kind, after: 0 } })).flat();
      expect([kind, events.map((event) => event.type)]).toEqual([kind, ['error']]);
      expect(events[0]).toMatchObject({ error: { code, serviceFault: true } });
    }
  });

  has('service', 'that are refused, or pages for people, are told as such', async () => {
    for (const status of [400, 401, 429, 500, 503]) expect((await whole({ status })).flat()).toMatchObject([{ type: 'error', error: { status } }]);
    expect((await whole({ raw: ['<html><body>Sign in</body></html>'], headers: { 'content-type': 'text/html' } })).flat()).toMatchObject([{ type: 'error', error: { code: 'provider_error' } }]);
  });
}

/** What a reply comes to, however it was cut into events. */
function summary(events: readonly ReplyEvent[]): object {
  const tools = events.filter((event) => event.type === 'tool');
  return {
    model: events.find((event) => event.type === 'model'),
    text: textOf(events),
    reasoning: events.filter((event) => event.type === 'reasoning').map((event) => event.text).join(''),
    tools: [tools.find((piece) => piece.id)?.id, tools.find((piece) => piece.name)?.name, tools.map((piece) => piece.arguments).join('')],
    usage: usageOf(events),
    end: events.at(-1),
  };
}
