import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { asParleyError } from '../../../base/errors.ts';
import type { Script, StandIn } from '../../../../test/stand-in/index.ts';
import type { ModelProvider, ModelRequest, ReplyError, ReplyEvent, ToolDefinition, Usage } from '../types.ts';

/** A provider made for one test, with what answers behind it. */
export interface ProviderUnderTest {
  provider: ModelProvider;
  apiKey: string | null;
  /** A model that chats. Its answer to "Hello" has at least two pieces. */
  chatModel: string;
  /** A model that calls the tool it is offered; default `chatModel`. */
  toolModel?: string;
  /** A model that embeds, where there is one. */
  embeddingModel: string | null;
  /** The stand-in behind the provider; null for those that call no service. Calls give up after `timeoutMs` of silence. */
  standIn: StandIn | null;
  stop(): Promise<void>;
}

/** Cases that some provider cannot have. */
export type Avoidable = 'service' | 'usage' | 'length' | 'tools' | 'embeddings' | 'split characters of the answer';

export interface ProviderHarness {
  name: string;
  start(): Promise<ProviderUnderTest>;
  /** Why the provider cannot have a case. Each reason is printed with the tests. */
  without?: Partial<Record<Avoidable, string>>;
  /** What becomes of each setting; for providers whose requests can be looked at. */
  settings?: Record<Setting, Becomes>;
}

/**
 * What a provider makes of a setting: it sends this, keeps to it itself (its own tests show how), refuses it by this name,
 * or takes it for a hint that it may leave out, for a reason. Nothing is left out without one.
 */
export type Becomes = { sends: Record<string, unknown> } | { keeps: true } | { refuses: string } | { hint: string };

const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false };
const picture = 'data:image/png;base64,iVBORw0KGgo=';

/** A request for each setting that not every model service has. */
export const settingRequests = {
  topK: { topK: 40 },
  minP: { minP: 0.05 },
  repeatPenalty: { repeatPenalty: 1.1 },
  logitBias: { logitBias: { '50256': -100 } },
  reasoningEffort: { reasoningEffort: 'low' },
  verbosity: { verbosity: 'low' },
  logprobs: { logprobs: { top: 0 } },
  'logprobs with others': { logprobs: { top: 2 } },
  'a JSON object': { responseFormat: { type: 'json_object' } },
  'a JSON schema': { responseFormat: { type: 'json_schema', name: 'place', description: 'A place', schema, strict: true } },
  'one tool at a time': { tools: [{ name: 'weather', parameters: schema }], parallelToolCalls: false },
  'a tool that must be called': { tools: [{ name: 'weather', parameters: schema }], toolChoice: { name: 'weather' } },
  'strict tools': { tools: [{ name: 'weather', parameters: schema, strict: true }] },
  'a picture': { messages: [{ role: 'user', content: 'What is this?', parts: [{ type: 'text', text: 'What is this?' }, { type: 'image', url: picture, detail: 'low' }] }] },
  'a picture elsewhere': { messages: [{ role: 'user', content: '', parts: [{ type: 'image', url: 'https://pictures.example/one.png' }] }] },
} satisfies Record<string, Partial<ModelRequest>>;

export type Setting = keyof typeof settingRequests;

const hello: ModelRequest['messages'] = [{ role: 'user', content: 'Hello' }];
const weather: ToolDefinition = { name: 'weather', description: 'The weather in a city', parameters: { type: 'object', properties: { city: { type: 'string', enum: ['Graz'] } }, required: ['city'] } };

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

