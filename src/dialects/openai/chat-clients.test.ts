import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { HumanMessage, type AIMessage, type BaseMessageChunk, type ToolMessage } from '@langchain/core/messages';
import { tool as langchainTool } from '@langchain/core/tools';
import { ChatOpenAI } from '@langchain/openai';
import { generateText, Output, stepCountIs, streamText, tool } from 'ai';
import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { systemClock } from '../../base/clock.ts';
import { createMetrics, silentLog } from '../../base/observability/index.ts';
import { createModels, createOpenaiCompatibleProvider, type Models } from '../../core/models/index.ts';
import { startStandIn, type Script, type StandIn } from '../../../test/stand-in/index.ts';
import { startTestServer, type TestServer } from '../testing.ts';

/*
 * Clients that people use, against the whole server: in front of a stand-in for a model service, with the real registry
 * of models in between.
 */

let standIn: StandIn;
let models: Models;
let server: TestServer;
beforeAll(async () => {
  standIn = await startStandIn();
  models = createModels({
    providers: [createOpenaiCompatibleProvider({ id: 'nearby', baseUrl: `${standIn.url}/v1`, timeoutMs: 2000, clock: systemClock })],
    providerKey: async () => null,
    clock: systemClock, log: silentLog(), metrics: createMetrics(), retryPausesMs: [1, 2],
    settings: { shareProviderKeys: false, openaiApiKey: null, compatibleKeys: new Map(), defaultModel: null, fallbackModels: [] },
  });
  server = await startTestServer({ models });
});
afterEach(() => standIn.otherwise({}));
afterAll(async () => {
  await server.stop();
  await models.stop!();
  await standIn.close();
});

const model = 'nearby/gpt-4o';
const town = z.object({ town: z.string(), people: z.number() });
const graz = '{"town":"Graz","people":300000}';
const weather: Script = { toolCalls: [{ id: 'call_w', name: 'weather', argumentPieces: ['{"town":', '"Graz"}'] }] };
const lastBody = () => standIn.requests.at(-1)!.body;

