import { expect } from 'vitest';
import { asParleyError } from '../../../base/errors.ts';
import type { Script } from '../../../../test/stand-in/index.ts';
import type { ReplyError } from '../types.ts';
import { collect, hello, textOf, type Suite } from './testing.ts';

/** What a service may do wrong. */
export function badService({ ask, under, standIn, has }: Suite): void {
  /** What a reply made of a script: the text before the end, and the error. */
  const failing = async (script: Script): Promise<{ text: string; error: ReplyError }> => {
    standIn().next(script);
    const events = (await collect(ask())).flat();
    const ends = events.filter((event) => event.type === 'finish' || event.type === 'error');
    expect(ends).toHaveLength(1);
    expect(events.at(-1)).toBe(ends[0]);
    const end = ends[0]!;
    if (end.type !== 'error') throw new Error(`The answer ended with ${end.reason} and not with an error.`);
    expect(end.error.message).toMatch(/^[A-Z].{20,}[.?)\]]/s);
    return { text: textOf(events), error: end.error };
  };

  const statuses: [string, Script, Partial<ReplyError>][] = [
    ['a key that is refused', { status: 401 }, { code: 'invalid_api_key', status: 401, serviceFault: false }],
    ['too many requests, with the time to wait', { status: 429, headers: { 'retry-after': '7' } }, { code: 'rate_limited', status: 429, retryAfterMs: 7000, serviceFault: false }],
    ['a failing server', { status: 500 }, { code: 'provider_error', status: 500, serviceFault: true }],
    ['an overloaded server', { status: 503 }, { code: 'provider_unavailable', status: 503, serviceFault: true }],
    ['a gateway in front that gave up', { status: 504, errorBody: '<html>504</html>' }, { code: 'provider_timeout', status: 504, serviceFault: true }],
    ['a request it does not accept', { status: 400 }, { code: 'invalid_request', status: 400, serviceFault: false }],
    ['a redirect', { status: 302, headers: { location: 'http://127.0.0.1:1/' } }, { code: 'provider_error', serviceFault: false }],
  ];
  for (const [what, script, error] of statuses) {
    has('service', `tells of ${what}`, async () => {
      expect((await failing(script)).error).toMatchObject(error);
    });
  }

  has('service', 'tells of a model that is not there', async () => {
    const events = (await collect(ask({ model: 'nobody' }))).flat();
    expect(events).toMatchObject([{ type: 'error', error: { code: 'model_not_found', serviceFault: false } }]);
  });

  has('service', 'gives up a service that never answers', async () => {
    expect((await failing({ silent: true })).error).toMatchObject({ code: 'provider_timeout', serviceFault: true });
  });

  has('service', 'keeps the text when the service falls silent, dies, breaks off, fails or babbles in the middle', async () => {
    const faults: [NonNullable<Script['fault']>['kind'], ReplyError['code']][] = [
      ['hang', 'provider_timeout'], ['cut', 'provider_error'], ['end', 'provider_error'],
      ['malformed', 'provider_error'], ['error-event', 'provider_error'],
    ];
    for (const [kind, code] of faults) {
      const { text, error } = await failing({ pieces: ['one', ' two', ' three'], fault: { kind, after: 2 } });
      expect([kind, text, error.code, error.serviceFault]).toEqual([kind, 'one two', code, true]);
    }
  });

  has('service', 'is not led astray by a wrong length', async () => {
    expect((await failing({ pieces: ['one', ' two'], contentLength: 100_000, finish: null, done: false })).text).toBe('one two');
    expect((await failing({ pieces: ['one', ' two'], contentLength: 60 })).error.code).toBe('provider_error');
  });

  has('service', 'refuses bytes that are no protocol, and pages for people', async () => {
    expect((await failing({ raw: ['\u0000\u0001\u0002 nonsense \n\n'.repeat(50)] })).error.code).toBe('provider_error');
    expect((await failing({ raw: [Buffer.from([0xff, 0xfe, 0x00, 0x80])] })).error.code).toBe('provider_error');
    expect((await failing({ raw: [''] })).error.code).toBe('provider_error');
    expect((await failing({ raw: ['<html><body>Sign in</body></html>'], headers: { 'content-type': 'text/html' } })).error.message).toContain('web page');
  });

  has('service', 'does not hold a line without an end in memory for ever', async () => {
    const { error } = await failing({ raw: ['data: {"x":"', ...Array.from({ length: 9 }, () => 'x'.repeat(1_000_000))] });
    expect(error).toMatchObject({ code: 'provider_error', serviceFault: true });
  });

  has('service', 'tells of a service that is not there, to its callers and in its state', async () => {
    await standIn().close();
    const { provider, apiKey, chatModel } = under();
    const call = { signal: new AbortController().signal, apiKey };
    const events = (await collect(provider.stream({ model: chatModel, messages: hello }, call))).flat();
    expect(events).toMatchObject([{ type: 'error', error: { code: 'provider_unavailable', serviceFault: true } }]);
    expect(await provider.models(call).catch((thrown: unknown) => asParleyError(thrown).code)).toBe('provider_unavailable');
    expect(await provider.state(call)).toMatchObject({ state: 'absent', howToAdd: expect.stringMatching(/\S/) as string });
  });

  has('service', 'shows no key in its errors', async () => {
    const key = under().apiKey ?? 'sk-nothing-to-show';
    for (const status of [400, 401, 403, 429, 500]) {
      const { error } = await failing({ status, errorMessage: `The key ${key} is bad.` });
      expect(error.message).not.toContain(key === 'sk-nothing-to-show' ? 'Bearer' : key);
    }
  });
}