interface Suite {
  ask(more?: Partial<ModelRequest>, signal?: AbortSignal): AsyncIterable<ReplyEvent[]>;
  under(): ProviderUnderTest;
  standIn(): StandIn;
  /** A test, or, where the harness says that the provider cannot have it, the reason in its place. */
  has(part: Avoidable | null, title: string, run: () => Promise<void>): void;
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

function settings({ ask, under }: Suite, table: Record<Setting, Becomes>): void {
  const chatsMade = (): number => under().standIn?.requests.filter(({ body }) => body.messages !== undefined).length ?? 0;
  for (const [name, becomes] of Object.entries(table) as [Setting, Becomes][]) {
    const asked: Partial<ModelRequest> = settingRequests[name];
    if ('refuses' in becomes) {
      test(`${name}: refused`, async () => {
        const events = (await collect(ask(asked))).flat();
        expect(events).toMatchObject([{ type: 'error', error: { code: 'unsupported_value', parameter: becomes.refuses, serviceFault: false } }]);
        expect(chatsMade()).toBe(0);
      });
    } else {
      test(`${name}: ${'hint' in becomes ? `left out, ${becomes.hint}` : 'keeps' in becomes ? 'kept to' : 'sent'}`, async () => {
        expect((await collect(ask(asked))).flat().at(-1)).toMatchObject({ type: 'finish' });
        if ('sends' in becomes) expect(under().standIn!.requests.at(-1)!.body).toMatchObject(becomes.sends);
      });
    }
  }
}

function goodService({ ask, under, standIn, has }: Suite): void {
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

  has('service', 'hands over log-probabilities with the text they are of', async () => {
    const topLogprobs = [{ token: 'one', logprob: -0.25 }, { token: 'zwei', logprob: -1.5 }, { token: 'three', logprob: -2 }];
    for (const whole of [false, true]) {
      standIn().next({ pieces: ['one', ' zwö'], logprobs: [-0.25, -0.5], topLogprobs });
      const events = (await collect(ask({ logprobs: { top: 2 }, whole }))).flat();
      const tokens = events.flatMap((event) => (event.type === 'logprobs' ? event.tokens : []));
      const top = [{ token: 'one', logprob: -0.25, bytes: [111, 110, 101] }, { token: 'zwei', logprob: -1.5, bytes: [122, 119, 101, 105] }];
      expect(tokens).toEqual([
        { token: 'one', logprob: -0.25, bytes: [111, 110, 101], top },
        { token: ' zwö', logprob: -0.5, bytes: [32, 122, 119, 195, 182], top },
      ]);
    }
    standIn().next({ pieces: ['one'], logprobs: [-0.25], topLogprobs });
    expect((await collect(ask())).flat().some((event) => event.type === 'logprobs')).toBe(false);
  });

  has('service', 'sends the conversation, the sampling and the text to go on from', async () => {
    const messages: ModelRequest['messages'] = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'What is the weather?' },
      { role: 'assistant', content: '', toolCalls: [{ id: 'call_a', name: 'weather', arguments: '{"city":"Graz"}' }] },
      { role: 'tool', content: 'Sunny', toolCallId: 'call_a' },
    ];
    await collect(ask({ messages, temperature: 0.5, maxTokens: 20, stop: ['END'], seed: 7, prefill: 'It is', tools: [weather] }));
    const body = standIn().requests.at(-1)!.body;
    expect(body.messages!.slice(0, 2)).toEqual(messages.slice(0, 2));
    expect(body.messages![2]!.tool_calls).toHaveLength(1);
    expect(body.messages!.slice(3).map((message) => message.content)).toEqual(expect.arrayContaining(['Sunny', 'It is']) as string[]);
    expect(body.tools).toHaveLength(1);
    expect(body.options ?? body).toMatchObject({ temperature: 0.5, stop: ['END'], seed: 7 });
  });

  has('service', 'leaves out the sampling that is not set', async () => {
    await collect(ask());
    const body = standIn().requests.at(-1)!.body;
    expect(body.options ?? body).not.toHaveProperty('temperature');
    expect(JSON.stringify(body)).not.toMatch(/null|undefined/);
  });

  has('service', 'carries no key where there is none, and the key where there is one', async () => {
    await collect(ask());
    const sent = standIn().requests.at(-1)!.headers.authorization;
    expect(sent).toBe(under().apiKey === null ? undefined : `Bearer ${under().apiKey}`);
  });
}

/** Answers that are asked for without streaming (`whole`). */
function wholeAnswers({ ask, standIn, has }: Suite): void {
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
      expect((await answer.request).body.stream).toBe(false);
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

function badService({ ask, under, standIn, has }: Suite): void {
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
      const { error } = await failing({ status, errorBody: { error: { message: `The key ${key} is bad.`, type: 'x', code: null } } });
      expect(error.message).not.toContain(key === 'sk-nothing-to-show' ? 'Bearer' : key);
    }
  });
}

/** All batches of a reply. */
export async function collect(reply: AsyncIterable<ReplyEvent[]>): Promise<ReplyEvent[][]> {
  const batches: ReplyEvent[][] = [];
  for await (const batch of reply) batches.push(batch);
  return batches;
}

/** The text of a reply so far. */
export function textOf(events: readonly ReplyEvent[]): string {
  return events.filter((event) => event.type === 'text').map((event) => event.text).join('');
}

/** The usage that counts: the last one. */
export function usageOf(events: readonly ReplyEvent[]): Usage {
  return events.findLast((event) => event.type === 'usage')?.usage ?? {};
}