describe('The openai package', () => {
  const client = (options = {}) => new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'local', maxRetries: 0, ...options });
  const messages = [{ role: 'user' as const, content: 'Where?' }];

  it('parses structured answers, whole and streamed', async () => {
    standIn.next({ pieces: ['Graz, I think.'] });
    standIn.next({ pieces: [graz] });
    const parsed = await client().chat.completions.parse({ model, messages, response_format: zodResponseFormat(town, 'town') });
    expect(parsed.choices[0]!.message.parsed).toEqual({ town: 'Graz', people: 300_000 });
    expect(lastBody().response_format).toMatchObject({ type: 'json_schema', json_schema: { name: 'town', strict: true } });
    standIn.next({ pieces: [graz.slice(0, 9), graz.slice(9)] });
    const stream = client().chat.completions.stream({ model, messages, response_format: zodResponseFormat(town, 'town') });
    expect((await stream.finalChatCompletion()).choices[0]!.message.parsed).toEqual({ town: 'Graz', people: 300_000 });
  });

  it('learns that a strict schema was not kept to: with a status, and at the end of a stream', async () => {
    standIn.otherwise({ pieces: ['Somewhere.'] });
    const response_format = zodResponseFormat(town, 'town');
    // Three tries of the server, and none more of a client that would.
    const before = standIn.requests.length;
    await expect(client({ maxRetries: 2 }).chat.completions.create({ model, messages, response_format })).rejects.toMatchObject({ status: 502, code: 'provider_error', param: 'response_format' });
    expect(standIn.requests.length - before).toBe(3);
    standIn.otherwise({ pieces: ['Some', 'where.'], delayMs: 20 });
    const stream = await client().chat.completions.create({ model, messages, response_format, stream: true });
    let text = '';
    await expect((async () => { for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''; })()).rejects.toMatchObject({ code: 'provider_error' });
    expect(text).toBe('Somewhere.');
  });

  it('runs tools by itself until there is an answer', async () => {
    standIn.next(weather);
    standIn.next({ pieces: ['It is ', 'sunny.'] });
    const runner = client().chat.completions.runTools({
      model, messages, stream: true,
      tools: [{ type: 'function', function: { name: 'weather', description: 'Weather', parameters: { type: 'object', properties: { town: { type: 'string' } } }, parse: JSON.parse, function: (input: { town: string }) => `Sun in ${input.town}` } }],
    });
    expect(await runner.finalContent()).toBe('It is sunny.');
    expect(lastBody().messages!.at(-1)).toEqual({ role: 'tool', tool_call_id: 'call_w', content: 'Sun in Graz' });
  });

  it('gathers log-probabilities of a stream', async () => {
    standIn.next({ pieces: ['a', 'b'], logprobs: [-0.1, -0.2], topLogprobs: [{ token: 'a', logprob: -0.1 }] });
    const stream = client().chat.completions.stream({ model, messages, logprobs: true, top_logprobs: 1 });
    const { logprobs } = (await stream.finalChatCompletion()).choices[0]!;
    expect(logprobs!.content!.map(({ token, logprob, top_logprobs }) => [token, logprob, top_logprobs.length])).toEqual([['a', -0.1, 1], ['b', -0.2, 1]]);
  });

  it('tries again what the service refused for now, and stops the model when it is told to', async () => {
    // Three tries of the server, then one more of the client.
    for (let times = 0; times < 3; times += 1) standIn.next({ status: 503 });
    standIn.next({ pieces: ['At last.'] });
    expect((await client({ maxRetries: 1 }).chat.completions.create({ model, messages })).choices[0]!.message.content).toBe('At last.');
    for (const stream of [true, false]) {
      const answer = standIn.next({ silent: true });
      const abort = new AbortController();
      const asked = client().chat.completions.create({ model, messages, stream }, { signal: abort.signal }).catch((error: unknown) => error);
      const request = await answer.request;
      abort.abort();
      expect(await asked).toBeInstanceOf(OpenAI.APIUserAbortError);
      await request.aborted;
    }
  });

  it('asks the model without streaming when it reads a whole answer', async () => {
    await client().chat.completions.create({ model, messages });
    expect(lastBody().stream).toBe(false);
    await Array.fromAsync(await client().chat.completions.create({ model, messages, stream: true }));
    expect(lastBody().stream).toBe(true);
  });
});

describe('The AI SDK', () => {
  const provider = () => createOpenAICompatible({ name: 'parley', baseURL: `${server.url}/v1`, includeUsage: true, supportsStructuredOutputs: true })(model);

  it('makes objects, whole and in parts', async () => {
    standIn.next({ pieces: [graz] });
    const made = await generateText({ model: provider(), prompt: 'Where?', maxRetries: 0, output: Output.object({ schema: town }) });
    expect(made.output).toEqual({ town: 'Graz', people: 300_000 });
    standIn.next({ pieces: [...graz] });
    const streamed = streamText({ model: provider(), prompt: 'Where?', maxRetries: 0, output: Output.object({ schema: town }) });
    const parts = await Array.fromAsync(streamed.partialOutputStream);
    expect(parts.at(-1)).toEqual({ town: 'Graz', people: 300_000 });
    expect(lastBody().response_format).toMatchObject({ type: 'json_schema' });
  });

  it('uses tools over several steps', async () => {
    standIn.next(weather);
    standIn.next({ pieces: ['Sunny.'] });
    const tools = { weather: tool({ description: 'Weather', inputSchema: z.object({ town: z.string() }), execute: async ({ town: name }) => `Sun in ${name}` }) };
    const { text, steps } = await generateText({ model: provider(), prompt: 'Weather?', maxRetries: 0, tools, stopWhen: stepCountIs(3) });
    expect([text, steps.length]).toEqual(['Sunny.', 2]);
    expect(lastBody().messages!.at(-1)).toMatchObject({ role: 'tool', tool_call_id: 'call_w' });
  });

  it('tells reasoning from text, and passes pictures on', async () => {
    standIn.next({ reasoning: ['Let me ', 'see.'], pieces: ['A bird.'] });
    const image = new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
    const result = streamText({ model: provider(), maxRetries: 0, messages: [{ role: 'user', content: [{ type: 'text', text: 'What?' }, { type: 'image', image }] }] });
    expect([await result.text, await result.reasoningText]).toEqual(['A bird.', 'Let me see.']);
    expect(lastBody().messages![0]!.content).toMatchObject([{ type: 'text' }, { type: 'image_url', image_url: { url: expect.stringMatching(/^data:image\/png;base64,/) as string } }]);
  });
});

describe('LangChain.js', () => {
  const chat = (fields = {}) => new ChatOpenAI({ model, apiKey: 'local', maxRetries: 0, configuration: { baseURL: `${server.url}/v1` }, ...fields });

  it('asks and streams, with usage', async () => {
    const answer = await chat({ temperature: 0.5 }).invoke('Hello?');
    expect([answer.content, answer.usage_metadata?.total_tokens]).toEqual(['Hello from the stand-in.', 12]);
    let all: BaseMessageChunk | undefined;
    let pieces = 0;
    standIn.next({ pieces: ['one ', 'two ', 'three'], delayMs: 2 });
    for await (const chunk of await chat().stream('Hello?')) {
      all = all ? (all as typeof chunk).concat(chunk) : chunk;
      pieces += 1;
    }
    expect(all!.content).toBe('one two three');
    expect(pieces).toBeGreaterThan(3);
    expect((all as unknown as AIMessage).usage_metadata).toMatchObject({ input_tokens: 7, output_tokens: 3 });
  });

  it('gives structured answers, by schema, by JSON and by a tool', async () => {
    for (const method of ['jsonSchema', 'jsonMode'] as const) {
      standIn.next({ pieces: [graz] });
      expect(await chat().withStructuredOutput(town, { name: 'town', method }).invoke('Where? Answer in JSON.')).toEqual({ town: 'Graz', people: 300_000 });
      expect(lastBody().response_format).toMatchObject({ type: method === 'jsonMode' ? 'json_object' : 'json_schema' });
    }
    standIn.next({ toolCalls: [{ id: 'call_t', name: 'town', argumentPieces: [graz] }] });
    expect(await chat().withStructuredOutput(town, { name: 'town', method: 'functionCalling' }).invoke('Where?')).toEqual({ town: 'Graz', people: 300_000 });
    expect(lastBody().tool_choice).toEqual({ type: 'function', function: { name: 'town' } });
  });

  it('calls tools and goes on with their results', async () => {
    const weatherTool = langchainTool(async ({ town: name }: { town: string }) => `Sun in ${name}`, { name: 'weather', description: 'Weather', schema: z.object({ town: z.string() }) });
    const bound = chat().bindTools([weatherTool]);
    standIn.next(weather);
    const called = await bound.invoke('Weather?');
    expect(called.tool_calls).toMatchObject([{ id: 'call_w', name: 'weather', args: { town: 'Graz' } }]);
    const result = (await weatherTool.invoke(called.tool_calls![0]!)) as ToolMessage;
    standIn.next({ pieces: ['Sunny.'] });
    expect((await bound.invoke([new HumanMessage('Weather?'), called, result])).content).toBe('Sunny.');
    expect(lastBody().messages!.at(-1)).toMatchObject({ role: 'tool', tool_call_id: 'call_w', content: 'Sun in Graz' });
  });

  it('gets several answers, log-probabilities and errors', async () => {
    const { generations } = await chat({ n: 2 }).generate([[new HumanMessage('Hello?')]]);
    expect(generations[0]).toHaveLength(2);
    standIn.next({ pieces: ['a'], logprobs: [-0.5] });
    const answer = await chat({ logprobs: true }).invoke('Hello?');
    expect((answer.response_metadata['logprobs'] as { content: { token: string }[] }).content).toMatchObject([{ token: 'a', logprob: -0.5 }]);
    await expect(chat({ model: 'nearby2/none' }).invoke('Hello?')).rejects.toMatchObject({ status: 404 });
  });
});
